/* rows.h - input 0 as rows of its last axis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_ROWS_H
#define LYC_BACKEND_CPU_REFERENCE_ROWS_H

#include "backend/cpu/reference/reference.h"

typedef struct lyc_ref_rows {
    int64_t rows;
    int64_t c;
} lyc_ref_rows;

static inline lyc_ref_rows lyc_ref_rows_of(const lyc_call *call)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    return (lyc_ref_rows){lyc_shape_product(x, 0, x->rank - 1), x->dims[x->rank - 1]};
}

/* The sum of exp(x - *max) over input 0 from `first` on. */
double lyc_ref_sum_exp(double *max, const lyc_call *call, int64_t first, int64_t count);

#endif
