/* upsample_nearest.c - an image resampled by repeating its nearest elements, to any size
 *
 *     y[n, i, j, c] = x[n, floor(i h / oh), floor(j w / ow), c];   d_x = the sum of d_y over all that came from x
 *
 * x [n,h,w,c] -> y [n,oh,ow,c]. The U-Net doubles, or takes the size of the next skip connection where that is odd.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/upsample_nearest.h"

#include <limits.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"oh", LYC_ATTR_INT, offsetof(lyc_upsample_nearest_attr, oh)},
    {"ow", LYC_ATTR_INT, offsetof(lyc_upsample_nearest_attr, ow)},
    {0},
};

static const lyc_attr_field backward_attrs[] = {
    {"h", LYC_ATTR_INT, offsetof(lyc_upsample_nearest_backward_attr, h)},
    {"w", LYC_ATTR_INT, offsetof(lyc_upsample_nearest_backward_attr, w)},
    {0},
};

static bool is_size(int64_t h, int64_t w)
{
    return h >= 1 && w >= 1 && h <= INT_MAX && w <= INT_MAX;
}

lyc_value *lyc_upsample_nearest(lyc_graph *g, lyc_value *x, int64_t oh, int64_t ow)
{
    if (!is_size(oh, ow)) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "upsample_nearest: to %lldx%lld", (long long)oh, (long long)ow);
    }
    const lyc_upsample_nearest_attr attr = {(int)oh, (int)ow};
    return lyc_graph_add(g, &lyc_op_upsample_nearest, 1, (lyc_value *[]){x}, &attr);
}

lyc_value *lyc_upsample_nearest_backward(lyc_graph *g, lyc_value *d_y, int64_t h, int64_t w)
{
    if (!is_size(h, w)) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "upsample_nearest_backward: to %lldx%lld", (long long)h, (long long)w);
    }
    const lyc_upsample_nearest_backward_attr attr = {(int)h, (int)w};
    return lyc_graph_add(g, &lyc_op_upsample_nearest_backward, 1, (lyc_value *[]){d_y}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_shape *x = &n->inputs[0]->shape;
    d_in[0] = lyc_upsample_nearest_backward(g, d_out[0], x->dims[1], x->dims[2]);
}

static lyc_status infer_size(const lyc_node *n, lyc_value_info *out, int h, int w, lyc_error *err)
{
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    if (!is_size(h, w)) {
        return lyc_fail(err, LYC_E_SHAPE, "to %dx%d, expected a size", h, w);
    }
    out[0].shape.dims[1] = h;
    out[0].shape.dims[2] = w;
    return LYC_OK;
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_upsample_nearest_attr *attr = n->attr;
    return infer_size(n, out, attr->oh, attr->ow, err);
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_upsample_nearest_backward_attr *attr = n->attr;
    return infer_size(n, out, attr->h, attr->w, err);
}

static double flops_backward(const lyc_node *n)
{
    return (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_upsample_nearest = {
    .name = "upsample_nearest",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_upsample_nearest_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
};

const lyc_op lyc_op_upsample_nearest_backward = {
    .name = "upsample_nearest_backward",
    .inputs = "d_y",
    .outputs = "d_x",
    .attrs = backward_attrs,
    .attr_size = sizeof(lyc_upsample_nearest_backward_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
