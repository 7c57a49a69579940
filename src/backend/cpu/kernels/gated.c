/* gated.c - geglu and swiglu, where one half of the channels is the gate of the other, and their gradients
 *
 *     geglu    y = value gelu(gate)     halves: value, gate
 *     swiglu   y = silu(gate) value     halves: gate, value
 *
 * x [..,2c], y [..,c]. Forward is a map (map.h) of the two halves of each row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/map.h"
#include "backend/cpu/kernels/simd_math.h"

static lyc_vf geglu(lyc_map_point p)
{
    return p.x * p.y * lyc_vnormal_cdf(p.y);
}

static void geglu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(geglu, 2, m, first, last);
}

static lyc_vf swiglu(lyc_map_point p)
{
    return p.x * lyc_vsigmoid(p.x) * p.y;
}

static void swiglu_span(const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_each(swiglu, 2, m, first, last);
}

/* Gradients of the two halves. */
typedef void (*slopes)(lyc_vf *d_first, lyc_vf *d_second, lyc_vf first, lyc_vf second, lyc_vf d_y);

static void geglu_slopes(lyc_vf *d_value, lyc_vf *d_gate, lyc_vf value, lyc_vf gate, lyc_vf d_y)
{
    lyc_vf bell;
    const lyc_vf distribution = lyc_vnormal(&bell, gate);
    *d_value = d_y * gate * distribution;
    *d_gate = d_y * value * lyc_vfma(gate * LYC_NORMAL_PEAK, bell, distribution);
}

static void swiglu_slopes(lyc_vf *d_gate, lyc_vf *d_value, lyc_vf gate, lyc_vf value, lyc_vf d_y)
{
    const lyc_vf s = lyc_vsigmoid(gate);
    *d_gate = d_y * value * s * lyc_vfma(gate, 1.0f - s, lyc_vset(1.0f));
    *d_value = d_y * gate * s;
}

/* A row of the gradient: out and x [2c], d_y [c]. The map's x is x and its y is d_y. */
LYC_SIMD_INLINE void slopes_loop(slopes f, lyc_dtype out, lyc_dtype x, lyc_dtype d_y, const lyc_map *m, int64_t c)
{
    for (int64_t i = 0; i < c; i += LYC_LANES) {
        const int n = (int)lyc_min(LYC_LANES, c - i);
        lyc_vf d_first;
        lyc_vf d_second;
        if (n == LYC_LANES) {
            f(&d_first, &d_second, lyc_vload_as(x, m->x, i), lyc_vload_as(x, m->x, c + i), lyc_vload_as(d_y, m->y, i));
            lyc_vstore_as(out, m->out, i, d_first);
            lyc_vstore_as(out, m->out, c + i, d_second);
        } else {
            f(&d_first, &d_second, lyc_vload_as_n(x, m->x, i, n), lyc_vload_as_n(x, m->x, c + i, n),
              lyc_vload_as_n(d_y, m->y, i, n));
            lyc_vstore_as_n(out, m->out, i, d_first, n);
            lyc_vstore_as_n(out, m->out, c + i, d_second, n);
        }
    }
}

LYC_SIMD_INLINE void slopes_each(slopes f, const lyc_map *m, int64_t c)
{
    if (m->x_dtype != m->out_dtype || m->y_dtype != m->out_dtype) {
        slopes_loop(f, m->out_dtype, m->x_dtype, m->y_dtype, m, c);
    } else if (m->out_dtype == LYC_F32) {
        slopes_loop(f, LYC_F32, LYC_F32, LYC_F32, m, c);
    } else {
        slopes_loop(f, LYC_BF16, LYC_BF16, LYC_BF16, m, c);
    }
}

static void geglu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    slopes_each(geglu_slopes, m, last - first);
}

static void swiglu_backward_span(const lyc_map *m, int64_t first, int64_t last)
{
    slopes_each(swiglu_slopes, m, last - first);
}

typedef struct task {
    lyc_map map;        /* the whole arrays */
    int64_t channels;   /* c */
    int64_t rows;       /* of a chunk */
    int64_t rows_count; /* of all */
    bool backward;
} task;

static void chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t c = t->channels;
    lyc_map m = t->map;
    (void)thread;
    for (int64_t r = first * t->rows; r < lyc_min(last * t->rows, t->rows_count); r++) {
        m.x = lyc_at(t->map.x, m.x_dtype, r * 2 * c);
        if (t->backward) {
            m.y = lyc_at(t->map.y, m.y_dtype, r * c);
            m.out = lyc_at_mutable(t->map.out, m.out_dtype, r * 2 * c);
        } else {
            m.y = lyc_at(m.x, m.x_dtype, c);
            m.out = lyc_at_mutable(t->map.out, m.out_dtype, r * c);
        }
        lyc_map_elements(&m, 0, c);
    }
    lyc_vstream_end();
}

static const lyc_map_entry entries[] = {
    {&lyc_op_geglu, geglu_span, 1200},
    {&lyc_op_geglu_backward, geglu_backward_span, 1500},
    {&lyc_op_swiglu, swiglu_span, 800},
    {&lyc_op_swiglu_backward, swiglu_backward_span, 1000},
    {0},
};

static lyc_status prepare(void **state, const lyc_problem *p, lyc_error *err)
{
    (void)err;
    *state = lyc_map_find(entries, p->op);
    return LYC_OK;
}

static lyc_status run(const lyc_call *call)
{
    const lyc_map_entry *entry = call->state;
    const lyc_shape *x = &call->problem->in[0].shape;
    task t = {
        .map = lyc_map_of(call, entry), .channels = x->dims[x->rank - 1] / 2, .backward = call->problem->n_inputs > 1};
    t.rows_count = lyc_shape_product(x, 0, x->rank - 1);
    t.rows = lyc_max(1, LYC_MAP_CHUNK / t.channels);
    if (!t.backward) {
        t.map.y_dtype = t.map.x_dtype;
        t.map.y_step = 1;
    }
    t.map.stream = t.map.stream && !t.backward; /* two places at a time do not fit into its buffer */
    lyc_parallel_chunks(lyc_ceil_div(t.rows_count, t.rows),
                        1e-3 * entry->picoseconds * (double)(t.rows_count * t.channels), chunks, &t);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_geglu) = LYC_MAP_KERNEL(geglu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_geglu_backward) = LYC_MAP_KERNEL(geglu_backward);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_swiglu) = LYC_MAP_KERNEL(swiglu);
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_swiglu_backward) = LYC_MAP_KERNEL(swiglu_backward);
