/* transpose.c - axes in a new order
 *
 * Axes that stay neighbours are merged. If the innermost axis of the result is that of the input, runs are copied;
 * otherwise squares of LYC_LANES x LYC_LANES are turned in registers, in blocks of BLOCK x BLOCK that stay in the
 * cache: the two innermost axes of result and input, called p and q, change places.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/transpose.h"

#include "backend/cpu/kernels/broadcast.h"
#include "backend/cpu/kernels/copy.h"

enum { BLOCK = 64, RUNS_CHUNK = 4096 };

typedef struct task {
    lyc_copy copy;
    lyc_broadcast axes;  /* of the result; steps in the input */
    lyc_broadcast outer; /* without p and q: steps in the input, and in the result */
    int64_t p, p_from;   /* extent of the result's innermost axis, its step in the input */
    int64_t q, q_to;     /* extent of the input's innermost axis, its step in the result */
    int64_t p_blocks, q_blocks;
    int64_t count;
} task;

/* ---- runs ---- */

static void copy_runs(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    first *= RUNS_CHUNK;
    last = lyc_min(last * RUNS_CHUNK, t->count);
    lyc_walk w = lyc_walk_from(&t->axes, first);
    while (first < last) {
        const int64_t n = lyc_min(lyc_walk_left(&w), last - first);
        lyc_copy_run(&t->copy, first, w.at[0], n);
        lyc_walk_on(&w, n);
        first += n;
    }
    lyc_vstream_end();
}

/* ---- squares ---- */

/* Bits of elements in 32-bit lanes, or numbers where the dtypes differ. */
LYC_SIMD_INLINE lyc_vf load_lanes(bool bits, lyc_dtype dtype, const void *src, int64_t at, int n)
{
    if (!bits || dtype == LYC_F32) {
        return lyc_vload_some(dtype, src, at, n);
    }
    const uint16_t *p = (const uint16_t *)src + at;
    return lyc_vfrom_bits(lyc_vwiden(n == LYC_LANES ? lyc_vhload(p) : lyc_vhload_n(p, n)));
}

LYC_SIMD_INLINE void store_lanes(bool bits, lyc_dtype dtype, void *buffer, int64_t at, lyc_vf v)
{
    if (!bits || dtype == LYC_F32) {
        lyc_vstore_as(dtype, buffer, at, v);
    } else {
        lyc_vhstore((uint16_t *)buffer + at, lyc_vnarrow(lyc_vbits(v)));
    }
}

/* n_p x n_q elements: element (p, q) from `from + p p_from + q` to buffer[q BLOCK + p], from `to` on. */
LYC_SIMD_INLINE void turn_square(const task *t, bool bits, lyc_dtype dst_dtype, lyc_dtype src_dtype, void *buffer,
                                 int64_t to, int64_t from, int n_p, int n_q)
{
    lyc_vf v[LYC_LANES];
    for (int i = 0; i < LYC_LANES; i++) {
        v[i] = i < n_p ? load_lanes(bits, src_dtype, t->copy.src, from + i * t->p_from, n_q) : (lyc_vf){0};
    }
    lyc_vtranspose(v);
    for (int i = 0; i < n_q; i++) {
        store_lanes(bits, dst_dtype, buffer, to + i * BLOCK, v[i]);
    }
}

LYC_SIMD_INLINE void turn_block(const task *t, bool bits, lyc_dtype dst_dtype, lyc_dtype src_dtype, void *buffer,
                                int64_t from, int64_t n_p, int64_t n_q)
{
    for (int64_t p = 0; p < n_p; p += LYC_LANES) {
        for (int64_t q = 0; q < n_q; q += LYC_LANES) {
            const int m_p = (int)lyc_min(LYC_LANES, n_p - p);
            const int m_q = (int)lyc_min(LYC_LANES, n_q - q);
            const int64_t square = from + p * t->p_from + q;
            if (m_p == LYC_LANES && m_q == LYC_LANES) {
                turn_square(t, bits, dst_dtype, src_dtype, buffer, q * BLOCK + p, square, LYC_LANES, LYC_LANES);
            } else {
                turn_square(t, bits, dst_dtype, src_dtype, buffer, q * BLOCK + p, square, m_p, m_q);
            }
        }
    }
}

static void turn_blocks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_copy *c = &t->copy;
    float buffer[BLOCK * BLOCK];
    const lyc_copy out = {
        .dst = c->dst, .src = buffer, .dst_dtype = c->dst_dtype, .src_dtype = c->dst_dtype, .stream = c->stream};
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t p = i % t->p_blocks * BLOCK;
        const int64_t q = i / t->p_blocks % t->q_blocks * BLOCK;
        const lyc_walk w = lyc_walk_from(&t->outer, i / t->p_blocks / t->q_blocks);
        const int64_t from = w.at[0] + p * t->p_from + q;
        const int64_t to = w.at[1] + q * t->q_to + p;
        const int64_t n_p = lyc_min(BLOCK, t->p - p);
        const int64_t n_q = lyc_min(BLOCK, t->q - q);
        if (c->dst_dtype != c->src_dtype) {
            turn_block(t, false, c->dst_dtype, c->src_dtype, buffer, from, n_p, n_q);
        } else if (c->dst_dtype == LYC_F32) {
            turn_block(t, true, LYC_F32, LYC_F32, buffer, from, n_p, n_q);
        } else {
            turn_block(t, true, LYC_BF16, LYC_BF16, buffer, from, n_p, n_q);
        }
        for (int64_t k = 0; k < n_q; k++) {
            lyc_copy_run(&out, to + k * t->q_to, k * BLOCK, n_p);
        }
    }
    lyc_vstream_end();
}

/* The merged axes without p and q, from the innermost to the outermost. */
static void split_axes(task *t)
{
    int64_t to = 1;
    t->outer = (lyc_broadcast){.values = 2};
    for (int i = 0; i < t->axes.rank; i++) {
        const int64_t extent = t->axes.extent[i];
        const int64_t from = t->axes.step[i][0];
        if (i == 0) {
            t->p = extent;
            t->p_from = from;
        } else if (from == 1) {
            t->q = extent;
            t->q_to = to;
        } else {
            lyc_broadcast_add(&t->outer, extent, (int64_t[LYC_BROADCAST_VALUES]){from, to});
        }
        to *= extent;
    }
}

static lyc_status run(const lyc_call *call)
{
    const lyc_transpose_attr *attr = call->problem->attr;
    const lyc_shape *x = &call->problem->in[0].shape;
    task t = {.copy = lyc_copy_of(call, 0), .axes = {.values = 1}, .count = lyc_shape_elements(x)};
    for (int k = x->rank - 1; k >= 0; k--) {
        const int64_t step = lyc_shape_product(x, attr->axes[k] + 1, x->rank);
        lyc_broadcast_add(&t.axes, x->dims[attr->axes[k]], (int64_t[LYC_BROADCAST_VALUES]){step});
    }
    if (t.axes.rank == 0) {
        lyc_copy_run(&t.copy, 0, 0, 1);
    } else if (t.axes.step[0][0] == 1) {
        lyc_parallel_chunks(lyc_ceil_div(t.count, RUNS_CHUNK), lyc_copy_ns(t.count), copy_runs, &t);
    } else {
        split_axes(&t);
        t.p_blocks = lyc_ceil_div(t.p, BLOCK);
        t.q_blocks = lyc_ceil_div(t.q, BLOCK);
        lyc_parallel_chunks(t.count / (t.p * t.q) * t.p_blocks * t.q_blocks, 2.0 * lyc_copy_ns(t.count), turn_blocks,
                            &t);
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_transpose) = {
    .name = LYC_ISA_NAME ".transpose", .op = &lyc_op_transpose, .accepts = lyc_accepts_floats, .run = run};
