/* silu.c - SiLU, x sigmoid(x) (arXiv 1702.03118), also called swish
 *
 *     y = x s,  dy/dx = s (1 + x (1 - s)),  s = 1 / (1 + exp(-x))
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/op.h"
#include "graph/ops/matmul.h"

lyc_value *lyc_silu(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_silu, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_silu_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_silu_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_silu_backward(g, n->inputs[0], d_out[0]);
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_equal(n, 1, 0, err));
    return lyc_infer_same(n, out, err);
}

const lyc_op lyc_op_silu = {
    .name = "silu",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_same,
    .gradient = gradient,
    .gradient_inputs = 1,
    .in_place = 1,
    .is_activation = LYC_ACTIVATION_SILU,
};

const lyc_op lyc_op_silu_backward = {
    .name = "silu_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = infer_backward,
    .in_place = 3,
};
