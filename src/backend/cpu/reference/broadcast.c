/* broadcast.c - a value repeated along axes where it has an extent of 1 or none
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/elementwise.h"

lyc_status lyc_reference_broadcast(const lyc_call *call)
{
    const lyc_shape *y = &call->problem->out[0].shape;
    const int64_t count = lyc_shape_elements(y);
    for (int64_t i = 0; i < count; i++) {
        lyc_ref_set(call, 0, i, lyc_ref_get(call, 0, lyc_ref_broadcast_index(lyc_ref_shape(call, 0), y, i)));
    }
    return LYC_OK;
}
