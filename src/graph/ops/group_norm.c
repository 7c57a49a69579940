/* group_norm.c - group normalisation (arXiv 1803.08494), with the SiLU that follows it in U-Net and VAE
 *
 *     z = (x - mean) rstd weight + bias,  rstd = 1 / sqrt(var + eps),  y = z or silu(z)
 *
 * x [n,..,c]: mean and biased variance over all middle axes and the c/groups channels of a group. An absent weight is
 * 1, an absent bias 0. The mean and rstd of the forward pass are outputs, since the gradient needs them:
 *
 *     dz = d_y or d_y silu'(z);   u = (x - mean) rstd;   m = elements of a group
 *     d_x = rstd (weight dz - sum(weight dz) / m - u sum(weight dz u) / m),  sums over the group
 *     d_weight = sum(dz u),  d_bias = sum(dz),                               sums over all but the channel
 *
 * d_weight and d_bias are made also where weight and bias are absent or frozen; a plan leaves out what nobody reads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/group_norm.h"

#include <math.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

enum { X, WEIGHT, BIAS, MEAN, RSTD, D_Y };

static const lyc_attr_field attrs[] = {
    {"groups", LYC_ATTR_INT, offsetof(lyc_group_norm_attr, groups), .fallback = 32},
    {"eps", LYC_ATTR_FLOAT, offsetof(lyc_group_norm_attr, eps), .fallback = 1e-5},
    {"silu", LYC_ATTR_BOOL, offsetof(lyc_group_norm_attr, silu)},
    {0},
};

static const lyc_attr_field backward_attrs[] = {
    {"groups", LYC_ATTR_INT, offsetof(lyc_group_norm_backward_attr, groups), .fallback = 32},
    {"silu", LYC_ATTR_BOOL, offsetof(lyc_group_norm_backward_attr, silu)},
    {0},
};

lyc_value *lyc_group_norm(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *bias, int groups, float eps,
                          bool silu)
{
    return lyc_graph_add(g, &lyc_op_group_norm, 3, (lyc_value *[]){x, weight, bias},
                         &(lyc_group_norm_attr){.groups = groups, .eps = eps, .silu = silu});
}

lyc_value *lyc_group_norm_backward(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *bias, lyc_value *mean,
                                   lyc_value *rstd, lyc_value *d_y, int groups, bool silu)
{
    return lyc_graph_add(g, &lyc_op_group_norm_backward, 6, (lyc_value *[]){x, weight, bias, mean, rstd, d_y},
                         &(lyc_group_norm_backward_attr){.groups = groups, .silu = silu});
}

/* x, weight and bias of both directions; says how many channels there are. */
static lyc_status check(int64_t *channels, const lyc_node *n, int groups, lyc_error *err)
{
    const lyc_shape *x = &n->inputs[X]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    if (x->rank < 2) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, expected rank 2 at least ([n,..,c])",
                        lyc_shape_text(text, sizeof text, x));
    }
    *channels = x->dims[x->rank - 1];
    if (groups < 1 || *channels % groups != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "x has %lld channels, they cannot be divided into %d groups",
                        (long long)*channels, groups);
    }
    LYC_TRY(lyc_infer_shape(n, WEIGHT, &LYC_SHAPE(*channels), err));
    return lyc_infer_shape(n, BIAS, &LYC_SHAPE(*channels), err);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_group_norm_attr *attr = n->attr;
    int64_t channels;
    LYC_TRY(check(&channels, n, attr->groups, err));
    if (!(attr->eps >= 0.0f) || isinf(attr->eps)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "eps is %g, expected a number from 0 on", (double)attr->eps);
    }
    out[0] = (lyc_value_info){lyc_infer_type(n), n->inputs[X]->shape};
    out[1] = out[2] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(n->inputs[X]->shape.dims[0], attr->groups)};
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_group_norm_backward_attr *attr = n->attr;
    int64_t channels;
    LYC_TRY(check(&channels, n, attr->groups, err));
    const lyc_shape statistics = LYC_SHAPE(n->inputs[X]->shape.dims[0], attr->groups);
    LYC_TRY(lyc_infer_shape(n, MEAN, &statistics, err));
    LYC_TRY(lyc_infer_shape(n, RSTD, &statistics, err));
    LYC_TRY(lyc_infer_equal(n, D_Y, X, err));
    out[0] = (lyc_value_info){lyc_infer_type(n), n->inputs[X]->shape};
    out[1] = out[2] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(channels)};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_group_norm_attr *attr = n->attr;
    if (!lyc_gradient_of_first(g, n, d_out)) {
        return;
    }
    lyc_value *bias = attr->silu ? n->inputs[BIAS] : NULL; /* what z was matters to the SiLU alone */
    lyc_value *d = lyc_group_norm_backward(g, n->inputs[X], n->inputs[WEIGHT], bias, n->outputs[1], n->outputs[2],
                                           d_out[0], attr->groups, attr->silu);
    for (int i = 0; i < 3; i++) {
        if (n->inputs[i] != NULL && n->inputs[i]->needs_grad) {
            d_in[i] = lyc_value_output(d, i);
        }
    }
}

/* Sum, sum of squares, scale and shift; the sigmoid counts as four. */
static double flops(const lyc_node *n)
{
    const lyc_group_norm_attr *attr = n->attr;
    return (attr->silu ? 10.0 : 6.0) * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

static double flops_backward(const lyc_node *n)
{
    const lyc_group_norm_backward_attr *attr = n->attr;
    return (attr->silu ? 18.0 : 12.0) * (double)lyc_shape_elements(&n->inputs[X]->shape);
}

const lyc_op lyc_op_group_norm = {
    .name = "group_norm",
    .inputs = "x weight? bias?",
    .outputs = "y mean rstd",
    .attrs = attrs,
    .attr_size = sizeof(lyc_group_norm_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << X | 1u << WEIGHT | 1u << BIAS,
    .gradient_outputs = 1u << 1 | 1u << 2,
    .flops = flops,
};

const lyc_op lyc_op_group_norm_backward = {
    .name = "group_norm_backward",
    .inputs = "x weight? bias? mean rstd d_y",
    .outputs = "d_x d_weight d_bias",
    .attrs = backward_attrs,
    .attr_size = sizeof(lyc_group_norm_backward_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
