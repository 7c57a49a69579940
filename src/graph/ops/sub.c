/* sub.c - x - y, broadcast

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"

lyc_value *lyc_sub(lyc_graph *g, lyc_value *x, lyc_value *y)
{
    return lyc_graph_add(g, &lyc_op_sub, 2, (lyc_value *[]){x, y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    if (n->inputs[0]->needs_grad) {
        d_in[0] = lyc_unbroadcast(g, d_out[0], n->inputs[0]);
    }
    if (n->inputs[1]->needs_grad) {
        d_in[1] = lyc_affine(g, lyc_unbroadcast(g, d_out[0], n->inputs[1]), -1.0f, 0.0f);
    }
}

const lyc_op lyc_op_sub = {
    .name = "sub",
    .inputs = "x y",
    .outputs = "z",
    .infer = lyc_infer_broadcast,
    .gradient = gradient,
    .in_place = 3,
};
