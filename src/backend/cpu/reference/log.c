/* log.c - y = log(x)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/elementwise.h"

lyc_status lyc_reference_log(const lyc_call *call)
{
    return lyc_ref_unary(call, log);
}
