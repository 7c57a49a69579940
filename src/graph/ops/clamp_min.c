/* clamp_min.c - max(x, floor); NaN stays NaN
 *
 *     d_x = d_y where x > floor, else 0
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/clamp_min.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"floor", LYC_ATTR_FLOAT, offsetof(lyc_clamp_min_attr, floor)},
    {0},
};

lyc_value *lyc_clamp_min(lyc_graph *g, lyc_value *x, float floor)
{
    return lyc_graph_add(g, &lyc_op_clamp_min, 1, (lyc_value *[]){x}, &(lyc_clamp_min_attr){floor});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_clamp_min_attr *attr = n->attr;
    d_in[0] = lyc_relu_backward(g, lyc_affine(g, n->inputs[0], 1.0f, -attr->floor), d_out[0]);
}

const lyc_op lyc_op_clamp_min = {
    .name = "clamp_min",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_clamp_min_attr),
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_inputs = 1,
    .in_place = 1,
};
