/* sqrt.c - square root
 *
 *     d_x = d_y / (2 y): infinite at 0; keep norms away from it with clamp_min

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/op.h"

lyc_value *lyc_sqrt(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_sqrt, 1, (lyc_value *[]){x}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_affine(g, lyc_div(g, d_out[0], n->outputs[0]), 0.5f, 0.0f);
}

const lyc_op lyc_op_sqrt = {
    .name = "sqrt",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_outputs = 1,
    .in_place = 1,
};
