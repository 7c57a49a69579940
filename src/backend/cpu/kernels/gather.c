/* gather.c - rows chosen by index: embedding and gather_rows, and their gradients
 *
 * An index out of the table: the reference kernel finds it again and says so. Gradients are made row by row of the
 * result, each from its uses in their order, so that it does not matter who makes it.
 *
 * A frozen table that is stored in f16 stays so: "packing" copies it, where the plan would make it twice as large.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/copy.h"
#include "backend/cpu/reference/reference.h"

enum { TILE = 512, ROWS = 64 };

static bool in_range(const lyc_call *call, int input, int64_t bound)
{
    const int32_t *ids = call->in[input];
    const int64_t count = lyc_shape_elements(&call->problem->in[input].shape);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= bound) {
            return false;
        }
    }
    return true;
}

typedef struct task {
    lyc_copy copy;
    const int32_t *ids;
    int64_t ids_count;
    int64_t c;    /* elements of a row */
    int64_t rows; /* of a table, or of a sample */
} task;

/* ---- forward ---- */

static void copy_rows(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        lyc_copy_run(&t->copy, i * t->c, t->ids[i] * t->c, t->c);
    }
    lyc_vstream_end();
}

static void copy_sample_rows(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        lyc_copy_run(&t->copy, i * t->c, (i * t->rows + t->ids[i]) * t->c, t->c);
    }
    lyc_vstream_end();
}

static bool keeps_f16(const lyc_problem *p)
{
    return p->in[0].frozen && p->in[0].stored == LYC_F16;
}

static size_t embedding_pack_bytes(char *key, const lyc_problem *p, const void *state, int input)
{
    (void)state;
    if (input != 0 || !keeps_f16(p)) {
        return 0;
    }
    memcpy(key, "f16 as stored", sizeof "f16 as stored");
    return (size_t)lyc_shape_elements(&p->in[0].shape) * sizeof(uint16_t);
}

static lyc_status embedding_pack(void *dst, const lyc_problem *p, const void *state, int input, const void *src,
                                 lyc_error *err)
{
    (void)state, (void)input, (void)err;
    memcpy(dst, src, (size_t)lyc_shape_elements(&p->in[0].shape) * sizeof(uint16_t));
    return LYC_OK;
}

static task task_of(const lyc_call *call)
{
    const lyc_operand *table = &call->problem->in[0];
    return (task){.copy = lyc_copy_of(call, 0),
                  .ids = call->in[1],
                  .ids_count = lyc_shape_elements(&call->problem->in[1].shape),
                  .c = table->shape.dims[table->shape.rank - 1],
                  .rows = table->shape.dims[table->shape.rank - 2]};
}

static lyc_status run_embedding(const lyc_call *call)
{
    task t = task_of(call);
    if (!in_range(call, 1, t.rows)) {
        return lyc_reference_embedding(call);
    }
    if (keeps_f16(call->problem)) {
        t.copy.src_dtype = LYC_F16;
    }
    lyc_parallel_chunks(t.ids_count, lyc_copy_ns(t.ids_count * t.c), copy_rows, &t);
    return LYC_OK;
}

static lyc_status run_gather_rows(const lyc_call *call)
{
    task t = task_of(call);
    if (!in_range(call, 1, t.rows)) {
        return lyc_reference_gather_rows(call);
    }
    lyc_parallel_chunks(t.ids_count, lyc_copy_ns(t.ids_count * t.c), copy_sample_rows, &t);
    return LYC_OK;
}

static bool accepts_forward(const lyc_problem *p)
{
    return lyc_is_float(p->in[0].dtype) && p->in[1].dtype == LYC_I32 && lyc_is_float(p->out[0].dtype);
}

/* ---- gradients ---- */

/* sum[0..n) = the sum of d_y[i, column..] over the uses of a row. */
static void sum_uses(const task *t, float *sum, int64_t row, int64_t column, int64_t n)
{
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t i = 0; i < t->ids_count; i++) {
        if (t->ids[i] != row) {
            continue;
        }
        for (int64_t j = 0; j < n; j += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, n - j);
            const lyc_vf d = lyc_vload_some(t->copy.src_dtype, t->copy.src, i * t->c + column + j, m);
            lyc_vstore_some(LYC_F32, sum, j, lyc_vload_some(LYC_F32, sum, j, m) + d, m);
        }
    }
}

/* ROWS rows of the table: zero first, then each used one is summed at its first use. */
static void sum_rows(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    float sum[TILE];
    (void)thread;
    first *= ROWS;
    last = lyc_min(last * ROWS, t->rows);
    lyc_copy_zeros(&t->copy, first * t->c, (last - first) * t->c);
    for (int64_t i = 0; i < t->ids_count; i++) {
        const int64_t row = t->ids[i];
        bool done = row < first || row >= last;
        for (int64_t k = 0; k < i && !done; k++) {
            done = t->ids[k] == row;
        }
        for (int64_t column = 0; column < t->c && !done; column += TILE) {
            const int64_t n = lyc_min(TILE, t->c - column);
            sum_uses(t, sum, row, column, n);
            for (int64_t j = 0; j < n; j += LYC_LANES) {
                const int m = (int)lyc_min(LYC_LANES, n - j);
                lyc_vstore_some(t->copy.dst_dtype, t->copy.dst, row * t->c + column + j,
                                lyc_vload_some(LYC_F32, sum, j, m), m);
            }
        }
    }
}

/* Whole samples: zeros, and the one row. */
static void place_rows(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        lyc_copy_zeros(&t->copy, i * t->rows * t->c, t->rows * t->c);
        lyc_copy_run(&t->copy, (i * t->rows + t->ids[i]) * t->c, i * t->c, t->c);
    }
    lyc_vstream_end();
}

static task backward_task_of(const lyc_call *call)
{
    const lyc_shape *out = &call->problem->out[0].shape;
    return (task){.copy = lyc_copy_of(call, 1),
                  .ids = call->in[0],
                  .ids_count = lyc_shape_elements(&call->problem->in[0].shape),
                  .c = out->dims[out->rank - 1],
                  .rows = out->dims[out->rank - 2]};
}

static lyc_status run_embedding_backward(const lyc_call *call)
{
    task t = backward_task_of(call);
    if (!in_range(call, 0, t.rows)) {
        return lyc_reference_embedding_backward(call);
    }
    lyc_parallel_chunks(lyc_ceil_div(t.rows, ROWS), lyc_copy_ns(t.rows * t.c), sum_rows, &t);
    return LYC_OK;
}

static lyc_status run_gather_rows_backward(const lyc_call *call)
{
    task t = backward_task_of(call);
    if (!in_range(call, 0, t.rows)) {
        return lyc_reference_gather_rows_backward(call);
    }
    lyc_parallel_chunks(t.ids_count, lyc_copy_ns(t.ids_count * t.rows * t.c), place_rows, &t);
    return LYC_OK;
}

static bool accepts_backward(const lyc_problem *p)
{
    return p->in[0].dtype == LYC_I32 && lyc_is_float(p->in[1].dtype) && lyc_is_float(p->out[0].dtype);
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_embedding) = {.name = LYC_ISA_NAME ".embedding",
                                                         .op = &lyc_op_embedding,
                                                         .accepts = accepts_forward,
                                                         .pack_bytes = embedding_pack_bytes,
                                                         .pack = embedding_pack,
                                                         .run = run_embedding};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_embedding_backward) = {.name = LYC_ISA_NAME ".embedding_backward",
                                                                  .op = &lyc_op_embedding_backward,
                                                                  .accepts = accepts_backward,
                                                                  .run = run_embedding_backward};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gather_rows) = {
    .name = LYC_ISA_NAME ".gather_rows", .op = &lyc_op_gather_rows, .accepts = accepts_forward, .run = run_gather_rows};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_gather_rows_backward) = {.name = LYC_ISA_NAME ".gather_rows_backward",
                                                                    .op = &lyc_op_gather_rows_backward,
                                                                    .accepts = accepts_backward,
                                                                    .run = run_gather_rows_backward};
