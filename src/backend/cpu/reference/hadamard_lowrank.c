/* hadamard_lowrank.c - y = alpha (b1 a1) * (b2 a2), and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/hadamard_lowrank.h"

#include "backend/cpu/reference/reference.h"

enum { B1, A1, B2, A2, D_Y };

/* Element i, j of the product of inputs b [p,r] and a [r,q]. */
static double product(const lyc_call *call, int b, int a, int64_t i, int64_t j)
{
    const int64_t rank = lyc_ref_shape(call, b)->dims[1];
    const int64_t columns = lyc_ref_shape(call, a)->dims[1];
    double sum = 0.0;
    for (int64_t k = 0; k < rank; k++) {
        sum += lyc_ref_get(call, b, i * rank + k) * lyc_ref_get(call, a, k * columns + j);
    }
    return sum;
}

lyc_status lyc_reference_hadamard_lowrank(const lyc_call *call)
{
    const lyc_hadamard_lowrank_attr *attr = call->problem->attr;
    const int64_t *y = call->problem->out[0].shape.dims;
    for (int64_t i = 0; i < y[0]; i++) {
        for (int64_t j = 0; j < y[1]; j++) {
            const double value = product(call, B1, A1, i, j) * product(call, B2, A2, i, j);
            lyc_ref_set(call, 0, i * y[1] + j, (double)attr->alpha * value);
        }
    }
    return LYC_OK;
}

/* The gradients of the factors b and a of one product; the other one's are other_b and other_a. They are outputs b and
 * a: outputs have the order of the inputs. */
static void backward(const lyc_call *call, int b, int a, int other_b, int other_a)
{
    const lyc_hadamard_lowrank_attr *attr = call->problem->attr;
    const int64_t *y = lyc_ref_shape(call, D_Y)->dims;
    const int64_t rank = lyc_ref_shape(call, b)->dims[1];
    for (int64_t k = 0; k < rank; k++) {
        for (int64_t i = 0; i < y[0] && call->out[b] != NULL; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < y[1]; j++) {
                sum += lyc_ref_get(call, D_Y, i * y[1] + j) * product(call, other_b, other_a, i, j) *
                       lyc_ref_get(call, a, k * y[1] + j);
            }
            lyc_ref_set(call, b, i * rank + k, (double)attr->alpha * sum);
        }
        for (int64_t j = 0; j < y[1] && call->out[a] != NULL; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i < y[0]; i++) {
                sum += lyc_ref_get(call, D_Y, i * y[1] + j) * product(call, other_b, other_a, i, j) *
                       lyc_ref_get(call, b, i * rank + k);
            }
            lyc_ref_set(call, a, k * y[1] + j, (double)attr->alpha * sum);
        }
    }
}

lyc_status lyc_reference_hadamard_lowrank_backward(const lyc_call *call)
{
    backward(call, B1, A1, B2, A2);
    backward(call, B2, A2, B1, A1);
    return LYC_OK;
}
