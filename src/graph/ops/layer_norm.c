/* layer_norm.c - layer normalisation over the last axis (arXiv 1607.06450)
 *
 *     y = u weight + bias,  u = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)
 *
 * x [..,c]: mean and biased variance of each row of c. An absent weight is 1, an absent bias 0.
 *
 *     d_x = rstd (weight d_y - mean(weight d_y) - u mean(weight d_y u)),  means over the row
 *     d_weight = sum(d_y u),  d_bias = sum(d_y),                          sums over rows
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/layer_norm.h"

#include <math.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"eps", LYC_ATTR_FLOAT, offsetof(lyc_layer_norm_attr, eps), .fallback = 1e-5},
    {0},
};

lyc_value *lyc_layer_norm(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *bias, float eps)
{
    return lyc_graph_add(g, &lyc_op_layer_norm, 3, (lyc_value *[]){x, weight, bias},
                         &(lyc_layer_norm_attr){.eps = eps});
}

lyc_value *lyc_layer_norm_backward(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *mean, lyc_value *rstd,
                                   lyc_value *d_y)
{
    return lyc_graph_add(g, &lyc_op_layer_norm_backward, 5, (lyc_value *[]){x, weight, mean, rstd, d_y}, NULL);
}

/* The rows that are normalised: x without its last axis. */
static lyc_status check(lyc_shape *rows, int64_t *channels, const lyc_node *n, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    *rows = n->inputs[0]->shape;
    if (rows->rank < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "x is scalar, expected rank 1 at least ([..,c])");
    }
    *channels = rows->dims[--rows->rank];
    return lyc_infer_shape(n, 1, &LYC_SHAPE(*channels), err);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_layer_norm_attr *attr = n->attr;
    lyc_shape rows;
    int64_t channels;
    LYC_TRY(check(&rows, &channels, n, err));
    LYC_TRY(lyc_infer_shape(n, 2, &LYC_SHAPE(channels), err));
    if (!(attr->eps >= 0.0f) || isinf(attr->eps)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "eps is %g, expected a number from 0 on", (double)attr->eps);
    }
    out[0] = (lyc_value_info){lyc_infer_type(n), n->inputs[0]->shape};
    out[1] = out[2] = (lyc_value_info){LYC_FLOAT, rows};
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    lyc_shape rows;
    int64_t channels;
    LYC_TRY(check(&rows, &channels, n, err));
    LYC_TRY(lyc_infer_shape(n, 2, &rows, err));
    LYC_TRY(lyc_infer_shape(n, 3, &rows, err));
    LYC_TRY(lyc_infer_equal(n, 4, 0, err));
    out[0] = (lyc_value_info){lyc_infer_type(n), n->inputs[0]->shape};
    out[1] = out[2] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(channels)};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    if (!lyc_gradient_of_first(g, n, d_out)) {
        return;
    }
    lyc_value *d = lyc_layer_norm_backward(g, n->inputs[0], n->inputs[1], n->outputs[1], n->outputs[2], d_out[0]);
    for (int i = 0; i < 3; i++) {
        if (n->inputs[i] != NULL && n->inputs[i]->needs_grad) {
            d_in[i] = lyc_value_output(d, i);
        }
    }
}

static double flops(const lyc_node *n)
{
    return 6.0 * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

static double flops_backward(const lyc_node *n)
{
    return 12.0 * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_layer_norm = {
    .name = "layer_norm",
    .inputs = "x weight? bias?",
    .outputs = "y mean rstd",
    .attrs = attrs,
    .attr_size = sizeof(lyc_layer_norm_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .gradient_outputs = 1u << 1 | 1u << 2,
    .flops = flops,
};

const lyc_op lyc_op_layer_norm_backward = {
    .name = "layer_norm_backward",
    .inputs = "x weight? mean rstd d_y",
    .outputs = "d_x d_weight d_bias",
    .infer = infer_backward,
    .flops = flops_backward,
};
