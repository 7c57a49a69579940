/* slice.c - a part of one axis; never a copy where the part is contiguous
 *
 *     y[.., i, ..] = x[.., first + i, ..];   d_x = d_y with zeros around it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/slice.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"

static const lyc_attr_field attrs[] = {
    {"axis", LYC_ATTR_INT, offsetof(lyc_slice_attr, axis)},
    {"first", LYC_ATTR_INT, offsetof(lyc_slice_attr, first)},
    {"count", LYC_ATTR_INT, offsetof(lyc_slice_attr, count)},
    {0},
};

lyc_value *lyc_slice(lyc_graph *g, lyc_value *x, int axis, int64_t first, int64_t count)
{
    if (first < 0 || count < 1 || first > INT_MAX || count > INT_MAX) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "slice: %lld elements from %lld on", (long long)count, (long long)first);
    }
    const lyc_slice_attr attr = {axis, (int)first, (int)count};
    return lyc_graph_add(g, &lyc_op_slice, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_slice_attr *attr = n->attr;
    const lyc_axis_view x = lyc_axis_view_of(&n->inputs[0]->shape, attr->axis);
    d_in[0] = lyc_pad(g, d_out[0], attr->axis, attr->first, x.extent - attr->first - attr->count);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_slice_attr *attr = n->attr;
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_axis(n, 0, attr->axis, err));
    const int axis = lyc_axis_from_first(attr->axis, out[0].shape.rank);
    const int64_t extent = out[0].shape.dims[axis];
    if (attr->first < 0 || attr->count < 1 || (int64_t)attr->first + attr->count > extent) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "%d elements from %d on, but axis %d of x, which is %s, has %lld",
                        attr->count, attr->first, axis, lyc_shape_text(text, sizeof text, &out[0].shape),
                        (long long)extent);
    }
    out[0].shape.dims[axis] = attr->count;
    return LYC_OK;
}

static int64_t view(const lyc_node *n)
{
    const lyc_slice_attr *attr = n->attr;
    const lyc_axis_view x = lyc_axis_view_of(&n->inputs[0]->shape, attr->axis);
    return x.outer == 1 || x.extent == attr->count ? attr->first * x.inner : -1;
}

const lyc_op lyc_op_slice = {
    .name = "slice",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_slice_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
