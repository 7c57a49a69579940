/* norm.c - y = sqrt(sum x^2) over one axis, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/norm.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"
#include "graph/ops/axes.h"

lyc_status lyc_reference_norm(const lyc_call *call)
{
    const lyc_norm_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(lyc_ref_shape(call, 0), attr->axis);
    for (int64_t r = 0; r < x.outer * x.inner; r++) {
        const int64_t first = r / x.inner * x.extent * x.inner + r % x.inner;
        double sum = 0.0;
        for (int64_t i = 0; i < x.extent; i++) {
            double value = lyc_ref_get(call, 0, first + i * x.inner);
            sum += value * value;
        }
        lyc_ref_set(call, 0, r, sqrt(sum));
    }
    return LYC_OK;
}

lyc_status lyc_reference_norm_backward(const lyc_call *call)
{
    const lyc_norm_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(lyc_ref_shape(call, 0), attr->axis);
    for (int64_t r = 0; r < x.outer * x.inner; r++) {
        const int64_t first = r / x.inner * x.extent * x.inner + r % x.inner;
        const double y = lyc_ref_get(call, 1, r);
        const double scale = y == 0.0 ? 0.0 : lyc_ref_get(call, 2, r) / y;
        for (int64_t i = 0; i < x.extent; i++) {
            lyc_ref_set(call, 0, first + i * x.inner, scale * lyc_ref_get(call, 0, first + i * x.inner));
        }
    }
    return LYC_OK;
}
