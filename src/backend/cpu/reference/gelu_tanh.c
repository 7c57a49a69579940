/* gelu_tanh.c - the activation of activate.c, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/elementwise.h"
#include "graph/ops/matmul.h"

static double gelu_tanh(double x)
{
    return lyc_reference_activate(LYC_ACTIVATION_GELU_TANH, x);
}

static double slope(double x)
{
    const double k = 0.5 * M_2_SQRTPI * M_SQRT2; /* sqrt(2/pi) */
    double t = tanh(k * (x + 0.044715 * x * x * x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * k * (1.0 + 3.0 * 0.044715 * x * x);
}

lyc_status lyc_reference_gelu_tanh(const lyc_call *call)
{
    return lyc_ref_unary(call, gelu_tanh);
}

lyc_status lyc_reference_gelu_tanh_backward(const lyc_call *call)
{
    return lyc_ref_slope(call, slope);
}
