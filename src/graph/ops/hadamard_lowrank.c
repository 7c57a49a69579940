/* hadamard_lowrank.c - the elementwise product of two low-rank products: the change of a LoHa layer
 *
 *     y = alpha P1 * P2,  P1 = b1 a1,  P2 = b2 a2          FedPara (arXiv 2108.06098), proposition 1
 *
 * b1, b2 [p,r], a1, a2 [r,q]. P1 and P2 are made anew for the gradient, so that only the four factors are kept:
 *
 *     E1 = alpha d_y * P2:  d_b1 = E1 a1T,  d_a1 = b1T E1
 *     E2 = alpha d_y * P1:  d_b2 = E2 a2T,  d_a2 = b2T E2
 *
 * The two products may have different ranks; files never do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/hadamard_lowrank.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

enum { B1, A1, B2, A2, D_Y };

static const lyc_attr_field attrs[] = {
    {"alpha", LYC_ATTR_FLOAT, offsetof(lyc_hadamard_lowrank_attr, alpha), .fallback = 1},
    {0},
};

lyc_value *lyc_hadamard_lowrank(lyc_graph *g, lyc_value *b1, lyc_value *a1, lyc_value *b2, lyc_value *a2, float alpha)
{
    return lyc_graph_add(g, &lyc_op_hadamard_lowrank, 4, (lyc_value *[]){b1, a1, b2, a2},
                         &(lyc_hadamard_lowrank_attr){.alpha = alpha});
}

lyc_value *lyc_hadamard_lowrank_backward(lyc_graph *g, lyc_value *b1, lyc_value *a1, lyc_value *b2, lyc_value *a2,
                                         lyc_value *d_y, float alpha)
{
    return lyc_graph_add(g, &lyc_op_hadamard_lowrank_backward, 5, (lyc_value *[]){b1, a1, b2, a2, d_y},
                         &(lyc_hadamard_lowrank_attr){.alpha = alpha});
}

/* The shape [p,q] of the result. */
static lyc_status check(lyc_shape *y, const lyc_node *n, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    for (int i = B1; i <= A2; i++) {
        LYC_TRY(lyc_infer_rank(n, i, 2, err));
    }
    const int64_t *b1 = n->inputs[B1]->shape.dims;
    const int64_t *b2 = n->inputs[B2]->shape.dims;
    const int64_t q = n->inputs[A1]->shape.dims[1];
    LYC_TRY(lyc_infer_shape(n, A1, &LYC_SHAPE(b1[1], q), err));
    LYC_TRY(lyc_infer_shape(n, B2, &LYC_SHAPE(b1[0], b2[1]), err));
    LYC_TRY(lyc_infer_shape(n, A2, &LYC_SHAPE(b2[1], q), err));
    *y = LYC_SHAPE(b1[0], q);
    return LYC_OK;
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    out[0].type = lyc_infer_type(n);
    return check(&out[0].shape, n, err);
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    lyc_shape y;
    LYC_TRY(check(&y, n, err));
    LYC_TRY(lyc_infer_shape(n, D_Y, &y, err));
    for (int i = B1; i <= A2; i++) {
        out[i] = (lyc_value_info){LYC_FLOAT, n->inputs[i]->shape};
    }
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_hadamard_lowrank_attr *attr = n->attr;
    lyc_value *d = lyc_hadamard_lowrank_backward(g, n->inputs[B1], n->inputs[A1], n->inputs[B2], n->inputs[A2],
                                                 d_out[0], attr->alpha);
    for (int i = B1; i <= A2; i++) {
        if (n->inputs[i]->needs_grad) {
            d_in[i] = lyc_value_output(d, i);
        }
    }
}

/* The two products together: multiplications and additions for each element of y. */
static double products(const lyc_node *n)
{
    const lyc_shape *b1 = &n->inputs[B1]->shape;
    const lyc_shape *b2 = &n->inputs[B2]->shape;
    return 2.0 * (double)(b1->dims[1] + b2->dims[1]) * (double)b1->dims[0] * (double)n->inputs[A1]->shape.dims[1];
}

static double flops(const lyc_node *n)
{
    return products(n) + 2.0 * (double)lyc_shape_elements(&n->outputs[0]->shape);
}

/* Three products of the same size for each of the two, and the elementwise ones. */
static double flops_backward(const lyc_node *n)
{
    return 3.0 * products(n) + 4.0 * (double)lyc_shape_elements(&n->inputs[D_Y]->shape);
}

const lyc_op lyc_op_hadamard_lowrank = {
    .name = "hadamard_lowrank",
    .inputs = "b1 a1 b2 a2",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_hadamard_lowrank_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 15,
    .flops = flops,
};

const lyc_op lyc_op_hadamard_lowrank_backward = {
    .name = "hadamard_lowrank_backward",
    .inputs = "b1 a1 b2 a2 d_y",
    .outputs = "d_b1 d_a1 d_b2 d_a2",
    .attrs = attrs,
    .attr_size = sizeof(lyc_hadamard_lowrank_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
