/* norm.h - what the normalisations share: channels in vectors, and the SiLU behind a group norm
 *
 * Work is cut into chunks of rows (pixels, tokens) that depend on the problem alone; every chunk leaves sums by channel
 * in the workspace, which are then added in the order of the chunks. So the bits do not depend on the number of
 * threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_NORM_H
#define LYC_BACKEND_CPU_KERNELS_NORM_H

#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/simd_math.h"

enum { NORM_CHUNK_ELEMENTS = 65536 };

/* Rows of a chunk. */
LYC_SIMD_INLINE int64_t norm_chunk_rows(int64_t channels)
{
    return lyc_max(1, NORM_CHUNK_ELEMENTS / channels);
}

/* Floats that an array by channel takes: whole vectors. */
LYC_SIMD_INLINE int64_t norm_padded(int64_t channels)
{
    return lyc_ceil_div(channels, LYC_LANES) * LYC_LANES;
}

/* The vector of channels that starts at c; zero past the last. */
LYC_SIMD_INLINE lyc_vf norm_load(lyc_dtype dtype, const void *base, int64_t row, int64_t c, int64_t channels)
{
    if (c + LYC_LANES <= channels) {
        return lyc_vload_as(dtype, base, row * channels + c);
    }
    return lyc_vload_as_n(dtype, base, row * channels + c, (int)(channels - c));
}

LYC_SIMD_INLINE void norm_store(lyc_dtype dtype, void *base, int64_t row, int64_t c, int64_t channels, lyc_vf v)
{
    if (c + LYC_LANES <= channels) {
        lyc_vstore_as(dtype, base, row * channels + c, v);
    } else {
        lyc_vstore_as_n(dtype, base, row * channels + c, v, (int)(channels - c));
    }
}

/* Element c of an optional operand. */
LYC_SIMD_INLINE float norm_parameter(const lyc_call *call, int input, int64_t c, float absent)
{
    const lyc_operand *o = &call->problem->in[input];
    return o->present ? lyc_load_one(o->dtype, lyc_at(call->in[input], o->dtype, c)) : absent;
}

/* z sigmoid(z). The power of two of -|z| needs no care for large arguments: fewer instructions than lyc_vsigmoid. */
LYC_SIMD_INLINE lyc_vf norm_silu(lyc_vf z)
{
    const lyc_vf e = lyc_vexp2_down(lyc_vabs(z) * -LYC_LOG2_E);
    return lyc_vselect(z < lyc_vset(0.0f), z * e, z) / (1.0f + e);
}

/* Its slope s (1 + z (1 - s)), s = sigmoid(z). */
LYC_SIMD_INLINE lyc_vf norm_silu_slope(lyc_vf z)
{
    const lyc_vf e = lyc_vexp2_down(lyc_vabs(z) * -LYC_LOG2_E);
    const lyc_vf inverse = 1.0f / (1.0f + e);
    const lyc_vi negative = z < lyc_vset(0.0f);
    const lyc_vf s = lyc_vselect(negative, e * inverse, inverse);
    const lyc_vf rest = lyc_vselect(negative, inverse, e * inverse);
    return lyc_vfma(s * rest, z, s);
}

/* to[c] = sum over i of sums[i * step + c], in the order of i. */
LYC_SIMD_INLINE void norm_add_chunks(float *to, const float *sums, int64_t count, int64_t step, int64_t channels)
{
    for (int64_t c = 0; c < channels; c += LYC_LANES) {
        lyc_vf sum = {0};
        for (int64_t i = 0; i < count; i++) {
            sum += lyc_vload(sums + i * step + c);
        }
        norm_store(LYC_F32, to, 0, c, channels, sum);
    }
}

#endif
