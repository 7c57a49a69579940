/* concat.c - values one behind the other along an axis; the gradient of each is its part
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/concat.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/ops/axes.h"

static const lyc_attr_field attrs[] = {
    {"axis", LYC_ATTR_INT, offsetof(lyc_concat_attr, axis)},
    {0},
};

lyc_value *lyc_concat(lyc_graph *g, int count, lyc_value *const *x, int axis)
{
    return lyc_graph_add(g, &lyc_op_concat, count, x, &(lyc_concat_attr){axis});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_concat_attr *attr = n->attr;
    int64_t first = 0;
    for (int i = 0; i < n->n_inputs; i++) {
        const int64_t extent = lyc_axis_view_of(&n->inputs[i]->shape, attr->axis).extent;
        if (n->inputs[i]->needs_grad) {
            d_in[i] = lyc_slice(g, d_out[0], attr->axis, first, extent);
        }
        first += extent;
    }
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_concat_attr *attr = n->attr;
    lyc_shape *y = &out[0].shape;
    LYC_TRY(lyc_infer_same(n, out, err));
    LYC_TRY(lyc_infer_axis(n, 0, attr->axis, err));
    const int axis = lyc_axis_from_first(attr->axis, y->rank);
    for (int i = 1; i < n->n_inputs; i++) {
        lyc_shape expected = n->inputs[0]->shape;
        const lyc_shape *found = &n->inputs[i]->shape;
        if (found->rank == expected.rank) {
            expected.dims[axis] = found->dims[axis];
        }
        if (!lyc_shape_equal(found, &expected)) {
            char a[LYC_SHAPE_TEXT];
            char b[LYC_SHAPE_TEXT];
            return lyc_fail(err, LYC_E_SHAPE, "x%d is %s, x0 is %s: expected a difference on axis %d alone", i,
                            lyc_shape_text(a, sizeof a, found), lyc_shape_text(b, sizeof b, &n->inputs[0]->shape),
                            axis);
        }
        y->dims[axis] += found->dims[axis];
    }
    return LYC_OK;
}

static int64_t view(const lyc_node *n)
{
    return n->n_inputs == 1 ? 0 : -1;
}

const lyc_op lyc_op_concat = {
    .name = "concat",
    .inputs = "x*",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_concat_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
