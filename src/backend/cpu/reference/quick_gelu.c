/* quick_gelu.c - the activation of activate.c, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/elementwise.h"
#include "graph/ops/matmul.h"

static double quick_gelu(double x)
{
    return lyc_reference_activate(LYC_ACTIVATION_QUICK_GELU, x);
}

static double slope(double x)
{
    double s = 1.0 / (1.0 + exp(-1.702 * x));
    return s * (1.0 + 1.702 * x * (1.0 - s));
}

lyc_status lyc_reference_quick_gelu(const lyc_call *call)
{
    return lyc_ref_unary(call, quick_gelu);
}

lyc_status lyc_reference_quick_gelu_backward(const lyc_call *call)
{
    return lyc_ref_slope(call, slope);
}
