/* rows.h - sums and maxima along a row of f32 or bf16
 *
 * A term is a function of a place in the row, inlined into the loop; it may also store what it computed. Four vectors
 * are under way at a time, for the latency of an addition. The order of a sum depends on the length alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_ROWS_H
#define LYC_BACKEND_CPU_KERNELS_ROWS_H

#include "backend/cpu/kernels/kernel.h"

typedef struct lyc_row {
    const void *x;
    const void *y;
    lyc_dtype x_dtype, y_dtype;
    lyc_vf c;    /* a number for the term */
    float *keep; /* where the term leaves its values; NULL: nowhere */
} lyc_row;

/* The term of elements [i, i + n), in the first n lanes. */
typedef lyc_vf (*lyc_row_term)(const lyc_row *r, int64_t i, int n);

LYC_SIMD_INLINE lyc_vf lyc_row_x(const lyc_row *r, int64_t i, int n)
{
    return lyc_vload_some(r->x_dtype, r->x, i, n);
}

LYC_SIMD_INLINE lyc_vf lyc_row_y(const lyc_row *r, int64_t i, int n)
{
    return lyc_vload_some(r->y_dtype, r->y, i, n);
}

LYC_SIMD_INLINE float lyc_row_sum_inline(lyc_row_term f, const lyc_row *r, int64_t n)
{
    lyc_vf sum[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * LYC_LANES <= n; i += 4 * LYC_LANES) {
        for (int k = 0; k < 4; k++) {
            sum[k] += f(r, i + k * LYC_LANES, LYC_LANES);
        }
    }
    for (; i + LYC_LANES <= n; i += LYC_LANES) {
        sum[0] += f(r, i, LYC_LANES);
    }
    if (i < n) {
        const int m = (int)(n - i);
        sum[1] += lyc_vselect(lyc_vmask_first(m), f(r, i, m), lyc_vset(0.0f));
    }
    return lyc_vsum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* The sum of f over the n elements of a row. */
LYC_SIMD_INLINE float lyc_row_sum(lyc_row_term f, const lyc_row *row, int64_t n)
{
    lyc_row r = *row;
    const bool y_too = r.y == NULL || r.y_dtype == r.x_dtype;
    if (r.x_dtype == LYC_F32 && y_too) {
        r.x_dtype = r.y_dtype = LYC_F32;
        return lyc_row_sum_inline(f, &r, n);
    }
    if (r.x_dtype == LYC_BF16 && y_too) {
        r.x_dtype = r.y_dtype = LYC_BF16;
        return lyc_row_sum_inline(f, &r, n);
    }
    return lyc_row_sum_inline(f, row, n);
}

/* The largest element of x; n >= 1. Where there is a NaN the result may be any element or NaN. */
static inline float lyc_row_max(const lyc_row *r, int64_t n)
{
    const lyc_vf first = lyc_vset(lyc_load_one(r->x_dtype, r->x));
    lyc_vf max[4] = {first, first, first, first};
    int64_t i = 0;
    for (; i + 4 * LYC_LANES <= n; i += 4 * LYC_LANES) {
        for (int k = 0; k < 4; k++) {
            max[k] = lyc_vmax(max[k], lyc_vload_as(r->x_dtype, r->x, i + k * LYC_LANES));
        }
    }
    for (; i < n; i += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - i);
        max[0] = lyc_vselect(lyc_vmask_first(m), lyc_vmax(max[0], lyc_row_x(r, i, m)), max[0]);
    }
    return lyc_vmax_across(lyc_vmax(lyc_vmax(max[0], max[1]), lyc_vmax(max[2], max[3])));
}

#endif
