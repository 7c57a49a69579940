/* solve.c - LU with partial pivoting, matrix by matrix
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/solve.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

/* The matrix and one right-hand side. */
size_t lyc_reference_solve_workspace(const lyc_problem *problem)
{
    const lyc_shape *a = &problem->in[0].shape;
    const size_t n = (size_t)a->dims[a->rank - 1];
    return (n * n + n) * sizeof(double);
}

static void swap(double *a, double *b)
{
    const double kept = *a;
    *a = *b;
    *b = kept;
}

/* Eliminates column k of a (n x n, row-major) below the diagonal, in the right-hand side too. False: no pivot. */
static bool eliminate(double *a, double *x, int64_t n, int64_t k)
{
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; i++) {
        if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) {
            pivot = i;
        }
    }
    if (!(fabs(a[pivot * n + k]) > 0.0)) {
        return false;
    }
    for (int64_t j = 0; j < n; j++) {
        swap(&a[k * n + j], &a[pivot * n + j]);
    }
    swap(&x[k], &x[pivot]);
    for (int64_t i = k + 1; i < n; i++) {
        const double factor = a[i * n + k] / a[k * n + k];
        for (int64_t j = k; j < n; j++) {
            a[i * n + j] -= factor * a[k * n + j];
        }
        x[i] -= factor * x[k];
    }
    return true;
}

/* Solves for one column: a and x are overwritten. */
static bool solve(double *a, double *x, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        if (!eliminate(a, x, n, k)) {
            return false;
        }
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = i + 1; j < n; j++) {
            x[i] -= a[i * n + j] * x[j];
        }
        x[i] /= a[i * n + i];
    }
    return true;
}

lyc_status lyc_reference_solve(const lyc_call *call)
{
    const lyc_solve_attr *attr = call->problem->attr;
    const lyc_shape *b = lyc_ref_shape(call, 1);
    const int64_t n = b->dims[b->rank - 2];
    const int64_t m = b->dims[b->rank - 1];
    double *a = call->workspace;
    double *x = a + n * n;
    for (int64_t s = 0; s < lyc_shape_product(b, 0, b->rank - 2); s++) {
        for (int64_t column = 0; column < m; column++) {
            for (int64_t i = 0; i < n; i++) {
                for (int64_t j = 0; j < n; j++) {
                    a[i * n + j] = lyc_ref_get(call, 0, s * n * n + (attr->trans ? j * n + i : i * n + j));
                }
                x[i] = lyc_ref_get(call, 1, (s * n + i) * m + column);
            }
            if (!solve(a, x, n)) {
                return lyc_fail(call->err, LYC_E_NUMERIC, "matrix %lld of %lldx%lld is singular", (long long)s,
                                (long long)n, (long long)n);
            }
            for (int64_t i = 0; i < n; i++) {
                lyc_ref_set(call, 0, (s * n + i) * m + column, x[i]);
            }
        }
    }
    return LYC_OK;
}
