/* reduce.c - what reductions over whole axes share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/reduce.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/elementwise.h"

const lyc_attr_field lyc_reduce_attrs[] = {
    {"axes", LYC_ATTR_INT, offsetof(lyc_reduce_attr, axes)},
    {"keep", LYC_ATTR_BOOL, offsetof(lyc_reduce_attr, keep)},
    {"wide", LYC_ATTR_BOOL, offsetof(lyc_reduce_attr, wide)},
    {0},
};

lyc_status lyc_infer_reduce(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_reduce_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    LYC_TRY(lyc_infer_same(n, out, err));
    if (attr->axes < 0 || attr->axes >> x->rank != 0) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "axes 0x%x, but x is %s: expected one bit for each axis",
                        (unsigned)attr->axes, lyc_shape_text(text, sizeof text, x));
    }
    out[0].type = attr->wide ? LYC_FLOAT : out[0].type;
    out[0].shape.rank = 0;
    for (int i = 0; i < x->rank; i++) {
        const bool reduced = (attr->axes >> i & 1) != 0;
        if (!reduced || attr->keep) {
            out[0].shape.dims[out[0].shape.rank++] = reduced ? 1 : x->dims[i];
        }
    }
    return LYC_OK;
}

int64_t lyc_reduce_count(const lyc_node *n)
{
    return lyc_shape_elements(&n->inputs[0]->shape) / lyc_shape_elements(&n->outputs[0]->shape);
}

lyc_value *lyc_reduce_gradient(lyc_graph *g, const lyc_node *n, lyc_value *d_y, float scale)
{
    const lyc_reduce_attr *attr = n->attr;
    const lyc_value *x = n->inputs[0];
    const lyc_value_type type = lyc_gradient_type(x);
    lyc_shape kept = x->shape;
    for (int i = 0; i < x->shape.rank; i++) {
        kept.dims[i] = (attr->axes >> i & 1) != 0 ? 1 : kept.dims[i];
    }
    lyc_value *d = scale == 1.0f ? d_y : lyc_affine(g, d_y, scale, 0.0f);
    d = d->type == type ? d : lyc_cast(g, d, type); /* while it is small */
    return lyc_broadcast(g, lyc_reshape(g, d, kept), x->shape);
}

double lyc_reduce_flops(const lyc_node *n)
{
    return (double)lyc_shape_elements(&n->inputs[0]->shape);
}
