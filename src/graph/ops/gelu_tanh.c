/* gelu_tanh.c - GELU in its tanh form (arXiv 1606.08415, section 2)
 *
 *     y = x/2 (1 + t),  t = tanh(u),  u = sqrt(2/pi) (x + 0.044715 x^3)
 *     dy/dx = (1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 x^2)

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/matmul.h"

lyc_value *lyc_gelu_tanh(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_gelu_tanh, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_gelu_tanh_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_gelu_tanh_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_gelu_tanh_backward(g, n->inputs[0], d_out[0]);
}

const lyc_op lyc_op_gelu_tanh = {
    .name = "gelu_tanh",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_inputs = 1,
    .in_place = 1,
    .is_activation = LYC_ACTIVATION_GELU_TANH,
};

const lyc_op lyc_op_gelu_tanh_backward = {
    .name = "gelu_tanh_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = lyc_infer_alike,
    .in_place = 3,
};
