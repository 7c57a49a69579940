/* map.h - a function of one or two values, element by element over dense arrays of the same length
 *
 * The function works on vectors of f32; loads and stores convert. lyc_map_each inlines it into loops for f32 alone, for
 * bf16 alone, and for any mixture. A kernel
 * is a function, a span with the loops, and a line in the table of its file:
 *
 *     static lyc_vf silu(lyc_map_point p)                                       { return p.x * lyc_vsigmoid(p.x); }
 *     static void silu_span(const lyc_map *m, int64_t first, int64_t last)      { lyc_map_each(silu, 1, m, first,
 * last); }
 *
 * Every element is computed by the same vector instructions wherever it lies: the bits do not depend on the division
 * into chunks. The result may lie in the place of an argument of the same size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_MAP_H
#define LYC_BACKEND_CPU_KERNELS_MAP_H

#include "backend/cpu/kernels/kernel.h"

typedef struct lyc_map_point {
    lyc_vf x;
    lyc_vf y; /* zero when there is one argument */
    const void *attr;
} lyc_map_point;

typedef lyc_vf (*lyc_map_function)(lyc_map_point p);

typedef struct lyc_map lyc_map;
typedef void (*lyc_map_span)(const lyc_map *m, int64_t first, int64_t last);

/* Arrays and their dtypes; elements are numbered from the starts of all three. */
struct lyc_map {
    lyc_map_span span;
    const void *attr;
    void *out;
    const void *x;
    const void *y; /* not read when there is one argument */
    lyc_dtype out_dtype, x_dtype, y_dtype;
    int x_step, y_step; /* 1, or 0 for an argument that is one element: for spans that look at it */
    int64_t count;
    bool stream; /* write past the cache */
};

/* A row of a file's table: what stands behind an operation. */
typedef struct lyc_map_entry {
    const lyc_op *op;
    lyc_map_span span;
    int picoseconds; /* of one element in the cache on one core: decides whether threads are worth it */
} lyc_map_entry;

enum { LYC_MAP_CHUNK = 4096, LYC_MAP_BUFFER = 512 };

/* What a loop may take for constant where it is inlined. Arguments whose step is 0 are one element. */
typedef struct lyc_map_kind {
    lyc_dtype out, x, y;
    int inputs;
    int x_step, y_step;
} lyc_map_kind;

LYC_SIMD_INLINE void lyc_map_loop(lyc_map_function f, lyc_map_kind kind, const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_point p = {.attr = m->attr};
    if (kind.x_step == 0) {
        p.x = lyc_vset(lyc_load_one(kind.x, m->x));
    }
    if (kind.inputs > 1 && kind.y_step == 0) {
        p.y = lyc_vset(lyc_load_one(kind.y, m->y));
    }
    int64_t i = first;
    for (; i + LYC_LANES <= last; i += LYC_LANES) {
        if (kind.x_step != 0) {
            p.x = lyc_vload_as(kind.x, m->x, i);
        }
        if (kind.inputs > 1 && kind.y_step != 0) {
            p.y = lyc_vload_as(kind.y, m->y, i);
        }
        lyc_vstore_as(kind.out, m->out, i, f(p));
    }
    if (i < last) {
        const int n = (int)(last - i);
        if (kind.x_step != 0) {
            p.x = lyc_vload_as_n(kind.x, m->x, i, n);
        }
        if (kind.inputs > 1 && kind.y_step != 0) {
            p.y = lyc_vload_as_n(kind.y, m->y, i, n);
        }
        lyc_vstore_as_n(kind.out, m->out, i, f(p), n);
    }
}

/* out[i] = f(x[i], y[i]) for i in [first, last); x_step and y_step are constants. */
LYC_SIMD_INLINE void lyc_map_steps(lyc_map_function f, int inputs, int x_step, int y_step, const lyc_map *m,
                                   int64_t first, int64_t last)
{
    const bool same = m->x_dtype == m->out_dtype && (inputs < 2 || m->y_dtype == m->out_dtype);
    lyc_map_kind kind = {.inputs = inputs, .x_step = x_step, .y_step = y_step};
    if (same && m->out_dtype == LYC_F32) {
        kind.out = kind.x = kind.y = LYC_F32;
        lyc_map_loop(f, kind, m, first, last);
    } else if (same && m->out_dtype == LYC_BF16) {
        kind.out = kind.x = kind.y = LYC_BF16;
        lyc_map_loop(f, kind, m, first, last);
    } else {
        kind.out = m->out_dtype, kind.x = m->x_dtype, kind.y = m->y_dtype;
        lyc_map_loop(f, kind, m, first, last);
    }
}

LYC_SIMD_INLINE void lyc_map_each(lyc_map_function f, int inputs, const lyc_map *m, int64_t first, int64_t last)
{
    lyc_map_steps(f, inputs, 1, 1, m, first, last);
}

/* The span, by way of a buffer where the result goes past the cache. */
static inline void lyc_map_elements(const lyc_map *m, int64_t first, int64_t last)
{
    _Alignas(64) float buffer[LYC_MAP_BUFFER];
    if (!m->stream) {
        m->span(m, first, last);
        return;
    }
    lyc_map part = *m;
    part.out = buffer;
    for (int64_t i = first; i < last; i += LYC_MAP_BUFFER) {
        const int64_t n = lyc_min(LYC_MAP_BUFFER, last - i);
        part.x = lyc_at(m->x, m->x_dtype, i * m->x_step);
        part.y = lyc_at(m->y, m->y_dtype, i * m->y_step);
        m->span(&part, 0, n);
        lyc_stream(lyc_at_mutable(m->out, m->out_dtype, i), buffer, (size_t)(n * lyc_bytes_of(m->out_dtype)));
    }
}

static inline void lyc_map_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const lyc_map *m = context;
    (void)thread;
    lyc_map_elements(m, first * LYC_MAP_CHUNK, lyc_min(last * LYC_MAP_CHUNK, m->count));
    lyc_vstream_end();
}

/* Output 0 from inputs 0 and, when there is one, 1. */
static inline lyc_map lyc_map_of(const lyc_call *call, const lyc_map_entry *entry)
{
    const lyc_problem *p = call->problem;
    const bool two = p->n_inputs > 1;
    lyc_map m = {.span = entry != NULL ? entry->span : NULL,
                 .attr = p->attr,
                 .out = call->out[0],
                 .x = call->in[0],
                 .y = two ? call->in[1] : NULL,
                 .out_dtype = p->out[0].dtype,
                 .x_dtype = p->in[0].dtype,
                 .y_dtype = two ? p->in[1].dtype : LYC_F32,
                 .x_step = 1,
                 .y_step = two,
                 .count = lyc_shape_elements(&p->out[0].shape)};
    m.stream = m.out != m.x && m.out != m.y && lyc_streams(m.count * lyc_bytes_of(m.out_dtype));
    return m;
}

/* The arrays of `whole` from element `index` of out and x on; y stays. */
static inline void lyc_map_at(lyc_map *m, const lyc_map *whole, int64_t index)
{
    m->out = lyc_at_mutable(whole->out, whole->out_dtype, index);
    m->x = lyc_at(whole->x, whole->x_dtype, index);
}

/* For dense arguments of one length. */
static inline lyc_status lyc_map_run(const lyc_call *call)
{
    const lyc_map_entry *entry = call->state;
    lyc_map m = lyc_map_of(call, entry);
    lyc_parallel_chunks(lyc_ceil_div(m.count, LYC_MAP_CHUNK), 1e-3 * entry->picoseconds * (double)m.count,
                        lyc_map_chunks, &m);
    return LYC_OK;
}

/* The entry of a kernel in a file with such a table, and functions prepare and run. */
#define LYC_MAP_KERNEL(op_name)                                                                                        \
    {                                                                                                                  \
        .name = LYC_ISA_NAME "." #op_name, .op = &lyc_op_##op_name, .accepts = lyc_accepts_floats, .prepare = prepare, \
        .run = run                                                                                                     \
    }

/* The row of an operation in a table that ends with a NULL op: becomes the state of the kernel. */
static inline void *lyc_map_find(const lyc_map_entry *table, const lyc_op *op)
{
    while (table->op != NULL && table->op != op) {
        table++;
    }
    return (void *)(uintptr_t)table; /* states are not const; nobody writes to this one */
}

#endif
