/* gather_rows.c - y[n] = x[n, rows[n]], and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/gather_rows.h"

#include "backend/cpu/reference/indices.h"

lyc_status lyc_reference_gather_rows(const lyc_call *call)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const int64_t t = x->dims[1];
    const int64_t c = x->dims[2];
    LYC_TRY(lyc_ref_check_indices(call, 1, t));
    for (int64_t n = 0; n < x->dims[0]; n++) {
        for (int64_t j = 0; j < c; j++) {
            lyc_ref_set(call, 0, n * c + j, lyc_ref_get(call, 0, (n * t + lyc_ref_index(call, 1, n)) * c + j));
        }
    }
    return LYC_OK;
}

lyc_status lyc_reference_gather_rows_backward(const lyc_call *call)
{
    const lyc_shape *d_x = &call->problem->out[0].shape;
    const int64_t t = d_x->dims[1];
    const int64_t c = d_x->dims[2];
    LYC_TRY(lyc_ref_check_indices(call, 0, t));
    for (int64_t n = 0; n < d_x->dims[0]; n++) {
        for (int64_t i = 0; i < t; i++) {
            bool chosen = i == lyc_ref_index(call, 0, n);
            for (int64_t j = 0; j < c; j++) {
                lyc_ref_set(call, 0, (n * t + i) * c + j, chosen ? lyc_ref_get(call, 1, n * c + j) : 0.0);
            }
        }
    }
    return LYC_OK;
}
