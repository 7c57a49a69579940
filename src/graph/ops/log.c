/* log.c - natural logarithm
 *
 *     d_x = d_y / x

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/op.h"

lyc_value *lyc_log(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_log, 1, (lyc_value *[]){x}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_div(g, d_out[0], n->inputs[0]);
}

const lyc_op lyc_op_log = {
    .name = "log",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_inputs = 1,
    .in_place = 1,
};
