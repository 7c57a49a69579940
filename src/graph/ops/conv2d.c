/* conv2d.c - 2-D convolution (cross-correlation, as everywhere in this field), and its gradients
 *
 *     y[n,oy,ox,o] = activation(sum over u,v,i of x[n, oy s0 + u d0 - top, ox s1 + v d1 - left, g I + i] w[o,i,u,v]
 *                               + bias[o]) + residual[n,oy,ox,o]
 *
 * x [n,h,w,c], w [oc,c/groups,kh,kw] as in files, I = c/groups, g = o / (oc/groups); x is 0 outside. Rows and columns
 * that the last stride does not reach are left out: oh = (h + top + bottom - d0 (kh - 1) - 1) / s0 + 1. The gradient is
 * built before activations and residuals are fused in, so an activation here has none.
 *
 * The two gradients are the adjoints of the sum: d_x gathers d_y through w, d_w correlates x with d_y.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/conv2d.h"

#include <limits.h>
#include <stddef.h>

#include "base/size.h"
#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"stride", LYC_ATTR_INT, offsetof(lyc_conv2d_attr, stride), .count = 2, .fallback = 1},
    {"pad", LYC_ATTR_INT, offsetof(lyc_conv2d_attr, pad), .count = 4},
    {"dilation", LYC_ATTR_INT, offsetof(lyc_conv2d_attr, dilation), .count = 2, .fallback = 1},
    {"groups", LYC_ATTR_INT, offsetof(lyc_conv2d_attr, groups), .fallback = 1},
    {"activation", LYC_ATTR_ENUM, offsetof(lyc_conv2d_attr, activation), .names = lyc_activation_names},
    {0},
};

static const lyc_attr_field backward_data_attrs[] = {
    {"size", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_data_attr, size), .count = 2, .fallback = 1},
    {"stride", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_data_attr, conv.stride), .count = 2, .fallback = 1},
    {"pad", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_data_attr, conv.pad), .count = 4},
    {"dilation", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_data_attr, conv.dilation), .count = 2, .fallback = 1},
    {"groups", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_data_attr, conv.groups), .fallback = 1},
    {0},
};

static const lyc_attr_field backward_weights_attrs[] = {
    {"kernel", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_weights_attr, kernel), .count = 2, .fallback = 1},
    {"stride", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_weights_attr, conv.stride), .count = 2, .fallback = 1},
    {"pad", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_weights_attr, conv.pad), .count = 4},
    {"dilation", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_weights_attr, conv.dilation), .count = 2, .fallback = 1},
    {"groups", LYC_ATTR_INT, offsetof(lyc_conv2d_backward_weights_attr, conv.groups), .fallback = 1},
    {0},
};

lyc_value *lyc_conv2d(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *bias, lyc_value *residual,
                      const lyc_conv2d_attr *attr)
{
    const lyc_conv2d_attr plain = lyc_conv2d_plain(1, 0);
    return lyc_graph_add(g, &lyc_op_conv2d, 4, (lyc_value *[]){x, weight, bias, residual},
                         attr != NULL ? attr : &plain);
}

lyc_value *lyc_conv2d_backward_data(lyc_graph *g, lyc_value *weight, lyc_value *d_y, lyc_value *residual,
                                    const lyc_conv2d_backward_data_attr *attr)
{
    return lyc_graph_add(g, &lyc_op_conv2d_backward_data, 3, (lyc_value *[]){weight, d_y, residual}, attr);
}

lyc_value *lyc_conv2d_backward_weights(lyc_graph *g, lyc_value *x, lyc_value *d_y,
                                       const lyc_conv2d_backward_weights_attr *attr)
{
    return lyc_graph_add(g, &lyc_op_conv2d_backward_weights, 2, (lyc_value *[]){x, d_y}, attr);
}

static lyc_status check_attr(const lyc_conv2d_attr *conv, lyc_error *err)
{
    if (conv->stride[0] < 1 || conv->stride[1] < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "stride is %dx%d, expected 1 at least", conv->stride[0], conv->stride[1]);
    }
    if (conv->dilation[0] < 1 || conv->dilation[1] < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "dilation is %dx%d, expected 1 at least", conv->dilation[0],
                        conv->dilation[1]);
    }
    for (int i = 0; i < 4; i++) {
        if (conv->pad[i] < 0) {
            return lyc_fail(err, LYC_E_ARGUMENT, "pad is %dx%dx%dx%d, expected 0 at least", conv->pad[0], conv->pad[1],
                            conv->pad[2], conv->pad[3]);
        }
    }
    if (conv->groups < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d groups, expected 1 at least", conv->groups);
    }
    return LYC_OK;
}

/* The extent of y along one axis (0: vertical). */
static lyc_status output_extent(int64_t *out, int axis, int64_t size, int64_t kernel, const lyc_conv2d_attr *conv,
                                lyc_error *err)
{
    const char *which = axis == 0 ? "height" : "width";
    int64_t padded;
    int64_t span;
    if (!lyc_int64_add(&padded, size, (int64_t)conv->pad[axis] + conv->pad[axis + 2]) ||
        !lyc_int64_mul(&span, kernel - 1, conv->dilation[axis]) || !lyc_int64_add(&span, span, 1)) {
        return lyc_fail(err, LYC_E_SHAPE, "the %s of the padded image or of the kernel is too large", which);
    }
    if (span > padded) {
        return lyc_fail(err, LYC_E_SHAPE, "kernel of %s %lld (dilation %d) on an image of %s %lld (%lld with padding)",
                        which, (long long)kernel, conv->dilation[axis], which, (long long)size, (long long)padded);
    }
    *out = (padded - span) / conv->stride[axis] + 1;
    return LYC_OK;
}

/* The shape of y for x [n,h,w,c] and a weight of [oc,c/groups,kh,kw]. */
static lyc_status output_shape(lyc_shape *y, const lyc_shape *x, const lyc_shape *weight, const lyc_conv2d_attr *conv,
                               lyc_error *err)
{
    const int64_t c = x->dims[3];
    const int64_t oc = weight->dims[0];
    LYC_TRY(check_attr(conv, err));
    if (c % conv->groups != 0 || oc % conv->groups != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%lld channels in and %lld out cannot be divided into %d groups",
                        (long long)c, (long long)oc, conv->groups);
    }
    if (weight->dims[1] != c / conv->groups) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "weight is %s, expected %lld channels in (%lld of x in %d groups)",
                        lyc_shape_text(text, sizeof text, weight), (long long)(c / conv->groups), (long long)c,
                        conv->groups);
    }
    *y = (lyc_shape){.rank = 4, .dims = {x->dims[0], 0, 0, oc}};
    LYC_TRY(output_extent(&y->dims[1], 0, x->dims[1], weight->dims[2], conv, err));
    return output_extent(&y->dims[2], 1, x->dims[2], weight->dims[3], conv, err);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    LYC_TRY(lyc_infer_rank(n, 1, 4, err));
    LYC_TRY(output_shape(&out[0].shape, &n->inputs[0]->shape, &n->inputs[1]->shape, n->attr, err));
    LYC_TRY(lyc_infer_shape(n, 2, &LYC_SHAPE(out[0].shape.dims[3]), err));
    LYC_TRY(lyc_infer_shape(n, 3, &out[0].shape, err));
    out[0].type = lyc_infer_type(n);
    return LYC_OK;
}

static lyc_status infer_backward_data(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_conv2d_backward_data_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    LYC_TRY(lyc_infer_rank(n, 1, 4, err));
    LYC_TRY(check_attr(&attr->conv, err));
    if (attr->size[0] < 1 || attr->size[1] < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "size is %dx%d, expected 1 at least", attr->size[0], attr->size[1]);
    }
    const lyc_shape *weight = &n->inputs[0]->shape;
    lyc_shape x = {.rank = 4, .dims = {n->inputs[1]->shape.dims[0], attr->size[0], attr->size[1]}};
    lyc_shape d_y;
    if (!lyc_int64_mul(&x.dims[3], weight->dims[1], attr->conv.groups)) {
        return lyc_fail(err, LYC_E_SHAPE, "too many channels in %d groups", attr->conv.groups);
    }
    LYC_TRY(output_shape(&d_y, &x, weight, &attr->conv, err));
    LYC_TRY(lyc_infer_shape(n, 1, &d_y, err));
    LYC_TRY(lyc_infer_shape(n, 2, &x, err));
    out[0] = (lyc_value_info){lyc_infer_type(n), x};
    return LYC_OK;
}

static lyc_status infer_backward_weights(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_conv2d_backward_weights_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    LYC_TRY(lyc_infer_rank(n, 1, 4, err));
    LYC_TRY(check_attr(&attr->conv, err));
    if (attr->kernel[0] < 1 || attr->kernel[1] < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "kernel is %dx%d, expected 1 at least", attr->kernel[0], attr->kernel[1]);
    }
    const lyc_shape *x = &n->inputs[0]->shape;
    const lyc_shape weight =
        LYC_SHAPE(n->inputs[1]->shape.dims[3], x->dims[3] / attr->conv.groups, attr->kernel[0], attr->kernel[1]);
    lyc_shape d_y;
    LYC_TRY(output_shape(&d_y, x, &weight, &attr->conv, err));
    LYC_TRY(lyc_infer_shape(n, 1, &d_y, err));
    out[0] = (lyc_value_info){LYC_FLOAT, weight};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_conv2d_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    const lyc_shape *weight = &n->inputs[1]->shape;
    lyc_value *d_y = d_out[0];
    if (attr->activation != LYC_ACTIVATION_NONE) {
        lyc_graph_fail(g, LYC_E_UNSUPPORTED, "conv2d: no gradient through a fused activation; use its own operation");
        return;
    }
    if (x->dims[1] > INT_MAX || x->dims[2] > INT_MAX || weight->dims[2] > INT_MAX || weight->dims[3] > INT_MAX) {
        lyc_graph_fail(g, LYC_E_UNSUPPORTED, "conv2d: no gradient for images or kernels of more than %d rows", INT_MAX);
        return;
    }
    if (n->inputs[0]->needs_grad) {
        const lyc_conv2d_backward_data_attr data = {*attr, {(int)x->dims[1], (int)x->dims[2]}};
        d_in[0] = lyc_conv2d_backward_data(g, n->inputs[1], d_y, NULL, &data);
    }
    if (n->inputs[1]->needs_grad) {
        const lyc_conv2d_backward_weights_attr weights = {*attr, {(int)weight->dims[2], (int)weight->dims[3]}};
        d_in[1] = lyc_conv2d_backward_weights(g, n->inputs[0], d_y, &weights);
    }
    if (n->inputs[2] != NULL && n->inputs[2]->needs_grad) {
        d_in[2] = lyc_reduce_to(g, d_y, n->inputs[2]->shape, LYC_FLOAT);
    }
    if (n->inputs[3] != NULL && n->inputs[3]->needs_grad) {
        d_in[3] = d_y;
    }
}

/* All three do one multiplication and addition for each pair of an element of y and a weight it meets. */
static double product_flops(const lyc_shape *y, const lyc_shape *weight)
{
    return 2.0 * (double)lyc_shape_elements(y) * (double)lyc_shape_product(weight, 1, 4);
}

static double flops(const lyc_node *n)
{
    return product_flops(&n->outputs[0]->shape, &n->inputs[1]->shape);
}

static double flops_backward_data(const lyc_node *n)
{
    return product_flops(&n->inputs[1]->shape, &n->inputs[0]->shape);
}

static double flops_backward_weights(const lyc_node *n)
{
    return product_flops(&n->inputs[1]->shape, &n->outputs[0]->shape);
}

const lyc_op lyc_op_conv2d = {
    .name = "conv2d",
    .inputs = "x weight bias? residual?",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_conv2d_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .flops = flops,
    .in_place = 1u << 3,
    .residual = 3,
    .activation = offsetof(lyc_conv2d_attr, activation) + 1,
};

const lyc_op lyc_op_conv2d_backward_data = {
    .name = "conv2d_backward_data",
    .inputs = "weight d_y residual?",
    .outputs = "d_x",
    .attrs = backward_data_attrs,
    .attr_size = sizeof(lyc_conv2d_backward_data_attr),
    .infer = infer_backward_data,
    .flops = flops_backward_data,
    .in_place = 1u << 2,
    .residual = 2,
};

const lyc_op lyc_op_conv2d_backward_weights = {
    .name = "conv2d_backward_weights",
    .inputs = "x d_y",
    .outputs = "d_weight",
    .attrs = backward_weights_attrs,
    .attr_size = sizeof(lyc_conv2d_backward_weights_attr),
    .infer = infer_backward_weights,
    .flops = flops_backward_weights,
};
