/* activate.c - activations by number
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/activate.h"

#include <math.h>

#include "graph/ops/matmul.h"

double lyc_reference_activate(int activation, double x)
{
    switch ((lyc_activation)activation) {
    case LYC_ACTIVATION_SILU:
        return x / (1.0 + exp(-x));
    case LYC_ACTIVATION_GELU:
        return 0.5 * x * (1.0 + erf(x * M_SQRT1_2));
    case LYC_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(0.5 * M_2_SQRTPI * M_SQRT2 * (x + 0.044715 * x * x * x)));
    case LYC_ACTIVATION_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case LYC_ACTIVATION_RELU:
        return x > 0.0 || isnan(x) ? x : 0.0;
    case LYC_ACTIVATION_NONE:
        break;
    }
    return x;
}
