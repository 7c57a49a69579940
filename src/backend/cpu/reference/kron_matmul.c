/* kron_matmul.c - y = residual + alpha (c (x) d) x, every entry of the Kronecker product made as it is needed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/kron_matmul.h"

#include "backend/cpu/reference/reference.h"

enum { X, C, D, RESIDUAL };

lyc_status lyc_reference_kron_matmul(const lyc_call *call)
{
    const lyc_kron_matmul_attr *attr = call->problem->attr;
    const int64_t *c = lyc_ref_shape(call, C)->dims;
    const int64_t *d = lyc_ref_shape(call, D)->dims;
    const int64_t u_out = attr->trans ? c[1] : c[0];
    const int64_t v_out = attr->trans ? d[1] : d[0];
    const int64_t u_in = attr->trans ? c[0] : c[1];
    const int64_t v_in = attr->trans ? d[0] : d[1];
    const int64_t rows = lyc_ref_count(call, X) / (u_in * v_in);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t out = 0; out < u_out * v_out; out++) {
            const int64_t a = out / v_out;
            const int64_t s = out % v_out;
            double sum = 0.0;
            for (int64_t b = 0; b < u_in; b++) {
                for (int64_t v = 0; v < v_in; v++) {
                    sum += lyc_ref_get(call, C, attr->trans ? b * u_out + a : a * u_in + b) *
                           lyc_ref_get(call, D, attr->trans ? v * v_out + s : s * v_in + v) *
                           lyc_ref_get(call, X, (r * u_in + b) * v_in + v);
                }
            }
            const int64_t at = r * u_out * v_out + out;
            lyc_ref_set(call, 0, at, (double)attr->alpha * sum + lyc_ref_get(call, RESIDUAL, at));
        }
    }
    return LYC_OK;
}
