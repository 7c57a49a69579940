/* softmax.c - softmax, log-softmax and cross-entropy over the last axis, and their gradients
 *
 *     softmax        y = e^(x - max) / sum            d_x = y (d_y - sum d_y y)
 *     log_softmax    y = x - max - log sum            d_x = d_y - e^y sum d_y
 *     cross_entropy  y = max + log sum - x[label]     d_x = d_y (softmax(x) - [label])
 *
 * One row at a time; sums of exponentials in f32.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/kernels/rows.h"
#include "backend/cpu/kernels/simd_math.h"
#include "backend/cpu/reference/reference.h"

enum {
    KEPT = 4096, /* longest row in bf16 whose exponentials are kept instead of made twice */
    CHUNK = 4096 /* elements */
};

/* Row r of n elements. */
typedef void (*row_function)(const lyc_call *call, int64_t r, int64_t n);

typedef struct task {
    const lyc_call *call;
    row_function row;
    int64_t n; /* of a row */
    int64_t rows;
    int64_t chunk; /* rows */
} task;

static const void *in_row(const lyc_call *call, int input, int64_t r, int64_t n)
{
    return lyc_at(call->in[input], call->problem->in[input].dtype, r * n);
}

static void *out_row(const lyc_call *call, int64_t r, int64_t n)
{
    return lyc_at_mutable(call->out[0], call->problem->out[0].dtype, r * n);
}

static lyc_row row_of(const lyc_call *call, int64_t r, int64_t n)
{
    const bool two = call->problem->n_inputs > 1 && call->problem->in[1].dtype != LYC_I32;
    lyc_row row = {.x = in_row(call, 0, r, n), .x_dtype = call->problem->in[0].dtype};
    if (two) {
        row.y = in_row(call, 1, r, n);
        row.y_dtype = call->problem->in[1].dtype;
    }
    return row;
}

static lyc_vf exponential(const lyc_row *r, int64_t i, int n)
{
    const lyc_vf e = lyc_vexp(lyc_row_x(r, i, n) - r->c);
    if (r->keep != NULL) {
        lyc_vstore_some(LYC_F32, r->keep, i, e, n);
    }
    return e;
}

/* Sets r->c to the maximum. Returns the sum of e^(x - max). */
static float sum_exp(lyc_row *r, int64_t n)
{
    r->c = lyc_vset(lyc_row_max(r, n));
    return lyc_row_sum(exponential, r, n);
}

static void softmax_row(const lyc_call *call, int64_t r, int64_t n)
{
    float kept[KEPT];
    const lyc_dtype dtype = call->problem->out[0].dtype;
    void *out = out_row(call, r, n);
    lyc_row x = row_of(call, r, n);
    x.keep = dtype == LYC_F32 ? out : n <= KEPT ? kept : NULL;
    const lyc_vf factor = lyc_vset(1.0f / sum_exp(&x, n));
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        const lyc_vf e = x.keep != NULL ? lyc_vload_some(LYC_F32, x.keep, i, m) : exponential(&x, i, m);
        lyc_vstore_some(dtype, out, i, e * factor, m);
    }
}

static void log_softmax_row(const lyc_call *call, int64_t r, int64_t n)
{
    lyc_row x = row_of(call, r, n);
    const lyc_vf log_sum = lyc_vset(logf(sum_exp(&x, n)));
    void *out = out_row(call, r, n);
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        lyc_vstore_some(call->problem->out[0].dtype, out, i, lyc_row_x(&x, i, m) - x.c - log_sum, m);
    }
}

static lyc_vf product(const lyc_row *r, int64_t i, int n)
{
    return lyc_row_x(r, i, n) * lyc_row_y(r, i, n);
}

static void softmax_backward_row(const lyc_call *call, int64_t r, int64_t n)
{
    const lyc_row y = row_of(call, r, n);
    const lyc_vf dot = lyc_vset(lyc_row_sum(product, &y, n));
    void *out = out_row(call, r, n);
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        lyc_vstore_some(call->problem->out[0].dtype, out, i, lyc_row_x(&y, i, m) * (lyc_row_y(&y, i, m) - dot), m);
    }
}

static lyc_vf second(const lyc_row *r, int64_t i, int n)
{
    return lyc_row_y(r, i, n);
}

static void log_softmax_backward_row(const lyc_call *call, int64_t r, int64_t n)
{
    const lyc_row y = row_of(call, r, n);
    const lyc_vf sum = lyc_vset(lyc_row_sum(second, &y, n));
    void *out = out_row(call, r, n);
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        const lyc_vf d = lyc_vfnma(lyc_vexp(lyc_row_x(&y, i, m)), sum, lyc_row_y(&y, i, m));
        lyc_vstore_some(call->problem->out[0].dtype, out, i, d, m);
    }
}

static int64_t label_of(const lyc_call *call, int64_t r)
{
    return ((const int32_t *)call->in[1])[r];
}

static void cross_entropy_row(const lyc_call *call, int64_t r, int64_t n)
{
    lyc_row x = row_of(call, r, n);
    const float log_sum = logf(sum_exp(&x, n));
    const float chosen = lyc_load_one(x.x_dtype, lyc_at(x.x, x.x_dtype, label_of(call, r)));
    ((float *)call->out[0])[r] = log_sum + (x.c[0] - chosen);
}

static void cross_entropy_backward_row(const lyc_call *call, int64_t r, int64_t n)
{
    const lyc_dtype dtype = call->problem->out[0].dtype;
    lyc_row x = row_of(call, r, n);
    const float d_y = lyc_load_one(call->problem->in[2].dtype, in_row(call, 2, r, 1));
    const lyc_vf factor = lyc_vset(1.0f / sum_exp(&x, n));
    const lyc_vi label = lyc_viset((int32_t)label_of(call, r));
    void *out = out_row(call, r, n);
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        const lyc_vi here = lyc_vindex() + (int32_t)i == label;
        const lyc_vf p = exponential(&x, i, m) * factor - (lyc_vf)((lyc_vi)lyc_vset(1.0f) & here);
        lyc_vstore_some(dtype, out, i, d_y * p, m);
    }
}

static void chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t r = first * t->chunk; r < lyc_min(last * t->chunk, t->rows); r++) {
        t->row(t->call, r, t->n);
    }
}

static const struct entry {
    const lyc_op *op;
    row_function row;
} entries[] = {
    {&lyc_op_softmax, softmax_row},
    {&lyc_op_softmax_backward, softmax_backward_row},
    {&lyc_op_log_softmax, log_softmax_row},
    {&lyc_op_log_softmax_backward, log_softmax_backward_row},
    {&lyc_op_cross_entropy, cross_entropy_row},
    {&lyc_op_cross_entropy_backward, cross_entropy_backward_row},
};

static lyc_status run(const lyc_call *call)
{
    const struct entry *entry = entries;
    const lyc_shape *x = &call->problem->in[0].shape;
    while (entry->op != call->problem->op) {
        entry++;
    }
    task t = {.call = call, .row = entry->row, .n = x->dims[x->rank - 1], .rows = lyc_shape_product(x, 0, x->rank - 1)};
    t.chunk = lyc_max(1, CHUNK / t.n);
    lyc_parallel_chunks(lyc_ceil_div(t.rows, t.chunk), (double)(t.rows * t.n), chunks, &t);
    return LYC_OK;
}

/* A label that is no class: the reference kernel finds it again and says so. */
static lyc_status run_with_labels(const lyc_call *call)
{
    const int64_t *x = call->problem->in[0].shape.dims;
    for (int64_t r = 0; r < x[0]; r++) {
        if (label_of(call, r) < 0 || label_of(call, r) >= x[1]) {
            return lyc_reference_cross_entropy(call);
        }
    }
    return run(call);
}

static bool accepts_with_labels(const lyc_problem *p)
{
    return lyc_is_float(p->in[0].dtype) && p->in[1].dtype == LYC_I32 && lyc_is_float(p->out[0].dtype) &&
           (p->n_inputs < 3 || lyc_is_float(p->in[2].dtype)) && (p->n_inputs > 2 || p->out[0].dtype == LYC_F32);
}

#define ROW_KERNEL(op_name)                                                                                            \
    {                                                                                                                  \
        .name = LYC_ISA_NAME "." #op_name, .op = &lyc_op_##op_name, .accepts = lyc_accepts_floats, .run = run          \
    }

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_softmax) = ROW_KERNEL(softmax);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_softmax_backward) = ROW_KERNEL(softmax_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_log_softmax) = ROW_KERNEL(log_softmax);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_log_softmax_backward) = ROW_KERNEL(log_softmax_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_cross_entropy) = {.name = LYC_ISA_NAME ".cross_entropy",
                                                             .op = &lyc_op_cross_entropy,
                                                             .accepts = accepts_with_labels,
                                                             .run = run_with_labels};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_cross_entropy_backward) = {.name = LYC_ISA_NAME ".cross_entropy_backward",
                                                                      .op = &lyc_op_cross_entropy_backward,
                                                                      .accepts = accepts_with_labels,
                                                                      .run = run_with_labels};
