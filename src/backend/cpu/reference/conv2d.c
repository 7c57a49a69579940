/* conv2d.c - the convolution as a sum, and its two gradients
 *
 *     y[n,oy,ox,o] += x[n, oy s0 + u d0 - top, ox s1 + v d1 - left, g I + i] w[o,i,u,v]
 *
 * Each gradient runs over the same terms, gathered by its own result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/conv2d.h"

#include "backend/cpu/reference/activate.h"
#include "backend/cpu/reference/reference.h"

/* Row-major offset of [a,b,c,d]. */
static int64_t offset(const lyc_shape *s, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return ((a * s->dims[1] + b) * s->dims[2] + c) * s->dims[3] + d;
}

/* Where a weight's row or column meets the image for an output position; outside of [0,size) lies the padding. */
static int64_t input_position(const lyc_conv2d_attr *conv, int axis, int64_t out, int64_t kernel)
{
    return out * conv->stride[axis] + kernel * conv->dilation[axis] - conv->pad[axis];
}

/* The output position for which it meets input position `in`; -1 where there is none. */
static int64_t output_position(const lyc_conv2d_attr *conv, int axis, int64_t in, int64_t kernel, int64_t size)
{
    const int64_t at = in + conv->pad[axis] - kernel * conv->dilation[axis];
    return at >= 0 && at % conv->stride[axis] == 0 && at / conv->stride[axis] < size ? at / conv->stride[axis] : -1;
}

static double output_at(const lyc_call *call, const lyc_conv2d_attr *conv, int64_t n, int64_t oy, int64_t ox, int64_t o)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const lyc_shape *w = lyc_ref_shape(call, 1);
    const int64_t first = o / (w->dims[0] / conv->groups) * w->dims[1];
    double sum = 0.0;
    for (int64_t u = 0; u < w->dims[2]; u++) {
        const int64_t iy = input_position(conv, 0, oy, u);
        for (int64_t v = 0; v < w->dims[3] && iy >= 0 && iy < x->dims[1]; v++) {
            const int64_t ix = input_position(conv, 1, ox, v);
            for (int64_t i = 0; i < w->dims[1] && ix >= 0 && ix < x->dims[2]; i++) {
                sum +=
                    lyc_ref_get(call, 0, offset(x, n, iy, ix, first + i)) * lyc_ref_get(call, 1, offset(w, o, i, u, v));
            }
        }
    }
    return sum;
}

lyc_status lyc_reference_conv2d(const lyc_call *call)
{
    const lyc_conv2d_attr *conv = call->problem->attr;
    const lyc_shape *y = &call->problem->out[0].shape;
    for (int64_t n = 0; n < y->dims[0]; n++) {
        for (int64_t oy = 0; oy < y->dims[1]; oy++) {
            for (int64_t ox = 0; ox < y->dims[2]; ox++) {
                for (int64_t o = 0; o < y->dims[3]; o++) {
                    const int64_t at = offset(y, n, oy, ox, o);
                    const double z = output_at(call, conv, n, oy, ox, o) + lyc_ref_get(call, 2, o);
                    lyc_ref_set(call, 0, at, lyc_reference_activate(conv->activation, z) + lyc_ref_get(call, 3, at));
                }
            }
        }
    }
    return LYC_OK;
}

/* d_x[n,iy,ix,c] without the residual: weight is input 0, d_y input 1. */
static double data_at(const lyc_call *call, const lyc_conv2d_attr *conv, int64_t n, int64_t iy, int64_t ix, int64_t c)
{
    const lyc_shape *w = lyc_ref_shape(call, 0);
    const lyc_shape *y = lyc_ref_shape(call, 1);
    const int64_t outputs = w->dims[0] / conv->groups;
    const int64_t first = c / w->dims[1] * outputs;
    double sum = 0.0;
    for (int64_t u = 0; u < w->dims[2]; u++) {
        const int64_t oy = output_position(conv, 0, iy, u, y->dims[1]);
        for (int64_t v = 0; v < w->dims[3] && oy >= 0; v++) {
            const int64_t ox = output_position(conv, 1, ix, v, y->dims[2]);
            for (int64_t o = first; o < first + outputs && ox >= 0; o++) {
                sum += lyc_ref_get(call, 1, offset(y, n, oy, ox, o)) *
                       lyc_ref_get(call, 0, offset(w, o, c % w->dims[1], u, v));
            }
        }
    }
    return sum;
}

lyc_status lyc_reference_conv2d_backward_data(const lyc_call *call)
{
    const lyc_conv2d_backward_data_attr *attr = call->problem->attr;
    const lyc_shape *x = &call->problem->out[0].shape;
    for (int64_t n = 0; n < x->dims[0]; n++) {
        for (int64_t iy = 0; iy < x->dims[1]; iy++) {
            for (int64_t ix = 0; ix < x->dims[2]; ix++) {
                for (int64_t c = 0; c < x->dims[3]; c++) {
                    const int64_t at = offset(x, n, iy, ix, c);
                    lyc_ref_set(call, 0, at, data_at(call, &attr->conv, n, iy, ix, c) + lyc_ref_get(call, 2, at));
                }
            }
        }
    }
    return LYC_OK;
}

/* d_w[o,i,u,v]: x is input 0, d_y input 1. */
static double weight_at(const lyc_call *call, const lyc_conv2d_attr *conv, int64_t o, int64_t i, int64_t u, int64_t v)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const lyc_shape *y = lyc_ref_shape(call, 1);
    const int64_t group = o / (y->dims[3] / conv->groups);
    const int64_t c = group * (x->dims[3] / conv->groups) + i;
    double sum = 0.0;
    for (int64_t n = 0; n < y->dims[0]; n++) {
        for (int64_t oy = 0; oy < y->dims[1]; oy++) {
            const int64_t iy = input_position(conv, 0, oy, u);
            for (int64_t ox = 0; ox < y->dims[2] && iy >= 0 && iy < x->dims[1]; ox++) {
                const int64_t ix = input_position(conv, 1, ox, v);
                if (ix >= 0 && ix < x->dims[2]) {
                    sum +=
                        lyc_ref_get(call, 0, offset(x, n, iy, ix, c)) * lyc_ref_get(call, 1, offset(y, n, oy, ox, o));
                }
            }
        }
    }
    return sum;
}

lyc_status lyc_reference_conv2d_backward_weights(const lyc_call *call)
{
    const lyc_conv2d_backward_weights_attr *attr = call->problem->attr;
    const lyc_shape *w = &call->problem->out[0].shape;
    for (int64_t o = 0; o < w->dims[0]; o++) {
        for (int64_t i = 0; i < w->dims[1]; i++) {
            for (int64_t u = 0; u < w->dims[2]; u++) {
                for (int64_t v = 0; v < w->dims[3]; v++) {
                    lyc_ref_set(call, 0, offset(w, o, i, u, v), weight_at(call, &attr->conv, o, i, u, v));
                }
            }
        }
    }
    return LYC_OK;
}
