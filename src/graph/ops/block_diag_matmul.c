/* block_diag_matmul.c - rows times a block-diagonal matrix: the rotations of OFT and BOFT
 *
 *     y[..,k,j] = sum over i of x[..,k,i] r[k,i,j]   (r[k,j,i] with trans)
 *
 * x [..,blocks*size], r [blocks,size,size]. The gradient by x is the same with trans flipped; that by r is
 * d_r[k,i,j] = sum over rows of x[..,k,i] d_y[..,k,j], with i and j exchanged when trans.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/block_diag_matmul.h"

#include <limits.h>
#include <stddef.h>

#include "base/size.h"
#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"trans", LYC_ATTR_BOOL, offsetof(lyc_block_diag_matmul_attr, trans)},
    {0},
};

static const lyc_attr_field backward_weights_attrs[] = {
    {"blocks", LYC_ATTR_INT, offsetof(lyc_block_diag_backward_weights_attr, blocks), .fallback = 1},
    {"trans", LYC_ATTR_BOOL, offsetof(lyc_block_diag_backward_weights_attr, trans)},
    {0},
};

lyc_value *lyc_block_diag_matmul(lyc_graph *g, lyc_value *x, lyc_value *r, bool trans)
{
    return lyc_graph_add(g, &lyc_op_block_diag_matmul, 2, (lyc_value *[]){x, r},
                         &(lyc_block_diag_matmul_attr){.trans = trans});
}

lyc_value *lyc_block_diag_backward_weights(lyc_graph *g, lyc_value *x, lyc_value *d_y, int blocks, bool trans)
{
    return lyc_graph_add(g, &lyc_op_block_diag_backward_weights, 2, (lyc_value *[]){x, d_y},
                         &(lyc_block_diag_backward_weights_attr){.blocks = blocks, .trans = trans});
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 1, 3, err));
    const lyc_shape *x = &n->inputs[0]->shape;
    const int64_t *r = n->inputs[1]->shape.dims;
    char text[LYC_SHAPE_TEXT];
    if (r[1] != r[2]) {
        return lyc_fail(err, LYC_E_SHAPE, "r is %s, expected square blocks",
                        lyc_shape_text(text, sizeof text, &n->inputs[1]->shape));
    }
    if (r[0] > INT_MAX) {
        return lyc_fail(err, LYC_E_SHAPE, "r has %lld blocks, at most %d are possible", (long long)r[0], INT_MAX);
    }
    int64_t channels;
    if (x->rank < 1 || !lyc_int64_mul(&channels, r[0], r[1]) || x->dims[x->rank - 1] != channels) {
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, expected [..,%lld*%lld] for the blocks of r",
                        lyc_shape_text(text, sizeof text, x), (long long)r[0], (long long)r[1]);
    }
    out[0] = (lyc_value_info){lyc_infer_type(n), *x};
    return LYC_OK;
}

static lyc_status infer_backward_weights(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_block_diag_backward_weights_attr *attr = n->attr;
    const lyc_shape *x = &n->inputs[0]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_equal(n, 1, 0, err));
    if (x->rank < 1 || attr->blocks < 1 || x->dims[x->rank - 1] % attr->blocks != 0) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, its last axis cannot be divided into %d blocks",
                        lyc_shape_text(text, sizeof text, x), attr->blocks);
    }
    const int64_t size = x->dims[x->rank - 1] / attr->blocks;
    out[0] = (lyc_value_info){LYC_FLOAT, LYC_SHAPE(attr->blocks, size, size)};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_block_diag_matmul_attr *attr = n->attr;
    if (n->inputs[0]->needs_grad) {
        d_in[0] = lyc_block_diag_matmul(g, d_out[0], n->inputs[1], !attr->trans);
    }
    if (n->inputs[1]->needs_grad) {
        d_in[1] =
            lyc_block_diag_backward_weights(g, n->inputs[0], d_out[0], (int)n->inputs[1]->shape.dims[0], attr->trans);
    }
}

static double flops(const lyc_node *n)
{
    return 2.0 * (double)n->inputs[1]->shape.dims[1] * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

static double flops_backward_weights(const lyc_node *n)
{
    return 2.0 * (double)n->outputs[0]->shape.dims[1] * (double)lyc_shape_elements(&n->inputs[0]->shape);
}

const lyc_op lyc_op_block_diag_matmul = {
    .name = "block_diag_matmul",
    .inputs = "x r",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_block_diag_matmul_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .flops = flops,
};

const lyc_op lyc_op_block_diag_backward_weights = {
    .name = "block_diag_backward_weights",
    .inputs = "x d_y",
    .outputs = "d_r",
    .attrs = backward_weights_attrs,
    .attr_size = sizeof(lyc_block_diag_backward_weights_attr),
    .infer = infer_backward_weights,
    .flops = flops_backward_weights,
};
