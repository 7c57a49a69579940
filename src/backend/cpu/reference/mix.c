/* mix.c - products across the middle axis, and their gradient by the factors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/mix.h"

#include "backend/cpu/reference/reference.h"

/* y[n,a,s] = sum over b of c[a,b] h[n,b,s] */
lyc_status lyc_reference_mix(const lyc_call *call)
{
    const lyc_mix_attr *attr = call->problem->attr;
    const int64_t *y = call->problem->out[0].shape.dims;
    const int64_t inner = lyc_ref_shape(call, 0)->dims[1];
    for (int64_t n = 0; n < y[0]; n++) {
        for (int64_t a = 0; a < y[1]; a++) {
            for (int64_t s = 0; s < y[2]; s++) {
                double sum = 0.0;
                for (int64_t b = 0; b < inner; b++) {
                    sum += lyc_ref_get(call, 1, attr->trans ? b * y[1] + a : a * inner + b) *
                           lyc_ref_get(call, 0, (n * inner + b) * y[2] + s);
                }
                lyc_ref_set(call, 0, (n * y[1] + a) * y[2] + s, sum);
            }
        }
    }
    return LYC_OK;
}

/* d_c[a,b] = sum over n, s of d_y[n,a,s] h[n,b,s] */
lyc_status lyc_reference_mix_backward_weights(const lyc_call *call)
{
    const int64_t *h = lyc_ref_shape(call, 0)->dims;
    const int64_t rows = lyc_ref_shape(call, 1)->dims[1];
    for (int64_t a = 0; a < rows; a++) {
        for (int64_t b = 0; b < h[1]; b++) {
            double sum = 0.0;
            for (int64_t n = 0; n < h[0]; n++) {
                for (int64_t s = 0; s < h[2]; s++) {
                    sum += lyc_ref_get(call, 1, (n * rows + a) * h[2] + s) *
                           lyc_ref_get(call, 0, (n * h[1] + b) * h[2] + s);
                }
            }
            lyc_ref_set(call, 0, a * h[1] + b, sum);
        }
    }
    return LYC_OK;
}
