/* relu.c - max(x, 0); NaN stays NaN
 *
 * The gradient asks only whether x is positive, and y says that as well: y is what is kept, and x may be overwritten.
 * At 0 the gradient is 0.

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/matmul.h"

lyc_value *lyc_relu(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_relu, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_relu_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_relu_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_relu_backward(g, n->outputs[0], d_out[0]);
}

const lyc_op lyc_op_relu = {
    .name = "relu",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_outputs = 1,
    .in_place = 1,
    .is_activation = LYC_ACTIVATION_RELU,
};

const lyc_op lyc_op_relu_backward = {
    .name = "relu_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = lyc_infer_alike,
    .in_place = 3,
};
