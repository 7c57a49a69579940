/* copy.h - runs of elements from one place to another, in another dtype when asked
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_COPY_H
#define LYC_BACKEND_CPU_KERNELS_COPY_H

#include "backend/cpu/kernels/kernel.h"

/* One end of a copy: an array, where the next run begins in it, and whether it is written past the cache. */
typedef struct lyc_copy {
    void *dst;
    const void *src;
    lyc_dtype dst_dtype, src_dtype; /* f32, bf16 or, of the source, f16 */
    bool stream;
} lyc_copy;

static inline lyc_copy lyc_copy_of(const lyc_call *call, int input)
{
    const lyc_operand *out = &call->problem->out[0];
    return (lyc_copy){.dst = call->out[0],
                      .src = call->in[input],
                      .dst_dtype = out->dtype,
                      .src_dtype = call->problem->in[input].dtype,
                      .stream = lyc_streams(lyc_shape_elements(&out->shape) * lyc_bytes_of(out->dtype))};
}

/* dst[to + i] = src[from + i] for i < n. */
static inline void lyc_copy_run(const lyc_copy *c, int64_t to, int64_t from, int64_t n)
{
    void *dst = lyc_at_mutable(c->dst, c->dst_dtype, to);
    const void *src = lyc_at(c->src, c->src_dtype, from);
    if (c->dst_dtype != c->src_dtype) {
        for (int64_t i = 0; i < n; i += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, n - i);
            lyc_vstore_some(c->dst_dtype, dst, i, lyc_vload_some(c->src_dtype, src, i, m), m);
        }
    } else if (c->stream) {
        lyc_stream(dst, src, (size_t)(n * lyc_bytes_of(c->dst_dtype)));
    } else {
        memcpy(dst, src, (size_t)(n * lyc_bytes_of(c->dst_dtype)));
    }
}

/* dst[to + i] = 0 for i < n: zero has the same bits in all dtypes. */
static inline void lyc_copy_zeros(const lyc_copy *c, int64_t to, int64_t n)
{
    memset(lyc_at_mutable(c->dst, c->dst_dtype, to), 0, (size_t)(n * lyc_bytes_of(c->dst_dtype)));
}

/* What copying so many elements takes, for lyc_parallel_chunks. */
static inline double lyc_copy_ns(int64_t elements)
{
    return 0.2 * (double)elements;
}

#endif
