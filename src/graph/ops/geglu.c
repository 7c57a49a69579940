/* geglu.c - GELU-gated linear unit (arXiv 2002.05202): y = value * gelu(gate)
 *
 * x [..,2c] holds value, then gate; the GELU is the exact one. Others put the gate first: swiglu here does.
 *
 *     d_value = d_y gelu(gate),  d_gate = d_y value gelu'(gate)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/gated.h"

lyc_value *lyc_geglu(lyc_graph *g, lyc_value *x)
{
    return lyc_graph_add(g, &lyc_op_geglu, 1, (lyc_value *[]){x}, NULL);
}

lyc_value *lyc_geglu_backward(lyc_graph *g, lyc_value *x, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_geglu_backward, 2, (lyc_value *[]){x, d_y}, NULL);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_geglu_backward(g, n->inputs[0], d_out[0]);
}

const lyc_op lyc_op_geglu = {
    .name = "geglu",
    .inputs = "x",
    .outputs = "y",
    .infer = lyc_infer_gated,
    .gradient = gradient,
    .gradient_inputs = 1,
};

/* In place: both elements of a pair are read before either is written. */
const lyc_op lyc_op_geglu_backward = {
    .name = "geglu_backward",
    .inputs = "x d_y",
    .outputs = "d_x",
    .infer = lyc_infer_gated_backward,
    .in_place = 1,
};
