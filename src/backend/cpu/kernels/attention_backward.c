/* attention_backward.c - attention without a score matrix, gradients
 *
 *     p = exp(scale q kT - lse);  d_s = p (d_y vT - delta),  delta = sum over channels of d_y y
 *     d_q = scale d_s k,  d_k = scale d_sT q,  d_v = pT d_y
 *
 * as in FlashAttention-2 (arXiv 2307.08691, algorithm 2): p is made again, block by block. A task is a head, or a range
 * of its keys; it walks over blocks of keys, and for each over blocks of queries. d_k and d_v of the block of keys stay
 * in the cache, d_q of the head is a sum in memory. So five products, in two layouts:
 *
 *     with queries in the lanes     s[key][query] = k q,  d_p[key][query] = v d_y,  d_q[channel][query] += k d_s
 *     with channels in the lanes    d_v[key][channel] += p d_y,  d_k[key][channel] += d_s q
 *
 * Where a problem has few heads, ranges of keys have a d_q of their own, added in their order afterwards. Ranges and
 * blocks depend on the problem alone, so that the bits are the same at any number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/attention.h"

/* BLOCK_QUERIES: summed over at a time by d_k and d_v, enough to pay for loading and storing them. */
enum { BLOCK_PANELS = 64 / PANEL, BLOCK_QUERIES = BLOCK_PANELS * PANEL };
enum { FETCH_KEYS = 8 };

enum part {
    Q_COLUMNS,  /* [panels][words][PANEL], scale's sign taken in */
    DY_COLUMNS, /* the same of d_y */
    Q_SUMS,     /* [BLOCK_QUERIES][channels], or pairs of queries */
    DY_SUMS,
    K_ROWS, /* [block_keys][row] */
    V_ROWS,
    K_SUMS,   /* [block_keys][channels], or pairs of keys */
    SCORES,   /* [block_keys][PANEL] f32 */
    D_SCORES, /* d_p, then d_s as words for d_q */
    P_ROWS,   /* [block_keys][BLOCK_QUERIES], or half in pairs of queries */
    D_S_ROWS, /* the same of d_s */
    D_K,      /* [block_keys][channels] f32 */
    D_V,
    PARTS
};

typedef struct backward {
    attention_sizes s;
    const lyc_call *call;
    int64_t ranges;       /* of keys, for each head */
    int64_t range_keys;   /* a multiple of block_keys */
    int64_t panels;       /* of all queries, up to a multiple of BLOCK_PANELS */
    int64_t d_q_rows;     /* d, rounded up to what tiles touch */
    int64_t d_q_elements; /* of one sum */
    int64_t row_queries;  /* words of a row of P_ROWS */
    size_t part_bytes[PARTS];
    size_t scratch_bytes; /* of one thread */
    float *delta;         /* [n,heads,tq] */
    float *d_q;           /* a sum for each thread, or for each range of each head when ranges > 1 */
    char *scratch;
} backward;

typedef struct task {
    const backward *b;
    int64_t n, head;
    float *d_q;   /* [panels][d_q_rows][PANEL] */
    int64_t key;  /* the first of the block */
    int64_t keys; /* in it */
    int64_t query;
    int64_t queries;
    void *part[PARTS];
} task;

/* ---- sizes ---- */

/* Where a machine has many processors and a problem few heads, two or four ranges of keys share a head. */
static int64_t ranges_of(const attention_sizes *s)
{
    const int64_t blocks = (s->tk + s->block_keys - 1) / s->block_keys;
    int64_t ranges = 1;
    while (ranges < 4 && s->n * s->heads * ranges < 8 && 8 * ranges <= blocks) {
        ranges *= 2;
    }
    return ranges;
}

static size_t aligned(size_t bytes)
{
    return (bytes + LYC_ALIGNMENT - 1) / LYC_ALIGNMENT * LYC_ALIGNMENT;
}

/* Block of keys: k, v, d_k, d_v and the two layouts of the scores stay in the second-level cache. */
static backward backward_of(const lyc_problem *p)
{
    backward b = {.s = attention_sizes_of(p, 16384, 96)};
    const attention_sizes *s = &b.s;
    const int64_t keys = s->block_keys;
    const int64_t blocks = (s->tk + keys - 1) / keys;
    b.ranges = ranges_of(s);
    b.range_keys = (blocks + b.ranges - 1) / b.ranges * keys;
    b.panels = round_up((s->tq + PANEL - 1) / PANEL, BLOCK_PANELS);
    b.d_q_rows = lyc_tile_rows_padded(s->d);
    b.d_q_elements = b.panels * b.d_q_rows * PANEL;
    b.row_queries = s->pairs ? BLOCK_QUERIES / 2 : BLOCK_QUERIES;
    const int64_t words[PARTS] = {
        [Q_COLUMNS] = s->words * BLOCK_QUERIES,
        [DY_COLUMNS] = s->words * BLOCK_QUERIES,
        [Q_SUMS] = BLOCK_QUERIES * s->channels,
        [DY_SUMS] = BLOCK_QUERIES * s->channels,
        [K_ROWS] = keys * s->row,
        [V_ROWS] = keys * s->row,
        [K_SUMS] = s->pairs ? keys * s->channels : 0,
        [SCORES] = keys * PANEL,
        [D_SCORES] = keys * PANEL,
        [P_ROWS] = keys * b.row_queries,
        [D_S_ROWS] = keys * b.row_queries,
        [D_K] = keys * s->channels,
        [D_V] = keys * s->channels,
    };
    for (int i = 0; i < PARTS; i++) {
        b.part_bytes[i] = aligned((size_t)words[i] * sizeof(lyc_word));
        b.scratch_bytes += b.part_bytes[i];
    }
    return b;
}

static int64_t d_q_sums(const backward *b)
{
    return b->ranges > 1 ? b->s.n * b->s.heads * b->ranges : lyc_thread_count();
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const backward b = backward_of(p);
    return aligned((size_t)(b.s.n * b.s.heads * b.s.tq) * sizeof(float)) +
           (size_t)(d_q_sums(&b) * b.d_q_elements) * sizeof(float) + b.scratch_bytes * (size_t)lyc_thread_count();
}

/* ---- one block of keys against one block of queries ---- */

static __attribute__((noinline)) void product_set(bool pairs, float *c, const lyc_tile_operands *o, int64_t rows)
{
    if (LYC_ATTENTION_PAIRS && pairs) {
        lyc_tile_rows(true, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_SET, NULL);
    } else {
        lyc_tile_rows(false, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_SET, NULL);
    }
}

/* vectors: 2, or 1 for the last channels. */
static __attribute__((noinline)) void product_add(bool pairs, int vectors, float *c, int64_t c_row,
                                                  const lyc_tile_operands *o, int64_t rows)
{
    if (LYC_ATTENTION_PAIRS && pairs) {
        if (vectors == 2) {
            lyc_tile_rows(true, 2, c, c_row, *o, rows, LYC_TILE_ADD, NULL);
        } else {
            lyc_tile_rows(true, 1, c, c_row, *o, rows, LYC_TILE_ADD, NULL);
        }
    } else if (vectors == 2) {
        lyc_tile_rows(false, 2, c, c_row, *o, rows, LYC_TILE_ADD, NULL);
    } else {
        lyc_tile_rows(false, 1, c, c_row, *o, rows, LYC_TILE_ADD, NULL);
    }
}

/* log2 of the sum of exponentials for some queries, and delta. Lanes past the last query get p = 0. */
LYC_SIMD_INLINE void load_statistics(lyc_vf *lse2, lyc_vf *delta, const task *t, int64_t query)
{
    const attention_sizes *s = &t->b->s;
    const int n = (int)lyc_max(0, lyc_min(LYC_LANES, s->tq - query));
    const int64_t at = (t->n * s->heads + t->head) * s->tq + query;
    *lse2 = lyc_vset(INFINITY);
    *delta = (lyc_vf){0};
    if (n > 0) {
        const lyc_vf lse = lyc_vload_n((const float *)t->b->call->in[4] + at, n);
        *lse2 = lyc_vselect(lyc_vmask_first(n), lse * LYC_LOG2_E, *lse2);
        *delta = lyc_vload_n(t->b->delta + at, n);
    }
}

/* p and d_s of keys [from, to) for the vector of queries at `lane` of panel `panel`, from s and d_p. */
LYC_SIMD_INLINE void differentiate(bool pairs, const task *t, int64_t panel, int64_t lane, lyc_vf lse2, lyc_vf delta,
                                   int64_t from, int64_t to)
{
    const lyc_vf c = lyc_vset(t->b->s.c);
    const float *scores = (const float *)t->part[SCORES] + lane;
    lyc_word *d_scores = (lyc_word *)t->part[D_SCORES] + lane;
    const int64_t column = panel * PANEL + lane;
    lyc_vf even = {0};
    for (int64_t j = from; j < to; j++) {
        const lyc_vf p = lyc_vexp2_down(lyc_vfma(lyc_vload(scores + j * PANEL), c, -lse2));
        const lyc_vf d_s = p * (lyc_vload(&d_scores[j * PANEL].f) - delta);
        if (!pairs) {
            lyc_vstore(&d_scores[j * PANEL].f, d_s);
            lyc_vstore((float *)t->part[P_ROWS] + j * BLOCK_QUERIES + column, p);
            lyc_vstore((float *)t->part[D_S_ROWS] + j * BLOCK_QUERIES + column, d_s);
        } else {
            lyc_vhstore((uint16_t *)t->part[P_ROWS] + j * BLOCK_QUERIES + column, attention_half(p));
            lyc_vhstore((uint16_t *)t->part[D_S_ROWS] + j * BLOCK_QUERIES + column, attention_half(d_s));
            if (j % 2 != 0) {
                lyc_vistore(d_scores + j / 2 * PANEL, attention_pair(even, d_s));
            } else if (j == t->keys - 1) {
                lyc_vistore(d_scores + j / 2 * PANEL, attention_pair(d_s, (lyc_vf){0}));
            }
            even = d_s;
        }
    }
}

/* s, d_p, p, d_s and d_q of one panel. */
static void visit_panel(const task *t, int64_t panel, attention_fetcher *next)
{
    const backward *b = t->b;
    const attention_sizes *s = &b->s;
    const int64_t query = t->query + panel * PANEL;
    const int64_t offset = panel * s->words * PANEL;
    lyc_tile_operands o = {t->part[K_ROWS], s->row, 1, (lyc_word *)t->part[Q_COLUMNS] + offset, PANEL, s->words};
    product_set(s->pairs, t->part[SCORES], &o, t->keys);
    o.a = t->part[V_ROWS];
    o.b = (lyc_word *)t->part[DY_COLUMNS] + offset;
    product_set(s->pairs, t->part[D_SCORES], &o, t->keys);
    if (s->causal && query < t->key + t->keys - 1) {
        attention_hide_later_keys(t->part[SCORES], t->keys, query - t->key);
    }
    lyc_vf lse2[LYC_TILE_VECTORS], delta[LYC_TILE_VECTORS];
    for (int v = 0; v < LYC_TILE_VECTORS; v++) {
        load_statistics(&lse2[v], &delta[v], t, query + v * LYC_LANES);
    }
    for (int64_t j = 0; j < t->keys; j += FETCH_KEYS) {
        const int64_t end = lyc_min(t->keys, j + FETCH_KEYS);
        for (int v = 0; v < LYC_TILE_VECTORS; v++) {
            if (LYC_ATTENTION_PAIRS && s->pairs) {
                differentiate(true, t, panel, v * LYC_LANES, lse2[v], delta[v], j, end);
            } else {
                differentiate(false, t, panel, v * LYC_LANES, lse2[v], delta[v], j, end);
            }
        }
        attention_fetch(next);
    }
    o = (lyc_tile_operands){
        t->part[s->pairs ? K_SUMS : K_ROWS],   1, s->pairs ? s->channels : s->row, t->part[D_SCORES], PANEL,
        s->pairs ? (t->keys + 1) / 2 : t->keys};
    product_add(s->pairs, LYC_TILE_VECTORS, t->d_q + query / PANEL * b->d_q_rows * PANEL, PANEL, &o, s->d);
}

/* sums[key][channel] += rows[key][query] columns[query][channel] */
static void add_sums(const task *t, enum part sums, enum part rows, enum part columns)
{
    const attention_sizes *s = &t->b->s;
    const lyc_word *b = t->part[columns];
    const int64_t depth = s->pairs ? BLOCK_QUERIES / 2 : BLOCK_QUERIES;
    for (int64_t c = 0; c < s->channels; c += LYC_TILE_WIDTH) {
        const lyc_tile_operands o = {t->part[rows], t->b->row_queries, 1, b + c, s->channels, depth};
        const int vectors = s->channels - c >= LYC_TILE_WIDTH ? LYC_TILE_VECTORS : 1;
        product_add(s->pairs, vectors, (float *)t->part[sums] + c, s->channels, &o, t->keys);
    }
}

static void pack_queries(const task *t, const void *tensor, enum part columns, enum part sums, uint32_t flip)
{
    const attention_sizes *s = &t->b->s;
    const char *src = attention_at(s, tensor, s->tq, t->n, t->query, t->head);
    for (int64_t i = 0; i < BLOCK_PANELS; i++) {
        const int64_t first = lyc_min(t->queries, i * PANEL);
        attention_pack_panel((lyc_word *)t->part[columns] + i * s->words * PANEL, s,
                             src + first * attention_token_bytes(s), lyc_min(PANEL, t->queries - first), flip);
    }
    attention_pack_sums(t->part[sums], s, src, t->queries);
    const int64_t packed = s->pairs ? (t->queries + 1) / 2 : t->queries;
    const int64_t all = s->pairs ? BLOCK_QUERIES / 2 : BLOCK_QUERIES;
    memset((lyc_word *)t->part[sums] + packed * s->channels, 0,
           (size_t)((all - packed) * s->channels) * sizeof(lyc_word));
}

static void visit_queries(task *t, int64_t query)
{
    const backward *b = t->b;
    const attention_sizes *s = &b->s;
    const int64_t after = query + BLOCK_QUERIES;
    attention_fetcher next = attention_fetcher_of(s, attention_at(s, b->call->in[0], s->tq, t->n, after, t->head),
                                                  attention_at(s, b->call->in[5], s->tq, t->n, after, t->head),
                                                  lyc_max(0, lyc_min(BLOCK_QUERIES, s->tq - after)),
                                                  BLOCK_PANELS * (s->block_keys / FETCH_KEYS));
    t->query = query;
    t->queries = lyc_min(BLOCK_QUERIES, s->tq - query);
    pack_queries(t, b->call->in[0], Q_COLUMNS, Q_SUMS, s->flip);
    pack_queries(t, b->call->in[5], DY_COLUMNS, DY_SUMS, 0);
    for (int64_t i = 0; i < BLOCK_PANELS; i++) {
        visit_panel(t, i, &next);
    }
    add_sums(t, D_V, P_ROWS, DY_SUMS);
    add_sums(t, D_K, D_S_ROWS, Q_SUMS);
}

/* ---- a block of keys, a task, everything ---- */

/* tensor NULL: nobody asked for this gradient. */
static void store_sums(const task *t, void *tensor, const float *sums, float scale)
{
    const attention_sizes *s = &t->b->s;
    for (int64_t j = 0; tensor != NULL && j < t->keys; j++) {
        const int64_t index = attention_index(s, s->tk, t->n, t->key + j, t->head);
        for (int64_t c = 0; c < s->d; c += LYC_LANES) {
            attention_store(tensor, index, s, c, lyc_vload(sums + j * s->channels + c) * scale);
        }
    }
}

static void visit_keys(task *t, int64_t key)
{
    const backward *b = t->b;
    const attention_sizes *s = &b->s;
    t->key = key;
    t->keys = lyc_min(s->block_keys, s->tk - key);
    const char *k = attention_at(s, b->call->in[1], s->tk, t->n, key, t->head);
    attention_pack_rows(t->part[K_ROWS], s, k, t->keys);
    attention_pack_rows(t->part[V_ROWS], s, attention_at(s, b->call->in[2], s->tk, t->n, key, t->head), t->keys);
    if (s->pairs) {
        attention_pack_sums(t->part[K_SUMS], s, k, t->keys);
    }
    memset(t->part[D_K], 0, b->part_bytes[D_K]);
    memset(t->part[D_V], 0, b->part_bytes[D_V]);
    const int64_t first = s->causal ? key / BLOCK_QUERIES * BLOCK_QUERIES : 0; /* earlier ones do not see the block */
    for (int64_t query = first; query < s->tq; query += BLOCK_QUERIES) {
        visit_queries(t, query);
    }
    store_sums(t, b->call->out[1], t->part[D_K], s->scale);
    store_sums(t, b->call->out[2], t->part[D_V], 1.0f);
}

/* d_q of the queries of a panel from its sum, which further ranges of keys are added to. */
static void store_d_q(const backward *b, int64_t n, int64_t head, int64_t panel, float *sum)
{
    const attention_sizes *s = &b->s;
    float *columns = sum + panel * b->d_q_rows * PANEL;
    for (int64_t r = 1; r < b->ranges; r++) {
        for (int64_t i = 0; i < s->d * PANEL; i += LYC_LANES) {
            lyc_vstore(columns + i, lyc_vload(columns + i) + lyc_vload(columns + r * b->d_q_elements + i));
        }
    }
    for (int64_t lane = 0; lane < PANEL && panel * PANEL + lane < s->tq; lane += LYC_LANES) {
        const int64_t query = panel * PANEL + lane;
        attention_store_columns(b->call->out[0], attention_index(s, s->tq, n, query, head), s, columns + lane,
                                (int)lyc_min(LYC_LANES, s->tq - query), lyc_vset(s->scale));
    }
}

static void run_tasks(void *context, int64_t first, int64_t last, int thread)
{
    const backward *b = context;
    const attention_sizes *s = &b->s;
    for (int64_t i = first; i < last; i++) {
        const int64_t head = i / b->ranges;
        const int64_t range = i % b->ranges;
        task t = {.b = b, .n = head / s->heads, .head = head % s->heads};
        t.d_q = b->d_q + (b->ranges > 1 ? i : thread) * b->d_q_elements;
        char *memory = b->scratch + (size_t)thread * b->scratch_bytes;
        for (int k = 0; k < PARTS; k++) {
            t.part[k] = memory;
            memory += b->part_bytes[k];
        }
        memset(t.d_q, 0, (size_t)b->d_q_elements * sizeof(float));
        const int64_t end = lyc_min(s->tk, (range + 1) * b->range_keys);
        for (int64_t key = range * b->range_keys; key < end; key += s->block_keys) {
            visit_keys(&t, key);
        }
        for (int64_t panel = 0; b->ranges == 1 && panel * PANEL < s->tq; panel++) {
            store_d_q(b, t.n, t.head, panel, t.d_q);
        }
    }
}

static void add_ranges(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const backward *b = context;
    for (int64_t i = first; i < last; i++) {
        const int64_t head = i / b->panels;
        const int64_t panel = i % b->panels;
        if (panel * PANEL < b->s.tq) {
            store_d_q(b, head / b->s.heads, head % b->s.heads, panel, b->d_q + head * b->ranges * b->d_q_elements);
        }
    }
}

/* delta of tokens [first, last). */
static void compute_delta(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    const backward *b = context;
    const attention_sizes *s = &b->s;
    for (int64_t i = first; i < last; i++) {
        for (int64_t head = 0; head < s->heads; head++) {
            const int64_t index = (i * s->heads + head) * s->d;
            lyc_vf sum = {0};
            for (int64_t c = 0; c < s->d; c += LYC_LANES) {
                const int n = (int)lyc_min(LYC_LANES, s->d - c);
                sum = lyc_vfma(lyc_vload_as_n(s->dtype, b->call->in[3], index + c, n),
                               lyc_vload_as_n(s->dtype, b->call->in[5], index + c, n), sum);
            }
            b->delta[(i / s->tq * s->heads + head) * s->tq + i % s->tq] = lyc_vsum(sum);
        }
    }
}

static lyc_status run(const lyc_call *call)
{
    backward b = backward_of(call->problem);
    const attention_sizes *s = &b.s;
    b.call = call;
    b.delta = call->workspace;
    b.d_q = (float *)((char *)call->workspace + aligned((size_t)(s->n * s->heads * s->tq) * sizeof(float)));
    b.scratch = (char *)(b.d_q + d_q_sums(&b) * b.d_q_elements);
    lyc_parallel_chunks(s->n * s->tq, 0.3 * (double)(s->n * s->tq * s->heads * s->d), compute_delta, &b);
    lyc_parallel_tasks(s->n * s->heads * b.ranges, attention_ns(s, 5), run_tasks, &b);
    if (b.ranges > 1) {
        lyc_parallel_for(s->n * s->heads * b.panels, add_ranges, &b);
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_attention_backward) = {
    .name = LYC_ISA_NAME ".attention_backward",
    .op = &lyc_op_attention_backward,
    .accepts = attention_accepts,
    .workspace = workspace,
    .run = run,
};
