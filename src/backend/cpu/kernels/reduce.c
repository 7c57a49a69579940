/* reduce.c - sums, means and norms over axes
 *
 * Neighbouring axes that are all summed or all kept are merged. The innermost one is a run, on which everything rests:
 *
 *     summed     a result is the sum over runs of their sums                       [k,r], [r]: rows, everything
 *     kept       a row of results is the sum of runs, element by element           [r,k], [n,r,k]: biases, groups
 *
 * The outer summed axes, and long summed runs, are cut into chunks by rules that look at the shape alone. Chunks have
 * partial sums in f32, or in double where they are single numbers, and are added in their order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/reduce.h"
#include "backend/cpu/kernels/broadcast.h"
#include "backend/cpu/kernels/rows.h"
#include "graph/ops/axes.h"
#include "graph/ops/norm.h"

enum {
    PIECE = 8192,    /* elements of a summed run that one f32 sum may have */
    COLUMNS = 512,   /* of kept runs that are summed together */
    CHUNK_RUNS = 32, /* kept runs in a chunk, at least; also summed in f32 before they join the sum of the chunk */
    CHUNKS = 64,     /* of one reduction, about */
    FOLD = 64,       /* kept runs shorter than this are summed several side by side, where they lie so */
};

typedef struct task {
    const void *x;
    void *out;
    void *partial; /* [results or rows of results][chunks]: double, or rows of f32 */
    lyc_dtype x_dtype, out_dtype;
    lyc_broadcast kept; /* outer axes: offsets in x */
    lyc_broadcast summed;
    int64_t kept_count;
    int64_t summed_count;
    int64_t run; /* extent of the innermost axis */
    bool run_kept;
    int64_t pieces; /* of a summed run */
    int64_t blocks; /* of a kept run */
    int64_t fold;   /* kept runs side by side */
    int64_t chunks; /* of the summed axes */
    int64_t chunk;  /* runs or pieces in one */
    bool squares;   /* sum squares and take the root */
    double scale;
} task;

static int64_t count_of(const lyc_broadcast *axes)
{
    int64_t count = 1;
    for (int i = 0; i < axes->rank; i++) {
        count *= axes->extent[i];
    }
    return count;
}

/* Merges the axes of x; the innermost one becomes the run. */
static void merge_axes(task *t, const lyc_shape *x, unsigned axes)
{
    int64_t step = 1;
    t->run = 1;
    t->run_kept = true;
    t->kept = t->summed = (lyc_broadcast){.values = 1};
    bool inside = true;
    for (int i = x->rank - 1; i >= 0; i--) {
        const bool kept = (axes >> i & 1u) == 0;
        if (x->dims[i] == 1) {
            continue;
        }
        if (t->run == 1) {
            t->run_kept = kept;
        }
        inside = inside && kept == t->run_kept;
        if (inside) {
            t->run *= x->dims[i];
        } else {
            lyc_broadcast_add(kept ? &t->kept : &t->summed, x->dims[i], (int64_t[LYC_BROADCAST_VALUES]){step});
        }
        step *= x->dims[i];
    }
    t->kept_count = count_of(&t->kept);
    t->summed_count = count_of(&t->summed);
}

/* How the work is cut. */
static void cut(task *t)
{
    t->pieces = t->run_kept ? 1 : lyc_ceil_div(t->run, PIECE);
    t->blocks = t->run_kept ? lyc_ceil_div(t->run, COLUMNS) : 1;
    const bool dense = t->summed.rank == 1 && t->summed.step[0][0] == t->run;
    t->fold = t->run_kept && t->run < FOLD && dense ? COLUMNS / t->run : 1;
    const int64_t runs = t->summed_count * t->pieces;
    const int64_t least = t->run_kept ? CHUNK_RUNS * t->fold : 1;
    const int64_t chunks = lyc_max(1, CHUNKS / (t->kept_count * t->blocks));
    t->chunk = lyc_max(least, lyc_ceil_div(runs, chunks));
    t->chunks = lyc_ceil_div(runs, t->chunk);
}

/* The axes that are summed, from the operation. */
static unsigned axes_of(const lyc_problem *p)
{
    const lyc_shape *x = &p->in[0].shape;
    if (p->op == &lyc_op_norm) {
        return 1u << lyc_axis_from_first(((const lyc_norm_attr *)p->attr)->axis, x->rank);
    }
    if (p->op != &lyc_op_reduce_to) {
        return (unsigned)((const lyc_reduce_attr *)p->attr)->axes;
    }
    const lyc_shape *to = &p->out[0].shape;
    unsigned axes = 0;
    for (int i = 0; i < x->rank; i++) {
        const int k = i - (x->rank - to->rank);
        axes |= k < 0 || to->dims[k] == 1 ? 1u << i : 0;
    }
    return axes;
}

static task task_of(const lyc_problem *p)
{
    task t = {.x_dtype = p->in[0].dtype, .out_dtype = p->out[0].dtype, .squares = p->op == &lyc_op_norm, .scale = 1.0};
    merge_axes(&t, &p->in[0].shape, axes_of(p));
    cut(&t);
    if (p->op == &lyc_op_reduce_mean) {
        t.scale = (double)lyc_shape_elements(&p->out[0].shape) / (double)lyc_shape_elements(&p->in[0].shape);
    }
    return t;
}

/* Results [index, index + n) from their sums. */
static void store_results(const task *t, int64_t index, const float *sum, int64_t n)
{
    for (int64_t j = 0; j < n; j += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - j);
        const lyc_vf v = lyc_vload_n(sum + j, m);
        lyc_vstore_as_n(t->out_dtype, t->out, index + j, t->squares ? lyc_vsqrt(v) : v * (float)t->scale, m);
    }
}

/* ---- summed runs ---- */

static lyc_vf element(const lyc_row *r, int64_t i, int n)
{
    return lyc_row_x(r, i, n);
}

static lyc_vf square(const lyc_row *r, int64_t i, int n)
{
    const lyc_vf x = lyc_row_x(r, i, n);
    return x * x;
}

static double sum_piece(const task *t, int64_t first, int64_t n)
{
    const lyc_row r = {.x = lyc_at(t->x, t->x_dtype, first), .x_dtype = t->x_dtype};
    return (double)(t->squares ? lyc_row_sum(square, &r, n) : lyc_row_sum(element, &r, n));
}

/* Chunk c of the result whose first element is at kept_at. */
static double sum_chunk(const task *t, int64_t kept_at, int64_t c)
{
    const int64_t first = c * t->chunk;
    const int64_t last = lyc_min(first + t->chunk, t->summed_count * t->pieces);
    lyc_walk w = lyc_walk_from(&t->summed, first / t->pieces);
    double sum = 0.0;
    for (int64_t r = first; r < last; r++) {
        const int64_t begin = r % t->pieces * PIECE;
        sum += sum_piece(t, kept_at + w.at[0] + begin, lyc_min(PIECE, t->run - begin));
        if ((r + 1) % t->pieces == 0) {
            lyc_walk_on(&w, 1);
        }
    }
    return sum;
}

static void sum_runs(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    lyc_walk kept = lyc_walk_from(&t->kept, first / t->chunks);
    for (int64_t i = first; i < last; i++) {
        const int64_t c = i % t->chunks;
        const double sum = sum_chunk(t, kept.at[0], c);
        if (c == t->chunks - 1) {
            lyc_walk_on(&kept, 1);
        }
        if (t->chunks == 1) {
            store_results(t, i, &(float){(float)sum}, 1);
        } else {
            ((double *)t->partial)[i] = sum;
        }
    }
}

static void finish_runs(const task *t)
{
    for (int64_t k = 0; t->chunks > 1 && k < t->kept_count; k++) {
        double sum = 0.0;
        for (int64_t c = 0; c < t->chunks; c++) {
            sum += ((const double *)t->partial)[k * t->chunks + c];
        }
        store_results(t, k, &(float){(float)sum}, 1);
    }
}

/* ---- kept runs ---- */

LYC_SIMD_INLINE lyc_vf term(bool squares, lyc_vf v)
{
    return squares ? v * v : v;
}

/* acc[j] += the sum over the runs at at[0..4) of element j. */
LYC_SIMD_INLINE void add_four(bool squares, lyc_dtype dtype, float *acc, const void *x, const int64_t *at, int64_t n)
{
    for (int64_t j = 0; j < n; j += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - j);
        const lyc_vf a = term(squares, lyc_vload_some(dtype, x, at[0] + j, m));
        const lyc_vf b = term(squares, lyc_vload_some(dtype, x, at[1] + j, m));
        const lyc_vf c = term(squares, lyc_vload_some(dtype, x, at[2] + j, m));
        const lyc_vf d = term(squares, lyc_vload_some(dtype, x, at[3] + j, m));
        const lyc_vf sum = lyc_vload_some(LYC_F32, acc, j, m) + ((a + b) + (c + d));
        lyc_vstore_some(LYC_F32, acc, j, sum, m);
    }
}

LYC_SIMD_INLINE void add_one(bool squares, lyc_dtype dtype, float *acc, const void *x, int64_t at, int64_t n)
{
    for (int64_t j = 0; j < n; j += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - j);
        lyc_vstore_n(acc + j, lyc_vload_n(acc + j, m) + term(squares, lyc_vload_as_n(dtype, x, at + j, m)), m);
    }
}

/* acc[0..n) += `runs` runs from the walk on, at most CHUNK_RUNS. */
LYC_SIMD_INLINE void add_runs(bool squares, lyc_dtype dtype, float *acc, const void *x, int64_t start, lyc_walk *w,
                              int64_t runs, int64_t n)
{
    for (; runs >= 4; runs -= 4) {
        int64_t at[4];
        for (int k = 0; k < 4; k++) {
            at[k] = start + w->at[0];
            lyc_walk_on(w, 1);
        }
        add_four(squares, dtype, acc, x, at, n);
    }
    for (; runs > 0; runs--) {
        add_one(squares, dtype, acc, x, start + w->at[0], n);
        lyc_walk_on(w, 1);
    }
}

static void add_some(const task *t, float *acc, int64_t start, lyc_walk *w, int64_t runs, int64_t n)
{
    if (t->squares && t->x_dtype == LYC_F32) {
        add_runs(true, LYC_F32, acc, t->x, start, w, runs, n);
    } else if (t->squares) {
        add_runs(true, LYC_BF16, acc, t->x, start, w, runs, n);
    } else if (t->x_dtype == LYC_F32) {
        add_runs(false, LYC_F32, acc, t->x, start, w, runs, n);
    } else {
        add_runs(false, LYC_BF16, acc, t->x, start, w, runs, n);
    }
}

/* sum[0..n) = columns [column, column + n) of chunk c of the row of results k. */
static void sum_columns(const task *t, float *sum, int64_t k, int64_t c, int64_t column, int64_t n)
{
    float few[COLUMNS];
    const int64_t last = lyc_min((c + 1) * t->chunk, t->summed_count);
    const int64_t start = lyc_walk_from(&t->kept, k).at[0] + column;
    lyc_walk w = lyc_walk_from(&t->summed, c * t->chunk);
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t r = c * t->chunk; r < last; r += CHUNK_RUNS) {
        memset(few, 0, (size_t)n * sizeof *few);
        add_some(t, few, start, &w, lyc_min(CHUNK_RUNS, last - r), n);
        for (int64_t j = 0; j < n; j++) {
            sum[j] += few[j];
        }
    }
}

/* The same for runs so short that `fold` of them, which lie side by side, are summed as one. */
static void sum_folded(const task *t, float *sum, int64_t k, int64_t c)
{
    float wide[COLUMNS] = {0};
    const int64_t width = t->fold * t->run;
    const int64_t start = lyc_walk_from(&t->kept, k).at[0] + c * t->chunk * t->run;
    const int64_t length = lyc_min(t->chunk, t->summed_count - c * t->chunk) * t->run;
    const lyc_broadcast rows = {.rank = 1, .values = 1, .extent = {lyc_ceil_div(length, width)}, .step = {{width}}};
    lyc_walk w = lyc_walk_from(&rows, 0);
    add_some(t, wide, start, &w, length / width, width);
    add_some(t, wide, start, &w, length % width != 0, length % width);
    memset(sum, 0, (size_t)t->run * sizeof *sum);
    for (int64_t i = 0; i < width; i++) {
        sum[i % t->run] += wide[i];
    }
}

static void add_columns(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t k = i / t->chunks / t->blocks;
        const int64_t c = i / t->blocks % t->chunks;
        const int64_t column = i % t->blocks * COLUMNS;
        const int64_t n = lyc_min(COLUMNS, t->run - column);
        float results[COLUMNS];
        float *sum = t->chunks > 1 ? (float *)t->partial + (k * t->chunks + c) * t->run + column : results;
        if (t->fold > 1) {
            sum_folded(t, sum, k, c);
        } else {
            sum_columns(t, sum, k, c, column, n);
        }
        if (t->chunks == 1) {
            store_results(t, k * t->run + column, sum, n);
        }
    }
}

static void finish_columns(const task *t)
{
    float sum[COLUMNS];
    for (int64_t i = 0; t->chunks > 1 && i < t->kept_count * t->blocks; i++) {
        const int64_t column = i % t->blocks * COLUMNS;
        const int64_t n = lyc_min(COLUMNS, t->run - column);
        const float *partial = (const float *)t->partial + i / t->blocks * t->chunks * t->run + column;
        memcpy(sum, partial, (size_t)n * sizeof *sum);
        for (int64_t c = 1; c < t->chunks; c++) {
            for (int64_t j = 0; j < n; j++) {
                sum[j] += partial[c * t->run + j];
            }
        }
        store_results(t, i / t->blocks * t->run + column, sum, n);
    }
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p);
    const int64_t rows = t.chunks > 1 ? t.kept_count * t.chunks : 0;
    return t.run_kept ? (size_t)(rows * t.run) * sizeof(float) : (size_t)rows * sizeof(double);
}

static lyc_status run(const lyc_call *call)
{
    task t = task_of(call->problem);
    const double nanoseconds = 0.1 * (double)(t.kept_count * t.summed_count * t.run);
    t.x = call->in[0];
    t.out = call->out[0];
    t.partial = call->workspace;
    if (t.run_kept) {
        lyc_parallel_chunks(t.kept_count * t.chunks * t.blocks, nanoseconds, add_columns, &t);
        finish_columns(&t);
    } else {
        lyc_parallel_chunks(t.kept_count * t.chunks, nanoseconds, sum_runs, &t);
        finish_runs(&t);
    }
    return LYC_OK;
}

#define REDUCE_KERNEL(op_name)                                                                                         \
    {                                                                                                                  \
        .name = LYC_ISA_NAME "." #op_name, .op = &lyc_op_##op_name, .accepts = lyc_accepts_floats,                     \
        .workspace = workspace, .run = run                                                                             \
    }

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_reduce_sum) = REDUCE_KERNEL(reduce_sum);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_reduce_mean) = REDUCE_KERNEL(reduce_mean);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_reduce_to) = REDUCE_KERNEL(reduce_to);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_norm) = REDUCE_KERNEL(norm);
