/* add.c - x + y, broadcast
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"

lyc_value *lyc_add(lyc_graph *g, lyc_value *x, lyc_value *y)
{
    return lyc_graph_add(g, &lyc_op_add, 2, (lyc_value *[]){x, y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    for (int i = 0; i < 2; i++) {
        if (n->inputs[i]->needs_grad) {
            d_in[i] = lyc_unbroadcast(g, d_out[0], n->inputs[i]);
        }
    }
}

const lyc_op lyc_op_add = {
    .name = "add",
    .inputs = "x y",
    .outputs = "z",
    .infer = lyc_infer_broadcast,
    .gradient = gradient,
    .in_place = 3,
};
