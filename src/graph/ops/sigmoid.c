/* sigmoid.c - y = 1 / (1 + exp(-x))
 *
 *     d_x = d_y y (1 - y)

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/op.h"

lyc_value *lyc_sigmoid(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_sigmoid, 1, (lyc_value *[]){x}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    lyc_value *y = n->outputs[0];
    d_in[0] = lyc_mul(g, d_out[0], lyc_mul(g, y, lyc_affine(g, y, -1.0f, 1.0f)));
}

const lyc_op lyc_op_sigmoid = {
    .name = "sigmoid",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_outputs = 1,
    .in_place = 1,
};
