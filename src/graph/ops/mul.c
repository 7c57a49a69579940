/* mul.c - x * y, broadcast
 *
 *     d_x = d_z y,  d_y = d_z x,  each summed to its shape

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"

lyc_value *lyc_mul(lyc_graph *g, lyc_value *x, lyc_value *y)
{
    return lyc_graph_add(g, &lyc_op_mul, 2, (lyc_value *[]){x, y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    for (int i = 0; i < 2; i++) {
        if (n->inputs[i]->needs_grad) {
            d_in[i] = lyc_unbroadcast(g, lyc_mul(g, d_out[0], n->inputs[1 - i]), n->inputs[i]);
        }
    }
}

const lyc_op lyc_op_mul = {
    .name = "mul",
    .inputs = "x y",
    .outputs = "z",
    .infer = lyc_infer_broadcast,
    .gradient = gradient,
    .gradient_inputs = 3,
    .in_place = 3,
};
