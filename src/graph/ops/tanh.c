/* tanh.c - hyperbolic tangent
 *
 *     d_x = d_y (1 - y^2)

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/op.h"

lyc_value *lyc_tanh(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_tanh, 1, (lyc_value *[]){x}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    lyc_value *y = n->outputs[0];
    d_in[0] = lyc_mul(g, d_out[0], lyc_affine(g, lyc_mul(g, y, y), -1.0f, 1.0f));
}

const lyc_op lyc_op_tanh = {
    .name = "tanh",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_outputs = 1,
    .in_place = 1,
};
