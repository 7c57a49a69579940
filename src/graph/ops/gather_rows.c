/* gather_rows.c - one row of each sample, such as the state at the end-of-text token
 *
 *     y[n] = x[n, rows[n]],   d_x[n, t] = d_y[n] where t = rows[n], else 0
 *
 * x [n,t,c], rows [n] -> y [n,c].
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/gather_rows.h"

#include <limits.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field backward_attrs[] = {
    {"t", LYC_ATTR_INT, offsetof(lyc_gather_rows_backward_attr, t)},
    {0},
};

lyc_value *lyc_gather_rows(lyc_graph *g, lyc_value *x, lyc_value *rows)
{
    return lyc_graph_add(g, &lyc_op_gather_rows, 2, (lyc_value *[]){x, rows}, NULL);
}

lyc_value *lyc_gather_rows_backward(lyc_graph *g, lyc_value *rows, lyc_value *d_y, int64_t t)
{
    if (t < 1 || t > INT_MAX) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "gather_rows_backward: samples of %lld rows", (long long)t);
    }
    const lyc_gather_rows_backward_attr attr = {(int)t};
    return lyc_graph_add(g, &lyc_op_gather_rows_backward, 2, (lyc_value *[]){rows, d_y}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_gather_rows_backward(g, n->inputs[1], d_out[0], n->inputs[0]->shape.dims[1]);
}

/* rows is [n] and the other input begins with n. */
static lyc_status check_rows(const lyc_node *n, int rows, int other, lyc_error *err)
{
    char name[64];
    char a[LYC_SHAPE_TEXT];
    char b[LYC_SHAPE_TEXT];
    LYC_TRY(lyc_infer_rank(n, rows, 1, err));
    if (n->inputs[rows]->shape.dims[0] == n->inputs[other]->shape.dims[0]) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "rows is %s, expected one for each sample of %s, which is %s",
                    lyc_shape_text(a, sizeof a, &n->inputs[rows]->shape),
                    lyc_op_input_name(name, sizeof name, n->op, other),
                    lyc_shape_text(b, sizeof b, &n->inputs[other]->shape));
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *x = &n->inputs[0]->shape;
    LYC_TRY(lyc_infer_indices(n, 1u << 1, err));
    LYC_TRY(lyc_infer_rank(n, 0, 3, err));
    LYC_TRY(check_rows(n, 1, 0, err));
    out[0].type = lyc_infer_type(n);
    out[0].shape = LYC_SHAPE(x->dims[0], x->dims[2]);
    return LYC_OK;
}

static int64_t index_bound(const lyc_node *n, int input)
{
    return input == 1 ? n->inputs[0]->shape.dims[1] : 0;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_gather_rows_backward_attr *attr = n->attr;
    const lyc_shape *d_y = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_indices(n, 1, err));
    LYC_TRY(lyc_infer_rank(n, 1, 2, err));
    LYC_TRY(check_rows(n, 0, 1, err));
    if (attr->t < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "t is %d, expected 1 at least", attr->t);
    }
    out[0].type = lyc_infer_type(n);
    out[0].shape = LYC_SHAPE(d_y->dims[0], attr->t, d_y->dims[1]);
    return LYC_OK;
}

static int64_t index_bound_backward(const lyc_node *n, int input)
{
    const lyc_gather_rows_backward_attr *attr = n->attr;
    return input == 0 ? attr->t : 0;
}

const lyc_op lyc_op_gather_rows = {
    .name = "gather_rows",
    .inputs = "x rows",
    .outputs = "y",
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << 1,
    .flops = lyc_flops_none,
    .index_bound = index_bound,
};

const lyc_op lyc_op_gather_rows_backward = {
    .name = "gather_rows_backward",
    .inputs = "rows d_y",
    .outputs = "d_x",
    .attrs = backward_attrs,
    .attr_size = sizeof(lyc_gather_rows_backward_attr),
    .infer = infer_backward,
    .flops = lyc_flops_none,
    .index_bound = index_bound_backward,
};
