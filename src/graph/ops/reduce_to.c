/* reduce_to.c - a sum down to a shape that broadcasts to it: the gradient of broadcasting
 *
 *     d_x[j, 0] = sum over i and k of d_y[i, j, k]   for d_x [b,1], d_y [a,b,c]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/reduce_to.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"
#include "graph/ops/cast.h"
#include "graph/ops/elementwise.h"

static const lyc_attr_field attrs[] = {
    {"dims", LYC_ATTR_INT, offsetof(lyc_reduce_to_attr, dims), .count = 8},
    {"type", LYC_ATTR_ENUM, offsetof(lyc_reduce_to_attr, type), .names = lyc_role_names},
    {0},
};

lyc_value *lyc_reduce_to(lyc_graph *g, lyc_value *d_y, lyc_shape shape, lyc_value_type type)
{
    lyc_reduce_to_attr attr = {.type = type};
    if (!lyc_extents_set(attr.dims, &shape)) {
        char text[LYC_SHAPE_TEXT];
        return lyc_graph_fail(g, LYC_E_SHAPE, "reduce_to: no value can have the shape %s",
                              lyc_shape_text(text, sizeof text, &shape));
    }
    return lyc_graph_add(g, &lyc_op_reduce_to, 1, (lyc_value *[]){d_y}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_broadcast(g, d_out[0], n->inputs[0]->shape);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_reduce_to_attr *attr = n->attr;
    const lyc_shape *from = &n->inputs[0]->shape;
    const lyc_shape to = lyc_extents_shape(attr->dims);
    LYC_TRY(lyc_infer_indices(n, 0, err));
    if (!lyc_shape_broadcasts(&to, from)) {
        char a[LYC_SHAPE_TEXT];
        char b[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "d_y is %s, it is not what %s can be repeated to",
                        lyc_shape_text(a, sizeof a, from), lyc_shape_text(b, sizeof b, &to));
    }
    if (attr->type != LYC_ACTIVATION && attr->type != LYC_FLOAT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "to role %d, expected LYC_ACTIVATION or LYC_FLOAT", attr->type);
    }
    out[0].type = (lyc_value_type)attr->type;
    out[0].shape = to;
    return LYC_OK;
}

static double flops(const lyc_node *n)
{
    return (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_reduce_to = {
    .name = "reduce_to",
    .inputs = "d_y",
    .outputs = "d_x",
    .attrs = attrs,
    .attr_size = sizeof(lyc_reduce_to_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = flops,
};
