/* reduce_to.c - the sum over everything that broadcasting had repeated
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reduce.h"

lyc_status lyc_reference_reduce_to(const lyc_call *call)
{
    const lyc_shape *d_y = lyc_ref_shape(call, 0);
    const lyc_shape *d_x = &call->problem->out[0].shape;
    unsigned axes = 0;
    for (int i = 0; i < d_y->rank; i++) {
        int k = i - (d_y->rank - d_x->rank);
        if (k < 0 || d_x->dims[k] == 1) {
            axes |= 1u << i;
        }
    }
    lyc_ref_reduce(call, axes, 1.0);
    return LYC_OK;
}
