/* pad.c - zeros around a value on one axis
 *
 *     y[.., before + i, ..] = x[.., i, ..], elsewhere 0;   d_x = the part of d_y where x lies
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/pad.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"

static const lyc_attr_field attrs[] = {
    {"axis", LYC_ATTR_INT, offsetof(lyc_pad_attr, axis)},
    {"before", LYC_ATTR_INT, offsetof(lyc_pad_attr, before)},
    {"after", LYC_ATTR_INT, offsetof(lyc_pad_attr, after)},
    {0},
};

lyc_value *lyc_pad(lyc_graph *g, lyc_value *x, int axis, int64_t before, int64_t after)
{
    if (before < 0 || after < 0 || before > INT_MAX || after > INT_MAX) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "pad: %lld zeros before and %lld after", (long long)before,
                              (long long)after);
    }
    const lyc_pad_attr attr = {axis, (int)before, (int)after};
    return lyc_graph_add(g, &lyc_op_pad, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_pad_attr *attr = n->attr;
    const lyc_axis_view x = lyc_axis_view_of(&n->inputs[0]->shape, attr->axis);
    d_in[0] = lyc_slice(g, d_out[0], attr->axis, attr->before, x.extent);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_pad_attr *attr = n->attr;
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_axis(n, 0, attr->axis, err));
    if (attr->before < 0 || attr->after < 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%d zeros before and %d after, expected 0 at least", attr->before,
                        attr->after);
    }
    out[0].shape.dims[lyc_axis_from_first(attr->axis, out[0].shape.rank)] += (int64_t)attr->before + attr->after;
    return LYC_OK;
}

static int64_t view(const lyc_node *n)
{
    const lyc_pad_attr *attr = n->attr;
    return attr->before == 0 && attr->after == 0 ? 0 : -1;
}

const lyc_op lyc_op_pad = {
    .name = "pad",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_pad_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
