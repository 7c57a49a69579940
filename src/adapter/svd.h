/* svd.h - singular values of a weight, for start values
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_SVD_H
#define LYC_ADAPTER_SVD_H

#include <stdint.h>

#include "base/error.h"

/* a [rows,columns] = u diag(s) v with n = min(rows, columns): u [rows,n], s [n] descending, v [n,columns]. */
typedef struct lyc_svd {
    int64_t rows, columns, n;
    float *u, *s, *v;
} lyc_svd;

/* Leaves a as it is. LYC_E_NUMERIC: no convergence, or numbers that are not finite. */
lyc_status lyc_svd_compute(lyc_svd *out, const float *a, int64_t rows, int64_t columns, lyc_error *err);
void lyc_svd_clear(lyc_svd *svd);

#endif
