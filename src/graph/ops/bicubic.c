/* bicubic.c - an image resampled by cubic convolution (Keys 1981), separable: y = Wy x WxT
 *
 * The scale of an axis is s = (out + offset) / in, element i of the result lies at u = (i + 1/2) / s - 1/2, and
 *
 *     k(d) = (a+2)|d|^3 - (a+3)|d|^2 + 1  for |d| <= 1,   a|d|^3 - 5a|d|^2 + 8a|d| - 4a  for 1 < |d| < 2
 *
 * Without antialias the four elements around u count with k(j - u), and beyond the border the outermost element
 * repeats. With antialias k is stretched to k(s (j - u)) where s < 1, elements beyond the border do not count, and the
 * weights are divided by their sum. Both as in torch with align_corners false. The gradient is the exact transpose.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/bicubic.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"oh", LYC_ATTR_INT, offsetof(lyc_bicubic_attr, oh)},
    {"ow", LYC_ATTR_INT, offsetof(lyc_bicubic_attr, ow)},
    {"coefficient", LYC_ATTR_FLOAT, offsetof(lyc_bicubic_attr, coefficient), .fallback = -0.75},
    {"antialias", LYC_ATTR_BOOL, offsetof(lyc_bicubic_attr, antialias)},
    {"offset", LYC_ATTR_FLOAT, offsetof(lyc_bicubic_attr, offset)},
    {0},
};

static const lyc_attr_field backward_attrs[] = {
    {"h", LYC_ATTR_INT, offsetof(lyc_bicubic_backward_attr, h)},
    {"w", LYC_ATTR_INT, offsetof(lyc_bicubic_backward_attr, w)},
    {"coefficient", LYC_ATTR_FLOAT, offsetof(lyc_bicubic_backward_attr, coefficient), .fallback = -0.75},
    {"antialias", LYC_ATTR_BOOL, offsetof(lyc_bicubic_backward_attr, antialias)},
    {"offset", LYC_ATTR_FLOAT, offsetof(lyc_bicubic_backward_attr, offset)},
    {0},
};

lyc_value *lyc_bicubic(lyc_graph *g, lyc_value *x, const lyc_bicubic_attr *attr)
{
    return lyc_graph_add(g, &lyc_op_bicubic, 1, (lyc_value *[]){x}, attr);
}

lyc_value *lyc_bicubic_backward(lyc_graph *g, lyc_value *d_y, const lyc_bicubic_backward_attr *attr)
{
    return lyc_graph_add(g, &lyc_op_bicubic_backward, 1, (lyc_value *[]){d_y}, attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_bicubic_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    d_in[0] = lyc_bicubic_backward(g, d_out[0],
                                   &(lyc_bicubic_backward_attr){.h = (int)x->dims[1],
                                                                .w = (int)x->dims[2],
                                                                .coefficient = attr->coefficient,
                                                                .antialias = attr->antialias,
                                                                .offset = attr->offset});
}

/* The result has the size h x w; the kernels have room for the weights of a bounded factor. */
static lyc_status infer_size(const lyc_node *n, lyc_value_info *out, int h, int w, float offset, lyc_error *err)
{
    const int64_t to[2] = {h, w};
    char name[64];
    char text[LYC_SHAPE_TEXT];
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_rank(n, 0, 4, err));
    if (!(offset >= 0.0f && offset < 1.0f)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "offset is %g, expected 0 at least and less than 1", (double)offset);
    }
    for (int i = 0; i < 2; i++) {
        const int64_t from = out[0].shape.dims[1 + i];
        if (to[i] < 1 || from > to[i] * LYC_BICUBIC_MAX_FACTOR || to[i] > from * LYC_BICUBIC_MAX_FACTOR) {
            return lyc_fail(err, LYC_E_SHAPE, "%s is %s, it cannot become %dx%d: a factor of at most %d is possible",
                            lyc_op_input_name(name, sizeof name, n->op, 0),
                            lyc_shape_text(text, sizeof text, &n->inputs[0]->shape), h, w, LYC_BICUBIC_MAX_FACTOR);
        }
    }
    out[0].shape.dims[1] = h;
    out[0].shape.dims[2] = w;
    return LYC_OK;
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_bicubic_attr *attr = n->attr;
    return infer_size(n, out, attr->oh, attr->ow, attr->offset, err);
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_bicubic_backward_attr *attr = n->attr;
    return infer_size(n, out, attr->h, attr->w, attr->offset, err);
}

/* Sixteen neighbours of each element of the result; antialias asks for more. */
static double flops(const lyc_node *n)
{
    return 32.0 * (double)lyc_shape_elements(&n->outputs[0]->shape);
}

static double flops_backward(const lyc_node *n)
{
    return 32.0 * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_bicubic = {
    .name = "bicubic",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_bicubic_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = flops,
};

const lyc_op lyc_op_bicubic_backward = {
    .name = "bicubic_backward",
    .inputs = "d_y",
    .outputs = "d_x",
    .attrs = backward_attrs,
    .attr_size = sizeof(lyc_bicubic_backward_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
