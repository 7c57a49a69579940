/* clamp_min.c - y = max(x, floor); NaN stays NaN
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/clamp_min.h"

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_clamp_min(const lyc_call *call)
{
    const lyc_clamp_min_attr *attr = call->problem->attr;
    const double floor = (double)attr->floor;
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        double x = lyc_ref_get(call, 0, i);
        lyc_ref_set(call, 0, i, x < floor ? floor : x);
    }
    return LYC_OK;
}
