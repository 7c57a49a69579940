/* silu.c - y = x / (1 + exp(-x)), and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_silu(const lyc_call *call)
{
    for (int64_t i = 0; i < lyc_ref_count(call, 0); i++) {
        double x = lyc_ref_get(call, 0, i);
        lyc_ref_set(call, 0, i, x / (1.0 + exp(-x)));
    }
    return LYC_OK;
}

lyc_status lyc_reference_silu_backward(const lyc_call *call)
{
    for (int64_t i = 0; i < lyc_ref_count(call, 0); i++) {
        double x = lyc_ref_get(call, 0, i);
        double s = 1.0 / (1.0 + exp(-x));
        lyc_ref_set(call, 0, i, lyc_ref_get(call, 1, i) * s * (1.0 + x * (1.0 - s)));
    }
    return LYC_OK;
}
