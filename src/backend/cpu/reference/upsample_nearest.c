/* upsample_nearest.c - y[n,i,j,c] = x[n, floor(i h / oh), floor(j w / ow), c], and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/upsample_nearest.h"

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_upsample_nearest(const lyc_call *call)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const lyc_shape *y = &call->problem->out[0].shape;
    const int64_t c = x->dims[3];
    for (int64_t r = 0; r < y->dims[0] * y->dims[1] * y->dims[2]; r++) {
        int64_t j = r % y->dims[2];
        int64_t i = r / y->dims[2] % y->dims[1];
        int64_t n = r / y->dims[2] / y->dims[1];
        int64_t row = n * x->dims[1] + i * x->dims[1] / y->dims[1];
        int64_t from = row * x->dims[2] + j * x->dims[2] / y->dims[2];
        for (int64_t k = 0; k < c; k++) {
            lyc_ref_set(call, 0, r * c + k, lyc_ref_get(call, 0, from * c + k));
        }
    }
    return LYC_OK;
}

/* The first index of the larger axis that comes from `index` of the smaller one: the least i with
 * floor(i from / to) >= index. */
static int64_t first_from(int64_t index, int64_t from, int64_t to)
{
    return (index * to + from - 1) / from;
}

lyc_status lyc_reference_upsample_nearest_backward(const lyc_call *call)
{
    const lyc_shape *d_y = lyc_ref_shape(call, 0);
    const lyc_shape *d_x = &call->problem->out[0].shape;
    const int64_t oh = d_y->dims[1];
    const int64_t ow = d_y->dims[2];
    const int64_t c = d_x->dims[3];
    for (int64_t e = 0; e < lyc_shape_elements(d_x); e++) {
        int64_t k = e % c;
        int64_t x = e / c % d_x->dims[2];
        int64_t y = e / c / d_x->dims[2] % d_x->dims[1];
        int64_t n = e / c / d_x->dims[2] / d_x->dims[1];
        double sum = 0.0;
        for (int64_t i = first_from(y, d_x->dims[1], oh); i < first_from(y + 1, d_x->dims[1], oh); i++) {
            for (int64_t j = first_from(x, d_x->dims[2], ow); j < first_from(x + 1, d_x->dims[2], ow); j++) {
                sum += lyc_ref_get(call, 0, ((n * oh + i) * ow + j) * c + k);
            }
        }
        lyc_ref_set(call, 0, e, sum);
    }
    return LYC_OK;
}
