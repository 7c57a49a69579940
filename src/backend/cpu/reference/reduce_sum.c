/* reduce_sum.c - y = the sum of x over whole axes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reduce.h"
#include "graph/ops/reduce.h"

lyc_status lyc_reference_reduce_sum(const lyc_call *call)
{
    const lyc_reduce_attr *attr = call->problem->attr;
    lyc_ref_reduce(call, (unsigned)attr->axes, 1.0);
    return LYC_OK;
}
