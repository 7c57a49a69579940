/* mix.c - a product across the middle axis, the second half of a Kronecker product
 *
 *     y[n,a,s] = sum over b of c[a,b] h[n,b,s];   d_h = the same with cT;   d_c[a,b] = sum over n, s of d_y[n,a,s]
 * h[n,b,s]
 *
 * h [n,b,s], c [a,b], or [b,a] with trans.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/mix.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"trans", LYC_ATTR_BOOL, offsetof(lyc_mix_attr, trans)},
    {0},
};

lyc_value *lyc_mix(lyc_graph *g, lyc_value *h, lyc_value *c, bool trans)
{
    return lyc_graph_add(g, &lyc_op_mix, 2, (lyc_value *[]){h, c}, &(lyc_mix_attr){.trans = trans});
}

lyc_value *lyc_mix_backward_weights(lyc_graph *g, lyc_value *h, lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_mix_backward_weights, 2, (lyc_value *[]){h, d_y}, NULL);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_mix_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 3, err));
    LYC_TRY(lyc_infer_rank(n, 1, 2, err));
    const lyc_shape *h = &n->inputs[0]->shape;
    const lyc_shape *c = &n->inputs[1]->shape;
    if (c->dims[attr->trans ? 0 : 1] != h->dims[1]) {
        char h_text[LYC_SHAPE_TEXT];
        char c_text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "c is %s%s, expected %lld columns for the middle axis of h, which is %s",
                        lyc_shape_text(c_text, sizeof c_text, c), attr->trans ? " transposed" : "",
                        (long long)h->dims[1], lyc_shape_text(h_text, sizeof h_text, h));
    }
    out[0] = (lyc_value_info){lyc_infer_type(n), LYC_SHAPE(h->dims[0], c->dims[attr->trans ? 1 : 0], h->dims[2])};
    return LYC_OK;
}

static lyc_status infer_backward_weights(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 3, err));
    LYC_TRY(lyc_infer_rank(n, 1, 3, err));
    const lyc_shape *h = &n->inputs[0]->shape;
    const lyc_shape *d_y = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_shape(n, 1, &LYC_SHAPE(h->dims[0], d_y->dims[1], h->dims[2]), err));
    out[0] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(d_y->dims[1], h->dims[1])};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_mix_attr *attr = n->attr;
    lyc_value *h = n->inputs[0];
    lyc_value *d_y = d_out[0];
    if (h->needs_grad) {
        d_in[0] = lyc_mix(g, d_y, n->inputs[1], !attr->trans);
    }
    if (n->inputs[1]->needs_grad) {
        d_in[1] = attr->trans ? lyc_mix_backward_weights(g, d_y, h) : lyc_mix_backward_weights(g, h, d_y);
    }
}

static double flops(const lyc_node *n)
{
    return 2.0 * (double)n->inputs[0]->shape.dims[1] * (double)lyc_shape_elements(&n->outputs[0]->shape);
}

static double flops_backward_weights(const lyc_node *n)
{
    return 2.0 * (double)n->inputs[1]->shape.dims[1] * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_mix = {
    .name = "mix",
    .inputs = "h c",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_mix_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .flops = flops,
};

const lyc_op lyc_op_mix_backward_weights = {
    .name = "mix_backward_weights",
    .inputs = "h d_y",
    .outputs = "d_c",
    .infer = infer_backward_weights,
    .flops = flops_backward_weights,
};
