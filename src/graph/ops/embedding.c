/* embedding.c - rows of a table by ids
 *
 *     y[t] = table[ids[t]],   d_table[r] = sum of d_y[t] over all t with ids[t] = r
 *
 * table [rows,c], ids [..] -> y [..,c]. Rows without an id have a gradient of zero.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/embedding.h"

#include <limits.h>
#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field backward_attrs[] = {
    {"rows", LYC_ATTR_INT, offsetof(lyc_embedding_backward_attr, rows)},
    {0},
};

lyc_value *lyc_embedding(lyc_graph *g, lyc_value *table, lyc_value *ids)
{
    return lyc_graph_add(g, &lyc_op_embedding, 2, (lyc_value *[]){table, ids}, NULL);
}

lyc_value *lyc_embedding_backward(lyc_graph *g, lyc_value *ids, lyc_value *d_y, int64_t rows)
{
    if (rows < 1 || rows > INT_MAX) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "embedding_backward: a table of %lld rows", (long long)rows);
    }
    const lyc_embedding_backward_attr attr = {(int)rows};
    return lyc_graph_add(g, &lyc_op_embedding_backward, 2, (lyc_value *[]){ids, d_y}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_embedding_backward(g, n->inputs[1], d_out[0], n->inputs[0]->shape.dims[0]);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *ids = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_indices(n, 1u << 1, err));
    LYC_TRY(lyc_infer_rank(n, 0, 2, err));
    if (ids->rank == LYC_MAX_RANK) {
        return lyc_fail(err, LYC_E_SHAPE, "ids has %d axes, at most %d are possible", ids->rank, LYC_MAX_RANK - 1);
    }
    out[0].type = LYC_ACTIVATION;
    out[0].shape = *ids;
    out[0].shape.dims[out[0].shape.rank++] = n->inputs[0]->shape.dims[1];
    return LYC_OK;
}

static int64_t index_bound(const lyc_node *n, int input)
{
    return input == 1 ? n->inputs[0]->shape.dims[0] : 0;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_embedding_backward_attr *attr = n->attr;
    const lyc_shape *ids = &n->inputs[0]->shape;
    const lyc_shape *d_y = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_indices(n, 1, err));
    lyc_shape leading = *d_y;
    leading.rank--;
    if (d_y->rank < 1 || !lyc_shape_equal(ids, &leading)) {
        char a[LYC_SHAPE_TEXT];
        char b[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "d_y is %s, expected %s and one more axis as ids",
                        lyc_shape_text(a, sizeof a, d_y), lyc_shape_text(b, sizeof b, ids));
    }
    if (attr->rows < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "rows is %d, expected 1 at least", attr->rows);
    }
    out[0].type = LYC_FLOAT;
    out[0].shape = LYC_SHAPE(attr->rows, d_y->dims[d_y->rank - 1]);
    return LYC_OK;
}

static double flops_backward(const lyc_node *n)
{
    return (double)lyc_shape_elements(&n->inputs[1]->shape);
}

static int64_t index_bound_backward(const lyc_node *n, int input)
{
    const lyc_embedding_backward_attr *attr = n->attr;
    return input == 0 ? attr->rows : 0;
}

const lyc_op lyc_op_embedding = {
    .name = "embedding",
    .inputs = "table ids",
    .outputs = "y",
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << 1,
    .flops = lyc_flops_none,
    .index_bound = index_bound,
};

const lyc_op lyc_op_embedding_backward = {
    .name = "embedding_backward",
    .inputs = "ids d_y",
    .outputs = "d_table",
    .attrs = backward_attrs,
    .attr_size = sizeof(lyc_embedding_backward_attr),
    .infer = infer_backward,
    .flops = flops_backward,
    .index_bound = index_bound_backward,
};
