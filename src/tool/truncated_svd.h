/* truncated_svd.h - the largest singular values of a matrix and their vectors
 *
 *     a [rows,columns]  ~  u diag(s) v          u [rows,rank], s [rank] descending, v [rank,columns]
 *
 * Small matrices, and those of which a good part of all ranks is asked, are decomposed by LAPACK. For the others a
 * space that holds the leading vectors is grown by blocks from random ones: Q of A G, then A A^T Q and so on, all
 * blocks kept (block Krylov: Halko, Martinsson, Tropp 2011, arXiv 0909.4061; Musco, Musco 2015, arXiv 1504.05477). It
 * is grown until what the leading ranks hold does not grow any more: the squared error is then within 1e-3 of the best,
 * by the rate at which it fell. Where that takes a space of half the matrix LAPACK does it after all.
 *
 * The same input gives the same numbers: the random start has a fixed seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_TRUNCATED_SVD_H
#define LYC_TOOL_TRUNCATED_SVD_H

#include <stdint.h>

#include "base/error.h"

typedef struct lyc_truncated_svd {
    int64_t rows, columns, rank;
    float *u, *s, *v;
    double squared_norm; /* of a, all of it */
} lyc_truncated_svd;

/* rank: at least 1; at most that of the smaller side is taken. Leaves a as it is. LYC_E_NUMERIC: no convergence, or
 * numbers that are not finite. */
lyc_status lyc_truncated_svd_compute(lyc_truncated_svd *out, const float *a, int64_t rows, int64_t columns,
                                     int64_t rank, lyc_error *err);

/* All ranks of a product up [rows,inner] times down [inner,columns], min(rows, inner, columns) of them, without forming
 * it: up = Q1 R1, down^T = Q2 R2, and the singular values of R1 R2^T are those of the product. */
lyc_status lyc_truncated_svd_product(lyc_truncated_svd *out, const float *up, const float *down, int64_t rows,
                                     int64_t inner, int64_t columns, lyc_error *err);

void lyc_truncated_svd_clear(lyc_truncated_svd *svd);

/* The first ranks as up [rows,ranks] = u diag(s) and down [ranks,columns] = v; what is beyond those that there are
 * stays as it is. */
void lyc_truncated_svd_factors(float *up, float *down, const lyc_truncated_svd *svd, int64_t ranks);

/* All singular values without vectors, s [min(rows,columns)] descending, from a A^T in f64: those below 1e-6 of the
 * largest have few right digits. */
lyc_status lyc_singular_values(double *s, const float *a, int64_t rows, int64_t columns, lyc_error *err);

/* Part of the squared norm that the first ranks keep; 1 of nothing. */
double lyc_truncated_svd_energy(const lyc_truncated_svd *svd, int64_t ranks);

#endif
