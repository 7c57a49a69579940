/* relu.c - the activation of activate.c, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/elementwise.h"
#include "graph/ops/matmul.h"

static double relu(double x)
{
    return lyc_reference_activate(LYC_ACTIVATION_RELU, x);
}

static double slope(double x)
{
    return x <= 0.0 ? 0.0 : 1.0;
}

lyc_status lyc_reference_relu(const lyc_call *call)
{
    return lyc_ref_unary(call, relu);
}

lyc_status lyc_reference_relu_backward(const lyc_call *call)
{
    return lyc_ref_slope(call, slope);
}
