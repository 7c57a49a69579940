/* cross_entropy.c - negative log-likelihood of labels under the softmax of the last axis
 *
 *     y[n] = log(sum over j of exp(x[n,j])) - x[n,label[n]];   d_x[n,j] = d_y[n] (softmax(x[n])[j] - [j = label[n]])
 *
 * x [n,classes], labels LYC_INDEX [n]; a label that is no class is an error of the run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

enum { X, LABELS, D_Y };

lyc_value *lyc_cross_entropy(lyc_graph *g, lyc_value *x, lyc_value *labels)
{
    return lyc_graph_add(g, &lyc_op_cross_entropy, 2, (lyc_value *[]){x, labels}, NULL);
}

lyc_value *lyc_cross_entropy_backward(lyc_graph *g, lyc_value *x, lyc_value *labels, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_cross_entropy_backward, 3, (lyc_value *[]){x, labels, d_y}, NULL);
}

static lyc_status check(const lyc_node *n, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 1u << LABELS, err));
    LYC_TRY(lyc_infer_rank(n, X, 2, err));
    return lyc_infer_shape(n, LABELS, &LYC_SHAPE(n->inputs[X]->shape.dims[0]), err);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(check(n, err));
    out[0] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(n->inputs[X]->shape.dims[0])};
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(check(n, err));
    const lyc_value *x = n->inputs[X];
    LYC_TRY(lyc_infer_shape(n, D_Y, &LYC_SHAPE(x->shape.dims[0]), err));
    out[0] = (lyc_value_info){x->type == LYC_ACTIVATION ? LYC_ACTIVATION : LYC_FLOAT, x->shape};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[X] = lyc_cross_entropy_backward(g, n->inputs[X], n->inputs[LABELS], d_out[0]);
}

/* The exponential counts as one operation. */
static double flops(const lyc_node *n)
{
    return 3.0 * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

static double flops_backward(const lyc_node *n)
{
    return 5.0 * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

static int64_t index_bound(const lyc_node *n, int input)
{
    (void)input; /* there is one with indices */
    return n->inputs[X]->shape.dims[1];
}

const lyc_op lyc_op_cross_entropy = {
    .name = "cross_entropy",
    .inputs = "x labels",
    .outputs = "y",
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .flops = flops,
    .index_bound = index_bound,
};

const lyc_op lyc_op_cross_entropy_backward = {
    .name = "cross_entropy_backward",
    .inputs = "x labels d_y",
    .outputs = "d_x",
    .infer = infer_backward,
    .flops = flops_backward,
    .index_bound = index_bound,
};
