/* concat.c - one value behind the other along an axis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/concat.h"

#include "backend/cpu/reference/reference.h"
#include "graph/ops/axes.h"

lyc_status lyc_reference_concat(const lyc_call *call)
{
    const lyc_concat_attr *attr = call->problem->attr;
    const lyc_axis_view y = lyc_axis_view_of(&call->problem->out[0].shape, attr->axis);
    int64_t first = 0;
    for (int k = 0; k < call->problem->n_inputs; k++) {
        const lyc_axis_view x = lyc_axis_view_of(lyc_ref_shape(call, k), attr->axis);
        const int64_t part = x.extent * x.inner;
        for (int64_t o = 0; o < x.outer; o++) {
            for (int64_t i = 0; i < part; i++) {
                lyc_ref_set(call, 0, (o * y.extent + first) * y.inner + i, lyc_ref_get(call, k, o * part + i));
            }
        }
        first += x.extent;
    }
    return LYC_OK;
}
