/* affine.c - y = scale * x + shift
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/affine.h"

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_affine(const lyc_call *call)
{
    const lyc_affine_attr *attr = call->problem->attr;
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        lyc_ref_set(call, 0, i, (double)attr->scale * lyc_ref_get(call, 0, i) + (double)attr->shift);
    }
    return LYC_OK;
}
