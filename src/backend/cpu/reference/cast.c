/* cast.c - y = x, in another dtype
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_cast(const lyc_call *call)
{
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        lyc_ref_set(call, 0, i, lyc_ref_get(call, 0, i));
    }
    return LYC_OK;
}
