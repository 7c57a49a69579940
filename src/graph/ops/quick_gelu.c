/* quick_gelu.c - the approximation of GELU by a sigmoid that OpenAI's CLIP models use
 *
 *     y = x s,  s = 1 / (1 + exp(-1.702 x)),  dy/dx = s (1 + 1.702 x (1 - s))

 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/elementwise.h"
#include "graph/ops/matmul.h"

lyc_value *lyc_quick_gelu(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_quick_gelu, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_quick_gelu_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_quick_gelu_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_quick_gelu_backward(g, n->inputs[0], d_out[0]);
}

const lyc_op lyc_op_quick_gelu = {
    .name = "quick_gelu",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_inputs = 1,
    .in_place = 1,
    .is_activation = LYC_ACTIVATION_QUICK_GELU,
};

const lyc_op lyc_op_quick_gelu_backward = {
    .name = "quick_gelu_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = lyc_infer_alike,
    .in_place = 3,
};
