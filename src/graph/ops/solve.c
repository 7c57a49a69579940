/* solve.c - solutions of small systems of linear equations, in batches: the Cayley transform of OFT
 *
 *     a x = b, or aT x = b with trans;   a [..,n,n], b and x [..,n,m]
 *
 *     d_b solves the transposed system for d_x;   d_a = -d_b xT, transposed with trans: -x d_bT
 *
 * LU with partial pivoting in f32 at least; a pivot that is zero (or not a number) is an error, not infinity.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/solve.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"
#include "graph/ops/matmul.h"

static const lyc_attr_field attrs[] = {
    {"trans", LYC_ATTR_BOOL, offsetof(lyc_solve_attr, trans)},
    {0},
};

lyc_value *lyc_solve(lyc_graph *g, lyc_value *a, lyc_value *b, bool trans)
{
    return lyc_graph_add(g, &lyc_op_solve, 2, (lyc_value *[]){a, b}, &(lyc_solve_attr){.trans = trans});
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *a = &n->inputs[0]->shape;
    const lyc_shape *b = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    if (a->rank < 2 || a->dims[a->rank - 1] != a->dims[a->rank - 2]) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "a is %s, expected square matrices", lyc_shape_text(text, sizeof text, a));
    }
    LYC_TRY(lyc_infer_rank(n, 1, a->rank, err));
    lyc_shape expected = *a;
    expected.dims[a->rank - 1] = b->dims[a->rank - 1];
    LYC_TRY(lyc_infer_shape(n, 1, &expected, err));
    out[0] = (lyc_value_info){LYC_FLOAT, *b};
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_solve_attr *attr = n->attr;
    lyc_value *x = n->outputs[0];
    lyc_value *d_b = lyc_solve(g, n->inputs[0], d_out[0], !attr->trans);
    d_in[1] = d_b;
    if (n->inputs[0]->needs_grad) {
        const lyc_matmul_attr product = {.alpha = -1.0f, .trans_b = true};
        d_in[0] =
            attr->trans ? lyc_matmul(g, x, d_b, NULL, NULL, &product) : lyc_matmul(g, d_b, x, NULL, NULL, &product);
    }
}

/* The factors, then both triangles for every column. */
static double flops(const lyc_node *n)
{
    const lyc_shape *b = &n->inputs[1]->shape;
    const double size = (double)b->dims[b->rank - 2];
    const double batch = (double)lyc_shape_product(b, 0, b->rank - 2);
    return batch * size * size * (2.0 / 3.0 * size + 2.0 * (double)b->dims[b->rank - 1]);
}

const lyc_op lyc_op_solve = {
    .name = "solve",
    .inputs = "a b",
    .outputs = "x",
    .attrs = attrs,
    .attr_size = sizeof(lyc_solve_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1,
    .gradient_outputs = 1,
    .flops = flops,
};
