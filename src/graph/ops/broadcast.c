/* broadcast.c - a value repeated to a larger shape
 *
 *     y[i, j, k] = x[j, 0]   for x [b,1], y [a,b,c];   d_x = d_y summed to the shape of x
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/broadcast.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"
#include "graph/ops/elementwise.h"

static const lyc_attr_field attrs[] = {
    {"dims", LYC_ATTR_INT, offsetof(lyc_broadcast_attr, dims), .count = 8},
    {0},
};

lyc_value *lyc_broadcast(lyc_graph *g, lyc_value *x, lyc_shape shape)
{
    lyc_broadcast_attr attr;
    if (!lyc_extents_set(attr.dims, &shape)) {
        char text[LYC_SHAPE_TEXT];
        return lyc_graph_fail(g, LYC_E_SHAPE, "broadcast: no value can have the shape %s",
                              lyc_shape_text(text, sizeof text, &shape));
    }
    return lyc_graph_add(g, &lyc_op_broadcast, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_unbroadcast(g, d_out[0], n->inputs[0]);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_broadcast_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    const lyc_shape y = lyc_extents_shape(attr->dims);
    LYC_TRY(lyc_infer_same(n, out, err));
    if (!lyc_shape_broadcasts(x, &y)) {
        char from[LYC_SHAPE_TEXT];
        char to[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, it cannot be repeated to %s", lyc_shape_text(from, sizeof from, x),
                        lyc_shape_text(to, sizeof to, &y));
    }
    out[0].shape = y;
    return LYC_OK;
}

/* Nothing is repeated when only axes of extent 1 are added. */
static int64_t view(const lyc_node *n)
{
    return lyc_shape_elements(&n->inputs[0]->shape) == lyc_shape_elements(&n->outputs[0]->shape) ? 0 : -1;
}

const lyc_op lyc_op_broadcast = {
    .name = "broadcast",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_broadcast_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
