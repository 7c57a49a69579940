/* div.c - z = x / y
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/elementwise.h"

static double divide(double x, double y)
{
    return x / y;
}

lyc_status lyc_reference_div(const lyc_call *call)
{
    return lyc_ref_binary(call, divide);
}
