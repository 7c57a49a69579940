/* max_pool2d.c - the largest element of each window
 *
 *     y[n, i, j, c] = max over a, b < kernel of x[n, i stride + a, j stride + b, c]
 *
 * x [n,h,w,c] -> y [n,oh,ow,c] with oh = floor((h - kernel) / stride) + 1: what is left at the far edges is not looked
 * at. d_y goes to the first maximum of its window, row by row. NaN counts as larger than every number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/max_pool2d.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"kernel", LYC_ATTR_INT, offsetof(lyc_max_pool2d_attr, kernel)},
    {"stride", LYC_ATTR_INT, offsetof(lyc_max_pool2d_attr, stride)},
    {0},
};

lyc_value *lyc_max_pool2d(lyc_graph *g, lyc_value *x, int kernel, int stride)
{
    const lyc_max_pool2d_attr attr = {kernel, stride};
    return lyc_graph_add(g, &lyc_op_max_pool2d, 1, (lyc_value *[]){x}, &attr);
}

lyc_value *lyc_max_pool2d_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y, int kernel, int stride)
{
    const lyc_max_pool2d_attr attr = {kernel, stride};
    return lyc_graph_add(g, &lyc_op_max_pool2d_backward, 2, (lyc_value *[]){x, d_y}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_max_pool2d_attr *attr = n->attr;
    d_in[0] = lyc_max_pool2d_backward(g, n->inputs[0], d_out[0], attr->kernel, attr->stride);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_max_pool2d_attr *attr = n->attr;
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    if (attr->kernel < 1 || attr->stride < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "kernel %d and stride %d, expected 1 at least", attr->kernel,
                        attr->stride);
    }
    for (int i = 1; i <= 2; i++) {
        if (out[0].shape.dims[i] < attr->kernel) {
            char text[LYC_SHAPE_TEXT];
            return lyc_fail(err, LYC_E_SHAPE, "a kernel of %d is larger than x, which is %s", attr->kernel,
                            lyc_shape_text(text, sizeof text, &n->inputs[0]->shape));
        }
        out[0].shape.dims[i] = (out[0].shape.dims[i] - attr->kernel) / attr->stride + 1;
    }
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(infer(n, out, err));
    LYC_TRY(lyc_infer_shape(n, 1, &out[0].shape, err));
    out[0].shape = n->inputs[0]->shape;
    return LYC_OK;
}

static double flops(const lyc_node *n)
{
    const lyc_max_pool2d_attr *attr = n->attr;
    return (double)lyc_shape_elements(&n->outputs[0]->shape) * attr->kernel * attr->kernel;
}

static double flops_backward(const lyc_node *n)
{
    const lyc_max_pool2d_attr *attr = n->attr;
    return (double)lyc_shape_elements(&n->inputs[1]->shape) * attr->kernel * attr->kernel;
}

const lyc_op lyc_op_max_pool2d = {
    .name = "max_pool2d",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_max_pool2d_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1,
    .flops = flops,
};

const lyc_op lyc_op_max_pool2d_backward = {
    .name = "max_pool2d_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .attrs = attrs,
    .attr_size = sizeof(lyc_max_pool2d_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
