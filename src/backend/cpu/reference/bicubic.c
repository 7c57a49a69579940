/* bicubic.c - y = Wy x WxT for each channel, and the transpose
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/bicubic.h"

#include "backend/cpu/reference/bicubic_weights.h"
#include "backend/cpu/reference/reference.h"

typedef int (*weights_of)(double *weights, int64_t *first, const lyc_bicubic_axis *axis, int64_t index);

/* out 0 [n,h,w,c] as weighted sums of in 0: by rows of the two maps forward, by columns backward. */
static void weigh(const lyc_call *call, const lyc_bicubic_axis *vertical, const lyc_bicubic_axis *horizontal,
                  weights_of weights_at)
{
    const lyc_shape *from = lyc_ref_shape(call, 0);
    const lyc_shape *to = &call->problem->out[0].shape;
    const int64_t c = to->dims[3];
    double wy[LYC_BICUBIC_MAX_WEIGHTS];
    double wx[LYC_BICUBIC_MAX_WEIGHTS];
    int64_t top;
    int64_t left;
    for (int64_t e = 0; e < to->dims[0] * to->dims[1] * to->dims[2]; e++) {
        const int64_t sample = e / to->dims[2] / to->dims[1];
        const int height = weights_at(wy, &top, vertical, e / to->dims[2] % to->dims[1]);
        const int width = weights_at(wx, &left, horizontal, e % to->dims[2]);
        for (int64_t k = 0; k < c; k++) {
            double sum = 0.0;
            for (int i = 0; i < height; i++) {
                const int64_t row = (sample * from->dims[1] + top + i) * from->dims[2] + left;
                for (int j = 0; j < width; j++) {
                    sum += wy[i] * wx[j] * lyc_ref_get(call, 0, (row + j) * c + k);
                }
            }
            lyc_ref_set(call, 0, e * c + k, sum);
        }
    }
}

lyc_status lyc_reference_bicubic(const lyc_call *call)
{
    const lyc_bicubic_attr *attr = call->problem->attr;
    const lyc_shape *x = lyc_ref_shape(call, 0);
    lyc_bicubic_axis vertical = {x->dims[1], attr->oh, (double)attr->coefficient, (double)attr->offset,
                                 attr->antialias};
    lyc_bicubic_axis horizontal = vertical;
    horizontal.in = x->dims[2];
    horizontal.out = attr->ow;
    weigh(call, &vertical, &horizontal, lyc_bicubic_row);
    return LYC_OK;
}

lyc_status lyc_reference_bicubic_backward(const lyc_call *call)
{
    const lyc_bicubic_backward_attr *attr = call->problem->attr;
    const lyc_shape *d_y = lyc_ref_shape(call, 0);
    lyc_bicubic_axis vertical = {attr->h, d_y->dims[1], (double)attr->coefficient, (double)attr->offset,
                                 attr->antialias};
    lyc_bicubic_axis horizontal = vertical;
    horizontal.in = attr->w;
    horizontal.out = d_y->dims[2];
    weigh(call, &vertical, &horizontal, lyc_bicubic_column);
    return LYC_OK;
}
