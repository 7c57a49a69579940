/* transpose.c - y[i_a0, i_a1, ..] = x[i_0, i_1, ..]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/transpose.h"

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_transpose(const lyc_call *call)
{
    const lyc_transpose_attr *attr = call->problem->attr;
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const lyc_shape *y = &call->problem->out[0].shape;
    const int64_t count = lyc_shape_elements(y);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i;
        int64_t at = 0;
        for (int k = y->rank - 1; k >= 0; k--) {
            at += rest % y->dims[k] * lyc_shape_product(x, attr->axes[k] + 1, x->rank);
            rest /= y->dims[k];
        }
        lyc_ref_set(call, 0, i, lyc_ref_get(call, 0, at));
    }
    return LYC_OK;
}
