/* div.c - x / y, broadcast
 *
 *     d_x = d_z / y,  d_y = -(d_z / y) z,  each summed to its shape

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"

lyc_value *lyc_div(lyc_graph *g, lyc_value *x, lyc_value *y)
{
    return lyc_graph_add(g, &lyc_op_div, 2, (lyc_value *[]){x, y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    lyc_value *quotient = lyc_div(g, d_out[0], n->inputs[1]);
    if (n->inputs[0]->needs_grad) {
        d_in[0] = lyc_unbroadcast(g, quotient, n->inputs[0]);
    }
    if (n->inputs[1]->needs_grad) {
        lyc_value *d_y = lyc_unbroadcast(g, lyc_mul(g, quotient, n->outputs[0]), n->inputs[1]);
        d_in[1] = lyc_affine(g, d_y, -1.0f, 0.0f);
    }
}

const lyc_op lyc_op_div = {
    .name = "div",
    .inputs = "x y",
    .outputs = "z",
    .infer = lyc_infer_broadcast,
    .gradient = gradient,
    .gradient_inputs = 1u << 1,
    .gradient_outputs = 1,
    .in_place = 3,
};
