/* matmul.c - y = activation(alpha op(a) op(b) + bias) + residual, three loops
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/matmul.h"

#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_matmul(const lyc_call *call)
{
    const lyc_matmul_attr *attr = call->problem->attr;
    const lyc_shape *a = lyc_ref_shape(call, 0);
    const lyc_shape *b = lyc_ref_shape(call, 1);
    const lyc_shape *y = &call->problem->out[0].shape;
    const int64_t batch = lyc_shape_product(y, 0, y->rank - 2);
    const int64_t m = y->dims[y->rank - 2];
    const int64_t n = y->dims[y->rank - 1];
    const int64_t k = attr->trans_a ? a->dims[a->rank - 2] : a->dims[a->rank - 1];
    const int64_t b_step = b->rank > 2 ? n * k : 0;
    for (int64_t s = 0; s < batch; s++) {
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double sum = 0.0;
                for (int64_t p = 0; p < k; p++) {
                    sum += lyc_ref_get(call, 0, s * m * k + (attr->trans_a ? p * m + i : i * k + p)) *
                           lyc_ref_get(call, 1, s * b_step + (attr->trans_b ? j * k + p : p * n + j));
                }
                double value =
                    lyc_reference_activate(attr->activation, (double)attr->alpha * sum + lyc_ref_get(call, 2, j));
                int64_t at = (s * m + i) * n + j;
                lyc_ref_set(call, 0, at, value + lyc_ref_get(call, 3, at));
            }
        }
    }
    return LYC_OK;
}
