/* reshape.c - the same elements in order under another shape; never a copy
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/reshape.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"dims", LYC_ATTR_INT, offsetof(lyc_reshape_attr, dims), .count = 8},
    {0},
};

lyc_value *lyc_reshape(lyc_graph *g, lyc_value *x, lyc_shape shape)
{
    lyc_reshape_attr attr = {0};
    for (int i = 0; i < shape.rank; i++) {
        attr.dims[i] = (int)shape.dims[i];
        if (attr.dims[i] != shape.dims[i] || shape.dims[i] == 0) {
            return lyc_graph_fail(g, LYC_E_SHAPE, "reshape: extent %lld", (long long)shape.dims[i]);
        }
    }
    return lyc_graph_add(g, &lyc_op_reshape, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_reshape(g, d_out[0], n->inputs[0]->shape);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_reshape_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    const int64_t elements = lyc_shape_elements(x);
    lyc_shape *y = &out[0].shape;
    char from[LYC_SHAPE_TEXT];
    char to[LYC_SHAPE_TEXT];
    int64_t known = 1;
    int open = -1;
    for (y->rank = 0; y->rank < LYC_MAX_RANK && attr->dims[y->rank] != 0; y->rank++) {
        y->dims[y->rank] = attr->dims[y->rank];
        if (attr->dims[y->rank] < 0) {
            open = open == -1 ? y->rank : -2;
        } else if (known <= elements) { /* beyond that it cannot fit, and the product could overflow */
            known *= attr->dims[y->rank];
        }
    }
    if (open >= 0 && known > 0 && elements % known == 0) {
        y->dims[open] = elements / known;
        known = elements;
    }
    if (open == -2 || known != elements) {
        return lyc_fail(err, LYC_E_SHAPE, "%s has %lld elements, they cannot be %s",
                        lyc_shape_text(from, sizeof from, x), (long long)elements, lyc_shape_text(to, sizeof to, y));
    }
    out[0].type = n->inputs[0]->type == LYC_STORED ? LYC_FLOAT : n->inputs[0]->type;
    return LYC_OK;
}

static int64_t view(const lyc_node *n)
{
    (void)n;
    return 0;
}

const lyc_op lyc_op_reshape = {
    .name = "reshape",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_reshape_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
