/* slice.c - a copy of a part of one axis, for plans in which the result cannot lie in its source
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/slice.h"

#include "backend/cpu/reference/reference.h"
#include "graph/ops/axes.h"

lyc_status lyc_reference_slice(const lyc_call *call)
{
    const lyc_slice_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(lyc_ref_shape(call, 0), attr->axis);
    const int64_t part = attr->count * x.inner;
    for (int64_t o = 0; o < x.outer; o++) {
        for (int64_t i = 0; i < part; i++) {
            lyc_ref_set(call, 0, o * part + i, lyc_ref_get(call, 0, (o * x.extent + attr->first) * x.inner + i));
        }
    }
    return LYC_OK;
}
