/* pad.c - zeros, x, zeros
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/pad.h"

#include "backend/cpu/reference/reference.h"
#include "graph/ops/axes.h"

lyc_status lyc_reference_pad(const lyc_call *call)
{
    const lyc_pad_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(lyc_ref_shape(call, 0), attr->axis);
    const int64_t extent = attr->before + x.extent + attr->after;
    for (int64_t o = 0; o < x.outer; o++) {
        for (int64_t k = 0; k < extent; k++) {
            int64_t from = k - attr->before;
            bool inside = from >= 0 && from < x.extent;
            for (int64_t i = 0; i < x.inner; i++) {
                lyc_ref_set(call, 0, (o * extent + k) * x.inner + i,
                            inside ? lyc_ref_get(call, 0, (o * x.extent + from) * x.inner + i) : 0.0);
            }
        }
    }
    return LYC_OK;
}
