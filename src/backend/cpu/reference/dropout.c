/* dropout.c - y = x / (1 - p) where the element's random number is p at least, else 0
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/dropout.h"

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_dropout(const lyc_call *call)
{
    const lyc_dropout_attr *attr = call->problem->attr;
    const lyc_native_random random = lyc_dropout_random(attr, call->in[1]);
    const double scale = 1.0 / (1.0 - (double)attr->p);
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        const bool stays = lyc_native_random_uniform(&random, (uint64_t)i) >= attr->p;
        lyc_ref_set(call, 0, i, stays ? scale * lyc_ref_get(call, 0, i) : 0.0);
    }
    return LYC_OK;
}
