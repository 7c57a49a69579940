/* tanh.c - y = tanh(x)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/elementwise.h"

lyc_status lyc_reference_tanh(const lyc_call *call)
{
    return lyc_ref_unary(call, tanh);
}
