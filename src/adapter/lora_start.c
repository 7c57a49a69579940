/* lora_start.c - start values of LoRA from the base weight: PiSSA and OLoRA
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/lora_start.h"

#include <math.h>
#include <string.h>

#include "adapter/svd.h"
#include "base/memory.h"

/* W = U S VT: up = U sqrt(S / scale), down = sqrt(S / scale) VT. */
lyc_status lyc_lora_start_pissa(float *up, float *down, const float *weight, int64_t rows, int64_t columns,
                                int64_t rank, double scale, lyc_error *err)
{
    lyc_svd svd;
    LYC_TRY(lyc_svd_compute(&svd, weight, rows, columns, err));
    memset(up, 0, (size_t)(rows * rank) * sizeof *up);
    memset(down, 0, (size_t)(rank * columns) * sizeof *down);
    for (int64_t i = 0; i < rank && i < svd.n; i++) {
        const double root = sqrt((double)svd.s[i] / scale);
        for (int64_t o = 0; o < rows; o++) {
            up[o * rank + i] = (float)(root * (double)svd.u[o * svd.n + i]);
        }
        for (int64_t c = 0; c < columns; c++) {
            down[i * columns + c] = (float)(root * (double)svd.v[i * columns + c]);
        }
    }
    lyc_svd_clear(&svd);
    return LYC_OK;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* q [count,n]: vector `last` made perpendicular to those before it and of length 1, or 0 when nothing is left. Twice:
 * once leaves errors as large as what was cancelled. */
static void orthonormalise(double *q, int64_t last, int64_t n)
{
    double *v = q + last * n;
    const double before = sqrt(dot(v, v, n));
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t k = 0; k < last; k++) {
            const double along = dot(q + k * n, v, n);
            for (int64_t i = 0; i < n; i++) {
                v[i] -= along * q[k * n + i];
            }
        }
    }
    const double left = sqrt(dot(v, v, n));
    const double scale = left > 1e-12 * before && left > 0.0 ? 1.0 / left : 0.0;
    for (int64_t i = 0; i < n; i++) {
        v[i] *= scale;
    }
}

/* The first columns of Q come from the first columns of W alone, and R = QT W. */
lyc_status lyc_lora_start_olora(float *up, float *down, const float *weight, int64_t rows, int64_t columns,
                                int64_t rank, double scale, lyc_error *err)
{
    const int64_t n = rank < rows ? (rank < columns ? rank : columns) : (rows < columns ? rows : columns);
    double *q = lyc_alloc_zero((size_t)(n * rows), sizeof *q);
    (void)scale;
    if (q == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an orthogonal basis");
    }
    memset(up, 0, (size_t)(rows * rank) * sizeof *up);
    memset(down, 0, (size_t)(rank * columns) * sizeof *down);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t o = 0; o < rows; o++) {
            q[i * rows + o] = (double)weight[o * columns + i];
        }
        orthonormalise(q, i, rows);
        for (int64_t o = 0; o < rows; o++) {
            const double value = q[i * rows + o];
            up[o * rank + i] = (float)value;
            for (int64_t c = 0; c < columns; c++) {
                down[i * columns + c] += (float)(value * (double)weight[o * columns + c]);
            }
        }
    }
    lyc_free(q);
    return LYC_OK;
}
