/* reduce_mean.c - y = the mean of x over whole axes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reduce.h"
#include "graph/ops/reduce.h"

lyc_status lyc_reference_reduce_mean(const lyc_call *call)
{
    const lyc_reduce_attr *attr = call->problem->attr;
    const int64_t results = lyc_shape_elements(&call->problem->out[0].shape);
    lyc_ref_reduce(call, (unsigned)attr->axes, (double)results / (double)lyc_ref_count(call, 0));
    return LYC_OK;
}
