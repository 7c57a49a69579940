/* sample_loss.c - one loss for each sample: the mean of element losses over all axes but the first
 *
 *     y[n] = 1/m sum over the sample's m elements of mask loss(x - target, c[n])
 *
 * The losses of the diffusion objective: see lyc_loss_kind. huber and smooth_l1 are the pseudo-Huber forms that
 * trainers of diffusion models use, not the textbook's; that one is smooth_l1_beta. Where a mask is zero the element
 * still counts in m: masking does not renormalise. d_x = d_y[n] mask loss'(x - target, c[n]) / m, d_target = -d_x; at a
 * kink (l1 at 0) the derivative is 0. mask and c are data and have no gradient.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/sample_loss.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

enum { X, TARGET, MASK, C, D_Y };

const char *const lyc_loss_names[] = {"l2", "l1", "huber", "smooth_l1", "smooth_l1_beta", NULL};

static const lyc_attr_field attrs[] = {
    {"kind", LYC_ATTR_ENUM, offsetof(lyc_sample_loss_attr, kind), .names = lyc_loss_names},
    {0},
};

lyc_value *lyc_sample_loss(lyc_graph *g, lyc_value *x, lyc_value *target, lyc_value *mask, lyc_value *c, int kind)
{
    return lyc_graph_add(g, &lyc_op_sample_loss, 4, (lyc_value *[]){x, target, mask, c},
                         &(lyc_sample_loss_attr){.kind = kind});
}

lyc_value *lyc_sample_loss_backward(lyc_graph *g, lyc_value *x, lyc_value *target, lyc_value *mask, lyc_value *c,
                                    lyc_value *d_y, int kind)
{
    return lyc_graph_add(g, &lyc_op_sample_loss_backward, 5, (lyc_value *[]){x, target, mask, c, d_y},
                         &(lyc_sample_loss_attr){.kind = kind});
}

/* Whether extents of s, aligned at the last axis, are those of x or 1. */
static bool broadcasts(const lyc_shape *s, const lyc_shape *x)
{
    if (s->rank > x->rank) {
        return false;
    }
    for (int i = 1; i <= s->rank; i++) {
        const int64_t extent = s->dims[s->rank - i];
        if (extent != 1 && extent != x->dims[x->rank - i]) {
            return false;
        }
    }
    return true;
}

static lyc_status check(const lyc_node *n, lyc_error *err)
{
    const lyc_sample_loss_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[X]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    if (attr->kind < 0 || attr->kind >= LYC_LOSS_COUNT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "unknown kind of loss %d", attr->kind);
    }
    if (x->rank < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "x is scalar, expected rank 1 at least ([n,..])");
    }
    LYC_TRY(lyc_infer_equal(n, TARGET, X, err));
    if (n->inputs[MASK] != NULL && !broadcasts(&n->inputs[MASK]->shape, x)) {
        char mask_text[LYC_SHAPE_TEXT];
        char x_text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "mask is %s, it cannot be broadcast to %s",
                        lyc_shape_text(mask_text, sizeof mask_text, &n->inputs[MASK]->shape),
                        lyc_shape_text(x_text, sizeof x_text, x));
    }
    const bool has_parameter = attr->kind != LYC_LOSS_L2 && attr->kind != LYC_LOSS_L1;
    if (has_parameter != (n->inputs[C] != NULL)) {
        return lyc_fail(err, LYC_E_ARGUMENT, has_parameter ? "c is missing for %s" : "c has no meaning for %s",
                        lyc_loss_names[attr->kind]);
    }
    return lyc_infer_shape(n, C, &LYC_SHAPE(x->dims[0]), err);
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
    const lyc_sample_loss_attr *attr = n->attr;
    lyc_value *d_x = lyc_sample_loss_backward(g, n->inputs[X], n->inputs[TARGET], n->inputs[MASK], n->inputs[C],
                                              d_out[0], attr->kind);
    d_in[X] = d_x;
    if (n->inputs[TARGET]->needs_grad) {
        d_in[TARGET] = lyc_affine(g, d_x, -1.0f, 0.0f);
    }
}

static double flops(const lyc_node *n)
{
    return 4.0 * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

static double flops_backward(const lyc_node *n)
{
    return 4.0 * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

const lyc_op lyc_op_sample_loss = {
    .name = "sample_loss",
    .inputs = "x target mask? c?",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_sample_loss_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << X | 1u << TARGET | 1u << MASK | 1u << C,
    .data_inputs = 1u << MASK | 1u << C,
    .flops = flops,
};

const lyc_op lyc_op_sample_loss_backward = {
    .name = "sample_loss_backward",
    .inputs = "x target mask? c? d_y",
    .outputs = "d_x",
    .attrs = attrs,
    .attr_size = sizeof(lyc_sample_loss_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
