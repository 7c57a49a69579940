/* norm.c - the Euclidean norm over one axis
 *
 *     y[.., 0, ..] = sqrt(sum over i of x[.., i, ..]^2),   d_x = d_y x / y, and 0 where y is 0
 *
 * y keeps the axis with extent 1 and is of type LYC_FLOAT: the norms of DoRA divide weights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/norm.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"

static const lyc_attr_field attrs[] = {
    {"axis", LYC_ATTR_INT, offsetof(lyc_norm_attr, axis)},
    {0},
};

lyc_value *lyc_norm(lyc_graph *g, lyc_value *x, int axis)
{
    return lyc_graph_add(g, &lyc_op_norm, 1, (lyc_value *[]){x}, &(lyc_norm_attr){axis});
}

lyc_value *lyc_norm_backward(lyc_graph *g, lyc_value *x, lyc_value *y, lyc_value *d_y, int axis)
{
    return lyc_graph_add(g, &lyc_op_norm_backward, 3, (lyc_value *[]){x, y, d_y}, &(lyc_norm_attr){axis});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_norm_attr *attr = n->attr;
    d_in[0] = lyc_norm_backward(g, n->inputs[0], n->outputs[0], d_out[0], attr->axis);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_norm_attr *attr = n->attr;
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_axis(n, 0, attr->axis, err));
    out[0].type = LYC_FLOAT;
    out[0].shape.dims[lyc_axis_from_first(attr->axis, out[0].shape.rank)] = 1;
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(infer(n, out, err));
    LYC_TRY(lyc_infer_shape(n, 1, &out[0].shape, err));
    LYC_TRY(lyc_infer_shape(n, 2, &out[0].shape, err));
    out[0].shape = n->inputs[0]->shape;
    out[0].type = n->inputs[0]->type == LYC_ACTIVATION ? LYC_ACTIVATION : LYC_FLOAT;
    return LYC_OK;
}

static double flops(const lyc_node *n)
{
    return 2.0 * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_norm = {
    .name = "norm",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_norm_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1,
    .gradient_outputs = 1,
    .flops = flops,
};

const lyc_op lyc_op_norm_backward = {
    .name = "norm_backward",
    .inputs = "x y d_y",
    .outputs = "d_x",
    .attrs = attrs,
    .attr_size = sizeof(lyc_norm_attr),
    .infer = infer_backward,
    .flops = flops,
    .in_place = 1,
};
