/* transpose.c - axes in a new order
 *
 *     y[i_a0, i_a1, ..] = x[i_0, i_1, ..];   the gradient goes back by the inverse order
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/transpose.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"axes", LYC_ATTR_INT, offsetof(lyc_transpose_attr, axes), .count = 8, .fallback = -1},
    {0},
};

lyc_value *lyc_transpose(lyc_graph *g, lyc_value *x, int rank, const int *axes)
{
    lyc_transpose_attr attr;
    if (rank < 0 || rank > LYC_MAX_RANK) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "transpose: an order of %d axes, at most %d are possible", rank,
                              LYC_MAX_RANK);
    }
    for (int k = 0; k < LYC_MAX_RANK; k++) {
        attr.axes[k] = k < rank ? axes[k] : -1;
    }
    return lyc_graph_add(g, &lyc_op_transpose, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_transpose_attr *attr = n->attr;
    const int rank = n->inputs[0]->shape.rank;
    int inverse[LYC_MAX_RANK];
    for (int k = 0; k < rank; k++) {
        inverse[attr->axes[k]] = k;
    }
    d_in[0] = lyc_transpose(g, d_out[0], rank, inverse);
}

static lyc_status no_order(const lyc_node *n, lyc_error *err)
{
    const lyc_transpose_attr *attr = n->attr;
    char shape[LYC_SHAPE_TEXT];
    char axes[128] = "";
    for (int k = 0; k < LYC_MAX_RANK && attr->axes[k] != -1; k++) {
        size_t length = strlen(axes);
        snprintf(axes + length, sizeof axes - length, "%s%d", k > 0 ? "x" : "", attr->axes[k]);
    }
    return lyc_fail(err, LYC_E_SHAPE, "axes %s, expected each axis of x, which is %s, once", axes,
                    lyc_shape_text(shape, sizeof shape, &n->inputs[0]->shape));
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_transpose_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    unsigned seen = 0;
    LYC_TRY(lyc_infer_same(n, out, err));
    for (int k = 0; k < LYC_MAX_RANK; k++) {
        int axis = attr->axes[k];
        if (k < x->rank ? axis < 0 || axis >= x->rank || (seen >> axis & 1u) != 0 : axis != -1) {
            return no_order(n, err);
        }
        if (k < x->rank) {
            seen |= 1u << axis;
            out[0].shape.dims[k] = x->dims[axis];
        }
    }
    return LYC_OK;
}

/* The elements keep their order when only axes of extent 1 move. */
static int64_t view(const lyc_node *n)
{
    const lyc_transpose_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    int last = -1;
    for (int k = 0; k < x->rank; k++) {
        int axis = attr->axes[k];
        if (x->dims[axis] != 1) {
            if (axis < last) {
                return -1;
            }
            last = axis;
        }
    }
    return 0;
}

const lyc_op lyc_op_transpose = {
    .name = "transpose",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_transpose_attr),
    .infer = infer,
    .gradient = gradient,
    .flops = lyc_flops_none,
    .view = view,
};
