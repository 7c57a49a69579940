/* sigmoid.c - y = 1 / (1 + exp(-x))
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/elementwise.h"

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

lyc_status lyc_reference_sigmoid(const lyc_call *call)
{
    return lyc_ref_unary(call, sigmoid);
}
