/* svd.c - singular values by LAPACK
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/svd.h"

#include <limits.h>
#include <string.h>

#include <lapacke.h>

#include "base/memory.h"

lyc_status lyc_svd_compute(lyc_svd *out, const float *a, int64_t rows, int64_t columns, lyc_error *err)
{
    const int64_t n = rows < columns ? rows : columns;
    *out = (lyc_svd){.rows = rows, .columns = columns, .n = n};
    if (rows > INT_MAX || columns > INT_MAX) {
        return lyc_fail(err, LYC_E_SHAPE, "a matrix of %lldx%lld is too large for LAPACK", (long long)rows,
                        (long long)columns);
    }
    float *copy = lyc_alloc_zero((size_t)(rows * columns), sizeof *copy);
    out->u = lyc_alloc_zero((size_t)(rows * n), sizeof *out->u);
    out->s = lyc_alloc_zero((size_t)n, sizeof *out->s);
    out->v = lyc_alloc_zero((size_t)(n * columns), sizeof *out->v);
    lyc_status status = LYC_OK;
    if (copy == NULL || out->u == NULL || out->s == NULL || out->v == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for singular values of %lldx%lld", (long long)rows,
                          (long long)columns);
    } else {
        memcpy(copy, a, (size_t)(rows * columns) * sizeof *copy);
        const lapack_int info =
            LAPACKE_sgesdd(LAPACK_ROW_MAJOR, 'S', (lapack_int)rows, (lapack_int)columns, copy, (lapack_int)columns,
                           out->s, out->u, (lapack_int)n, out->v, (lapack_int)columns);
        if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR) {
            status = lyc_fail(err, LYC_E_MEMORY, "no memory for singular values of %lldx%lld", (long long)rows,
                              (long long)columns);
        } else if (info != 0) {
            status = lyc_fail(err, LYC_E_NUMERIC, "no singular values of a matrix of %lldx%lld (LAPACK says %d)",
                              (long long)rows, (long long)columns, (int)info);
        }
    }
    lyc_free(copy);
    if (status != LYC_OK) {
        lyc_svd_clear(out);
    }
    return status;
}

void lyc_svd_clear(lyc_svd *svd)
{
    lyc_free(svd->u);
    lyc_free(svd->s);
    lyc_free(svd->v);
    *svd = (lyc_svd){0};
}
