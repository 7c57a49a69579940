/* hadamard_lowrank.c - y = alpha (b1 a1) * (b2 a2), and its gradient, tile by tile
 *
 * A tile is ROWS x COLUMNS of the two products, in f32 scratch; neither product is ever whole. The factors of its rows
 * (b) and columns (a) are brought there too, so that ranks, sizes and dtypes may be any.
 *
 *     E1 = alpha d_y * P2:  d_b1 = E1 a1T,  d_a1 = b1T E1
 *     E2 = alpha d_y * P1:  d_b2 = E2 a2T,  d_a2 = b2T E2
 *
 * The gradient goes down each block of columns: d_a of the block is complete at the end, d_b has sums for each of at
 * most CHUNKS groups of blocks, which are added in their order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/hadamard_lowrank.h"

#include "backend/cpu/kernels/product.h"

enum { B1, A1, B2, A2, D_Y };

enum {
    ROWS = 4 * LYC_TILE_ROWS,
    COLUMNS = 256,
    CHUNKS = 16,
};

typedef struct task {
    const lyc_call *call;
    int64_t p, q;
    int64_t rank[2];
    int64_t row_tiles, blocks;
    int64_t group, groups; /* of blocks */
    int64_t thread_size;   /* floats of scratch */
    int64_t sums_size;     /* floats of a group's d_b1 and d_b2 */
    float *sums;
    float *scratch;
} task;

/* The scratch of a thread. a [rank,COLUMNS], b [ROWS,rank]; a_turned [COLUMNS,rank] and d_a [rank,COLUMNS] for the
 * gradient alone, with ranks in whole vectors or tiles. */
typedef struct scratch {
    float *product[2]; /* [ROWS,COLUMNS] */
    float *a[2];
    float *b[2];
    float *a_turned[2];
    float *d_a[2];
} scratch;

/* The next `size` floats; base NULL: only counts. */
static float *take(float *base, int64_t *used, int64_t size)
{
    float *part = base != NULL ? base + *used : NULL;
    *used += size;
    return part;
}

/* Lays the parts one after the other; returns the size of all. */
static int64_t lay_out(scratch *s, float *base, const task *t, bool backward)
{
    int64_t used = 0;
    for (int k = 0; k < 2; k++) {
        const int64_t rank = lyc_whole_vectors(t->rank[k]);
        const int64_t a_size = lyc_product_rows(t->rank[k]) * COLUMNS;
        s->product[k] = take(base, &used, ROWS * COLUMNS);
        s->a[k] = take(base, &used, a_size);
        s->b[k] = take(base, &used, ROWS * rank + LYC_TILE_ROWS); /* read by whole tiles along the rank, too */
        s->a_turned[k] = take(base, &used, backward ? COLUMNS * rank : 0);
        s->d_a[k] = take(base, &used, backward ? a_size : 0);
    }
    return lyc_whole_vectors(used);
}

/* Floats of d_b of factor pair k in a group's sums: [p,rank] in whole vectors, with room for a tile behind. */
static int64_t d_b_size(const task *t, int k)
{
    return (t->p + LYC_TILE_ROWS) * lyc_whole_vectors(t->rank[k]);
}

static task task_of(const lyc_problem *p, bool backward)
{
    const int64_t *b1 = p->in[B1].shape.dims;
    task t = {.p = b1[0], .q = p->in[A1].shape.dims[1], .rank = {b1[1], p->in[B2].shape.dims[1]}};
    t.row_tiles = lyc_ceil_div(t.p, ROWS);
    t.blocks = lyc_ceil_div(t.q, COLUMNS);
    t.group = lyc_ceil_div(t.blocks, CHUNKS);
    t.groups = lyc_ceil_div(t.blocks, t.group);
    scratch s;
    t.thread_size = lay_out(&s, NULL, &t, backward);
    t.sums_size = backward ? d_b_size(&t, 0) + d_b_size(&t, 1) : 0;
    return t;
}

static size_t bytes_of(const task *t)
{
    return (size_t)(t->groups * t->sums_size + (int64_t)lyc_thread_count() * t->thread_size) * sizeof(float);
}

static void take_workspace(task *t, const lyc_call *call)
{
    t->call = call;
    t->sums = call->workspace;
    t->scratch = t->sums + t->groups * t->sums_size;
}

static double nanoseconds(const task *t)
{
    return 0.05 * (double)(t->p * t->q) * (double)(t->rank[0] + t->rank[1] + 8);
}

/* a of the columns [column, column + n). */
static void bring_a(const task *t, const scratch *s, int64_t column, int64_t n)
{
    const lyc_operand *in = t->call->problem->in;
    for (int k = 0; k < 2; k++) {
        const int a = k == 0 ? A1 : A2;
        lyc_product_copy(s->a[k], COLUMNS, t->call->in[a], in[a].dtype, column, t->q, t->rank[k], n);
    }
}

/* b of the rows [row, row + rows), and the two products. */
static void make_products(const task *t, const scratch *s, int64_t row, int64_t rows, int64_t columns)
{
    const lyc_operand *in = t->call->problem->in;
    for (int k = 0; k < 2; k++) {
        const int b = k == 0 ? B1 : B2;
        const int64_t b_row = lyc_whole_vectors(t->rank[k]);
        lyc_product_copy(s->b[k], b_row, t->call->in[b], in[b].dtype, row * t->rank[k], t->rank[k], rows, t->rank[k]);
        lyc_product_run(&(lyc_product){.c = s->product[k],
                                       .c_row = COLUMNS,
                                       .a = s->b[k],
                                       .a_row = b_row,
                                       .a_step = 1,
                                       .b = s->a[k],
                                       .b_row = COLUMNS,
                                       .rows = rows,
                                       .columns = lyc_whole_vectors(columns),
                                       .depth = t->rank[k]});
    }
}

static float alpha_of(const task *t)
{
    return ((const lyc_hadamard_lowrank_attr *)t->call->problem->attr)->alpha;
}

/* ---- forward ---- */

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p, false);
    return bytes_of(&t);
}

/* P1 = alpha P1 P2, whole vectors. */
static void multiply_products(const task *t, const scratch *s, int64_t rows, int64_t columns)
{
    const lyc_vf alpha = lyc_vset(alpha_of(t));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t at = i * COLUMNS; at < i * COLUMNS + columns; at += LYC_LANES) {
            lyc_vstore(s->product[0] + at, alpha * lyc_vload(s->product[0] + at) * lyc_vload(s->product[1] + at));
        }
    }
}

/* Tiles, down each block of columns. */
static void multiply_tiles(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    scratch s;
    lay_out(&s, t->scratch + thread * t->thread_size, t, false);
    for (int64_t i = first; i < last; i++) {
        const int64_t column = i / t->row_tiles * COLUMNS;
        const int64_t columns = lyc_min(COLUMNS, t->q - column);
        const int64_t row = i % t->row_tiles * ROWS;
        const int64_t rows = lyc_min(ROWS, t->p - row);
        if (i == first || row == 0) {
            bring_a(t, &s, column, columns);
        }
        make_products(t, &s, row, rows, columns);
        multiply_products(t, &s, rows, columns);
        lyc_product_store(t->call->out[0], t->call->problem->out[0].dtype, row * t->q + column, t->q, s.product[0],
                          COLUMNS, rows, columns);
    }
}

static lyc_status run(const lyc_call *call)
{
    task t = task_of(call->problem, false);
    take_workspace(&t, call);
    lyc_parallel_chunks(t.blocks * t.row_tiles, nanoseconds(&t), multiply_tiles, &t);
    return LYC_OK;
}

/* ---- gradient ---- */

static size_t backward_workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p, true);
    return bytes_of(&t);
}

/* Turns the products into E2 (in the place of P1) and E1 (in that of P2). */
static void make_errors(const task *t, const scratch *s, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    const lyc_vf alpha = lyc_vset(alpha_of(t));
    const lyc_dtype dtype = t->call->problem->in[D_Y].dtype;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, columns - j);
            const int64_t at = i * COLUMNS + j;
            const lyc_vf d_y = lyc_vload_some(dtype, t->call->in[D_Y], (row + i) * t->q + column + j, m);
            lyc_vstore(s->product[0] + at, alpha * d_y * lyc_vload(s->product[0] + at));
            lyc_vstore(s->product[1] + at, alpha * d_y * lyc_vload(s->product[1] + at));
        }
    }
}

/* Adds what a tile gives to d_a of the block and d_b of its rows. */
static void add_tile(const task *t, const scratch *s, float *d_b, int k, int64_t row, int64_t rows, int64_t columns)
{
    const float *error = s->product[1 - k];
    const int64_t b_row = lyc_whole_vectors(t->rank[k]);
    lyc_product_run(&(lyc_product){.c = s->d_a[k],
                                   .c_row = COLUMNS,
                                   .a = s->b[k],
                                   .a_row = 1,
                                   .a_step = b_row,
                                   .b = error,
                                   .b_row = COLUMNS,
                                   .rows = t->rank[k],
                                   .columns = lyc_whole_vectors(columns),
                                   .depth = rows,
                                   .add = true});
    lyc_product_run(&(lyc_product){.c = d_b + row * b_row,
                                   .c_row = b_row,
                                   .a = error,
                                   .a_row = COLUMNS,
                                   .a_step = 1,
                                   .b = s->a_turned[k],
                                   .b_row = b_row,
                                   .rows = rows,
                                   .columns = b_row,
                                   .depth = columns,
                                   .add = true});
}

static void block_down(const task *t, const scratch *s, float *const d_b[2], int64_t column)
{
    const int64_t columns = lyc_min(COLUMNS, t->q - column);
    const lyc_problem *p = t->call->problem;
    bring_a(t, s, column, columns);
    for (int k = 0; k < 2; k++) {
        lyc_product_turn(s->a_turned[k], lyc_whole_vectors(t->rank[k]), s->a[k], LYC_F32, 0, COLUMNS, t->rank[k],
                         columns);
        memset(s->d_a[k], 0, (size_t)(lyc_product_rows(t->rank[k]) * COLUMNS) * sizeof(float));
    }
    for (int64_t row = 0; row < t->p; row += ROWS) {
        const int64_t rows = lyc_min(ROWS, t->p - row);
        make_products(t, s, row, rows, columns);
        make_errors(t, s, row, rows, column, columns);
        add_tile(t, s, d_b[0], 0, row, rows, columns);
        add_tile(t, s, d_b[1], 1, row, rows, columns);
    }
    for (int k = 0; k < 2; k++) {
        const int a = k == 0 ? A1 : A2;
        if (t->call->out[a] != NULL) {
            lyc_product_store(t->call->out[a], p->out[a].dtype, column, t->q, s->d_a[k], COLUMNS, t->rank[k], columns);
        }
    }
}

static void groups(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    scratch s;
    lay_out(&s, t->scratch + thread * t->thread_size, t, true);
    for (int64_t g = first; g < last; g++) {
        float *sums = t->sums + g * t->sums_size;
        float *const d_b[2] = {sums, sums + d_b_size(t, 0)};
        memset(sums, 0, (size_t)t->sums_size * sizeof *sums);
        for (int64_t block = g * t->group; block < lyc_min((g + 1) * t->group, t->blocks); block++) {
            block_down(t, &s, d_b, block * COLUMNS);
        }
    }
}

static lyc_status run_backward(const lyc_call *call)
{
    const lyc_problem *p = call->problem;
    task t = task_of(p, true);
    take_workspace(&t, call);
    lyc_parallel_chunks(t.groups, 3.0 * nanoseconds(&t), groups, &t);
    lyc_product_add_up(t.sums, t.sums_size, t.groups);
    for (int k = 0; k < 2; k++) {
        const int b = k == 0 ? B1 : B2;
        if (call->out[b] != NULL) {
            lyc_product_store(call->out[b], p->out[b].dtype, 0, t.rank[k], t.sums + (k == 0 ? 0 : d_b_size(&t, 0)),
                              lyc_whole_vectors(t.rank[k]), t.p, t.rank[k]);
        }
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_hadamard_lowrank) = {.name = LYC_ISA_NAME ".hadamard_lowrank",
                                                                .op = &lyc_op_hadamard_lowrank,
                                                                .accepts = lyc_accepts_floats,
                                                                .workspace = workspace,
                                                                .run = run};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_hadamard_lowrank_backward) = {.name = LYC_ISA_NAME
                                                                         ".hadamard_lowrank_backward",
                                                                         .op = &lyc_op_hadamard_lowrank_backward,
                                                                         .accepts = lyc_accepts_floats,
                                                                         .workspace = backward_workspace,
                                                                         .run = run_backward};
