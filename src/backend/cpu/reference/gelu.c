/* gelu.c - the activation of activate.c, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/elementwise.h"
#include "graph/ops/matmul.h"

static double gelu(double x)
{
    return lyc_reference_activate(LYC_ACTIVATION_GELU, x);
}

static double slope(double x)
{
    double phi = exp(-0.5 * x * x) * 0.5 * M_2_SQRTPI * M_SQRT1_2;
    return 0.5 * (1.0 + erf(x * M_SQRT1_2)) + x * phi;
}

lyc_status lyc_reference_gelu(const lyc_call *call)
{
    return lyc_ref_unary(call, gelu);
}

lyc_status lyc_reference_gelu_backward(const lyc_call *call)
{
    return lyc_ref_slope(call, slope);
}
