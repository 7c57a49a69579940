/* geglu.c - y = value * gelu(gate), and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/reference.h"

/* The normal distribution, and its density. */
static double distribution(double x)
{
    return 0.5 * (1.0 + erf(x * M_SQRT1_2));
}

static double density(double x)
{
    return exp(-0.5 * x * x) * 0.5 * M_2_SQRTPI * M_SQRT1_2;
}

lyc_status lyc_reference_geglu(const lyc_call *call)
{
    const lyc_shape *y = &call->problem->out[0].shape;
    const int64_t c = y->dims[y->rank - 1];
    const int64_t rows = lyc_shape_product(y, 0, y->rank - 1);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < c; i++) {
            double value = lyc_ref_get(call, 0, r * 2 * c + i);
            double gate = lyc_ref_get(call, 0, r * 2 * c + c + i);
            lyc_ref_set(call, 0, r * c + i, value * gate * distribution(gate));
        }
    }
    return LYC_OK;
}

lyc_status lyc_reference_geglu_backward(const lyc_call *call)
{
    const lyc_shape *d_y = lyc_ref_shape(call, 1);
    const int64_t c = d_y->dims[d_y->rank - 1];
    const int64_t rows = lyc_shape_product(d_y, 0, d_y->rank - 1);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < c; i++) {
            double value = lyc_ref_get(call, 0, r * 2 * c + i);
            double gate = lyc_ref_get(call, 0, r * 2 * c + c + i);
            double d = lyc_ref_get(call, 1, r * c + i);
            lyc_ref_set(call, 0, r * 2 * c + i, d * gate * distribution(gate));
            lyc_ref_set(call, 0, r * 2 * c + c + i, d * value * (distribution(gate) + gate * density(gate)));
        }
    }
    return LYC_OK;
}
