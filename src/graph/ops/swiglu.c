/* swiglu.c - SiLU-gated linear unit (arXiv 2002.05202): y = silu(gate) * value
 *
 * x [..,2c] holds gate, then value (DINOv2: [x1 x2] = w12 x, y = silu(x1) x2): the other way round than geglu.
 *
 *     d_gate = d_y value silu'(gate),  d_value = d_y silu(gate)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/gated.h"

lyc_value *lyc_swiglu(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_swiglu, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_swiglu_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_swiglu_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_swiglu_backward(g, n->inputs[0], d_out[0]);
}

const lyc_op lyc_op_swiglu = {
    .name = "swiglu",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_gated,
    .gradient = gradient,
    .gradient_inputs = 1,
};

/* In place: both elements of a pair are read before either is written. */
const lyc_op lyc_op_swiglu_backward = {
    .name = "swiglu_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = lyc_infer_gated_backward,
    .in_place = 1,
};
