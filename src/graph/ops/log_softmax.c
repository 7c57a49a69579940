/* log_softmax.c - the logarithm of the softmax, for each row of the last axis
 *
 *     y = x - max x - ln sum exp(x - max x),   d_x = d_y - exp(y) sum(d_y)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/softmax_rows.h"

lyc_value *lyc_log_softmax(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_log_softmax, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_log_softmax_backward(lyc_graph *g, lyc_value *y, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_log_softmax_backward, 2, (lyc_value *[]){y, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_log_softmax_backward(g, n->outputs[0], d_out[0]);
}

/* In place: a row is read whole before its first element is written. */
const lyc_op lyc_op_log_softmax = {
    .name = "log_softmax",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_rows,
    .gradient = gradient,
    .gradient_outputs = 1,
    .in_place = 1,
};

const lyc_op lyc_op_log_softmax_backward = {
    .name = "log_softmax_backward",
    .inputs = "y d_y",
    .outputs = "d_x",
    .infer = lyc_infer_rows,
    .in_place = 3,
};
