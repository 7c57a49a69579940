/* attention.c - attention without a score matrix, forward
 *
 *     y = softmax(scale q kT) v,   lse = log of the sum of exponentials of the scaled scores
 *
 * The online softmax of FlashAttention-2 (arXiv 2307.08691, algorithm 1), laid out for vectors: for a panel of queries
 * in the lanes and a block of keys,
 *
 *     s[key][query] = k q;  top = max(top, c s);  p = 2^(c s - top);  sum = sum f + p;  o[channel][query] = o f + v p
 *
 * with c = scale log2(e) and f = 2^(old top - top). Everything but the stored tensors is f32; in pairs, p is rounded to
 * bf16 for the product with v. A negative scale is taken into q, so that the greatest s has the greatest exponent.
 * The blocks of keys are the same for every query whatever the number of threads, hence so are the bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/attention.h"

enum { PARTS = 7, FETCH_KEYS = 8 /* keys of a panel between two bursts of prefetching */ };

typedef struct forward {
    attention_sizes s;
    const lyc_call *call;
    int64_t panels; /* of a task */
    int64_t tasks;  /* for each head */
    int64_t o_rows; /* d, rounded up to what tiles touch */
    size_t part_bytes[PARTS];
    size_t scratch_bytes; /* of one thread */
} forward;

/* One thread's scratch, and where it is. */
typedef struct task {
    const forward *f;
    int64_t n, head, query; /* the first query */
    lyc_word *q;            /* [panels][words][PANEL] */
    lyc_word *k;            /* [block_keys][row] */
    lyc_word *v;            /* [block_keys][channels], or half as many rows of pairs of keys */
    lyc_word *scores;       /* [block_keys][PANEL], then p */
    float *o;               /* [panels][o_rows][PANEL] */
    float *top;             /* [panels][PANEL]: c times the greatest score so far */
    float *sum;             /* [panels][PANEL] */
} task;

/* A task is some panels of one head. How many changes no result: enough tasks for the threads, but large ones, since
 * each packs the keys and values of its head again. */
static forward forward_of(const lyc_problem *p)
{
    /* Packed keys and values take a quarter of a megabyte at most, half of a usual second-level cache. */
    forward f = {.s = attention_sizes_of(p, 32768, 192)};
    const attention_sizes *s = &f.s;
    const int64_t all = (s->tq + PANEL - 1) / PANEL;
    const int64_t fair = s->n * s->heads * all / (4 * lyc_thread_count());
    const int64_t fitting = 65536 / (s->d * PANEL);
    f.panels = lyc_min(all, lyc_max(2, lyc_min(32, lyc_min(fair, fitting))));
    f.tasks = (all + f.panels - 1) / f.panels;
    f.o_rows = lyc_tile_rows_padded(s->d);
    const int64_t words[PARTS] = {f.panels * s->words * PANEL,
                                  s->block_keys * s->row,
                                  s->block_keys * s->channels,
                                  s->block_keys * PANEL,
                                  f.panels * f.o_rows * PANEL,
                                  f.panels * PANEL,
                                  f.panels * PANEL};
    for (int i = 0; i < PARTS; i++) {
        f.part_bytes[i] = (size_t)round_up(words[i] * 4, LYC_ALIGNMENT);
        f.scratch_bytes += f.part_bytes[i];
    }
    return f;
}

static task task_of(const forward *f, int64_t index, int thread)
{
    char *part[PARTS];
    char *memory = (char *)f->call->workspace + (size_t)thread * f->scratch_bytes;
    for (int i = 0; i < PARTS; i++) {
        part[i] = memory;
        memory += f->part_bytes[i];
    }
    return (task){.f = f,
                  .n = index / f->tasks / f->s.heads,
                  .head = index / f->tasks % f->s.heads,
                  .query = index % f->tasks * f->panels * PANEL,
                  .q = (lyc_word *)part[0],
                  .k = (lyc_word *)part[1],
                  .v = (lyc_word *)part[2],
                  .scores = (lyc_word *)part[3],
                  .o = (float *)part[4],
                  .top = (float *)part[5],
                  .sum = (float *)part[6]};
}

/* The products of this file, each a function of its own: inlined side by side they run out of registers. */
static __attribute__((noinline)) void product(bool pairs, float *c, const lyc_tile_operands *o, int64_t rows,
                                              const lyc_vf *factor)
{
    if (LYC_ATTENTION_PAIRS && pairs) {
        if (factor == NULL) {
            lyc_tile_rows(true, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_SET, NULL);
        } else {
            lyc_tile_rows(true, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_ADD, factor);
        }
    } else if (factor == NULL) {
        lyc_tile_rows(false, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_SET, NULL);
    } else {
        lyc_tile_rows(false, LYC_TILE_VECTORS, c, PANEL, *o, rows, LYC_TILE_ADD, factor);
    }
}

/* s = k q. Rows past the last key may be computed, and are not read. */
static void score(const task *t, int64_t panel, int64_t keys)
{
    const attention_sizes *s = &t->f->s;
    const lyc_tile_operands o = {t->k, s->row, 1, t->q + panel * s->words * PANEL, PANEL, s->words};
    product(s->pairs, &t->scores->f, &o, keys, NULL);
}

/* Raises top to the greatest score of the block. factor = 2^(old top - top). */
static void raise_top(const task *t, int64_t panel, int64_t keys, lyc_vf *factor)
{
    for (int v = 0; v < LYC_TILE_VECTORS; v++) {
        const float *scores = &t->scores[v * LYC_LANES].f;
        float *top = t->top + panel * PANEL + v * LYC_LANES;
        lyc_vf greatest = lyc_vload(scores);
        for (int64_t j = 1; j < keys; j++) {
            greatest = lyc_vmax(greatest, lyc_vload(scores + j * PANEL));
        }
        const lyc_vf old = lyc_vload(top);
        greatest = lyc_vmax(greatest * t->f->s.c, old);
        factor[v] = lyc_vexp2_down(old - greatest);
        lyc_vstore(top, greatest);
    }
}

/* p = 2^(c s - top) in the place of s for keys [from, to), as words for the product with v. Returns the sum of p. */
LYC_SIMD_INLINE lyc_vf exponentiate(bool pairs, lyc_word *scores, lyc_vf c, lyc_vf top, int64_t from, int64_t to)
{
    lyc_vf sum = {0};
    for (int64_t j = from; j < to; j += 1 + pairs) {
        const lyc_vf p = lyc_vexp2_down(lyc_vfma(lyc_vload(&scores[j * PANEL].f), c, -top));
        if (pairs) {
            const lyc_vf next = lyc_vexp2_down(lyc_vfma(lyc_vload(&scores[(j + 1) * PANEL].f), c, -top));
            lyc_vistore(scores + j / 2 * PANEL, attention_pair(p, next));
            sum += p + next;
        } else {
            lyc_vstore(&scores[j * PANEL].f, p);
            sum += p;
        }
    }
    return sum;
}

/* The same for the whole block, and sum = sum factor + p. Meanwhile asks for lines of the next block. */
static void exponentiate_block(const task *t, int64_t panel, int64_t keys, const lyc_vf *factor,
                               attention_fetcher *next)
{
    const lyc_vf c = lyc_vset(t->f->s.c);
    float *sum = t->sum + panel * PANEL;
    lyc_vf top[LYC_TILE_VECTORS], total[LYC_TILE_VECTORS];
    for (int v = 0; v < LYC_TILE_VECTORS; v++) {
        top[v] = lyc_vload(t->top + panel * PANEL + v * LYC_LANES);
        total[v] = lyc_vload(sum + v * LYC_LANES) * factor[v];
    }
    for (int64_t j = 0; j < keys; j += FETCH_KEYS) {
        const int64_t end = lyc_min(keys, j + FETCH_KEYS);
        for (int v = 0; v < LYC_TILE_VECTORS; v++) {
            lyc_word *scores = t->scores + v * LYC_LANES;
            total[v] += t->f->s.pairs ? exponentiate(true, scores, c, top[v], j, end)
                                      : exponentiate(false, scores, c, top[v], j, end);
        }
        attention_fetch(next);
    }
    for (int v = 0; v < LYC_TILE_VECTORS; v++) {
        lyc_vstore(sum + v * LYC_LANES, total[v]);
    }
}

/* o = o factor + v p */
static void add_values(const task *t, int64_t panel, int64_t keys, const lyc_vf *factor)
{
    const forward *f = t->f;
    const int64_t depth = f->s.pairs ? (keys + 1) / 2 : keys;
    const lyc_tile_operands o = {t->v, 1, f->s.channels, t->scores, PANEL, depth};
    product(f->s.pairs, t->o + panel * f->o_rows * PANEL, &o, f->s.d, factor);
}

/* One panel against the packed block of keys that starts at key `first`. */
static void visit(const task *t, int64_t panel, int64_t first, int64_t keys, attention_fetcher *next)
{
    const attention_sizes *s = &t->f->s;
    const int64_t last = t->query + panel * PANEL - first; /* the last key in the block that query 0 sees */
    if (s->causal && last + PANEL - 1 < 0) {
        return;
    }
    lyc_vf factor[LYC_TILE_VECTORS];
    score(t, panel, keys);
    if (s->causal && last < keys - 1) {
        attention_hide_later_keys(t->scores, keys, last);
    }
    if (s->pairs && keys % 2 != 0) {
        for (int64_t i = 0; i < PANEL; i++) {
            t->scores[keys * PANEL + i].f = -INFINITY; /* the absent half of the last pair */
        }
    }
    raise_top(t, panel, keys, factor);
    exponentiate_block(t, panel, keys, factor, next);
    add_values(t, panel, keys, factor);
}

/* y = o / sum and lse for up to LYC_LANES queries of a panel. */
static void finish_lanes(const task *t, int64_t panel, int64_t lane, int count)
{
    const attention_sizes *s = &t->f->s;
    const int64_t query = t->query + panel * PANEL + lane;
    const lyc_vf sum = lyc_vload(t->sum + panel * PANEL + lane);
    const lyc_vf top = lyc_vload(t->top + panel * PANEL + lane);
    if (t->f->call->out[1] != NULL) {
        float *lse = (float *)t->f->call->out[1] + (t->n * s->heads + t->head) * s->tq + query;
        lyc_vstore_n(lse, (top + lyc_vlog2(sum)) * LYC_LN_2, count);
    }
    attention_store_columns(t->f->call->out[0], attention_index(s, s->tq, t->n, query, t->head), s,
                            t->o + panel * t->f->o_rows * PANEL + lane, count, 1.0f / sum);
}

static void run_task(const task *t)
{
    const forward *f = t->f;
    const attention_sizes *s = &f->s;
    const int64_t queries = lyc_min(f->panels * PANEL, s->tq - t->query);
    const int64_t panels = (queries + PANEL - 1) / PANEL;
    for (int64_t i = 0; i < panels; i++) {
        attention_pack_panel(t->q + i * s->words * PANEL, s,
                             attention_at(s, f->call->in[0], s->tq, t->n, t->query + i * PANEL, t->head),
                             lyc_min(PANEL, queries - i * PANEL), s->flip);
    }
    for (int64_t i = 0; i < panels * PANEL; i++) {
        t->top[i] = -INFINITY;
        t->sum[i] = 0.0f;
    }
    memset(t->o, 0, f->part_bytes[4]);
    const int64_t end = s->causal ? lyc_min(s->tk, t->query + queries) : s->tk;
    for (int64_t first = 0; first < end; first += s->block_keys) {
        const int64_t keys = lyc_min(s->block_keys, s->tk - first);
        attention_pack_rows(t->k, s, attention_at(s, f->call->in[1], s->tk, t->n, first, t->head), keys);
        attention_pack_sums(t->v, s, attention_at(s, f->call->in[2], s->tk, t->n, first, t->head), keys);
        const int64_t after = first + keys;
        attention_fetcher next =
            attention_fetcher_of(s, attention_at(s, f->call->in[1], s->tk, t->n, after, t->head),
                                 attention_at(s, f->call->in[2], s->tk, t->n, after, t->head),
                                 lyc_min(s->block_keys, s->tk - after), panels * (s->block_keys / FETCH_KEYS));
        for (int64_t i = 0; i < panels; i++) {
            visit(t, i, first, keys, &next);
        }
    }
    for (int64_t i = 0; i < queries; i += LYC_LANES) {
        finish_lanes(t, i / PANEL, i % PANEL, (int)lyc_min(LYC_LANES, queries - i));
    }
}

static void run_tasks(void *context, int64_t first, int64_t last, int thread)
{
    for (int64_t i = first; i < last; i++) {
        const task t = task_of(context, i, thread);
        run_task(&t);
    }
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    return forward_of(p).scratch_bytes * (size_t)lyc_thread_count();
}

static lyc_status run(const lyc_call *call)
{
    forward f = forward_of(call->problem);
    f.call = call;
    lyc_parallel_tasks(f.s.n * f.s.heads * f.tasks, attention_ns(&f.s, 2), run_tasks, &f);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_attention) = {
    .name = LYC_ISA_NAME ".attention",
    .op = &lyc_op_attention,
    .accepts = attention_accepts,
    .workspace = workspace,
    .run = run,
};
