/* matmul.c - matrix products with what is often done to their results
 *
 *     y = activation(alpha * op(a) op(b) + bias) + residual
 *
 * a [..,m,k], b [..,k,n] with the same leading axes, or b of rank 2: then a is one matrix of all its rows. With trans_a
 * the matrices of a are [k,m], with trans_b those of b are [n,k] (linear weights in files). The gradient is built
 * before activations and residuals are fused in, so it knows neither: an activation here has no gradient.
 *
 *     d_a = alpha d_y op(b)T,  d_b = alpha op(a)T d_y,  d_bias = sum over rows of d_y
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/matmul.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

const char *const lyc_activation_names[] = {"none", "silu", "gelu", "gelu_tanh", "quick_gelu", "relu", NULL};

static const lyc_attr_field attrs[] = {
    {"alpha", LYC_ATTR_FLOAT, offsetof(lyc_matmul_attr, alpha), .fallback = 1},
    {"activation", LYC_ATTR_ENUM, offsetof(lyc_matmul_attr, activation), .names = lyc_activation_names},
    {"trans_a", LYC_ATTR_BOOL, offsetof(lyc_matmul_attr, trans_a)},
    {"trans_b", LYC_ATTR_BOOL, offsetof(lyc_matmul_attr, trans_b)},
    {"wide", LYC_ATTR_BOOL, offsetof(lyc_matmul_attr, wide)},
    {0},
};

lyc_value *lyc_matmul(lyc_graph *g, lyc_value *a, lyc_value *b, lyc_value *bias, lyc_value *residual,
                      const lyc_matmul_attr *attr)
{
    const lyc_matmul_attr plain = {.alpha = 1};
    return lyc_graph_add(g, &lyc_op_matmul, 4, (lyc_value *[]){a, b, bias, residual}, attr != NULL ? attr : &plain);
}

lyc_value *lyc_linear(lyc_graph *g, lyc_value *x, lyc_value *weight, lyc_value *bias)
{
    return lyc_matmul(g, x, weight, bias, NULL, &(lyc_matmul_attr){.alpha = 1, .trans_b = true});
}

/* Rows and columns of the matrices of one operand as they enter the product. */
static void matrix(const lyc_value *v, bool trans, int64_t *rows, int64_t *columns)
{
    const lyc_shape *s = &v->shape;
    *rows = s->dims[s->rank - (trans ? 1 : 2)];
    *columns = s->dims[s->rank - (trans ? 2 : 1)];
}

static lyc_status mismatch(const lyc_node *n, const char *what, lyc_error *err)
{
    char a[LYC_SHAPE_TEXT];
    char b[LYC_SHAPE_TEXT];
    const lyc_matmul_attr *attr = n->attr;
    return lyc_fail(err, LYC_E_SHAPE, "a is %s%s, b is %s%s: %s", lyc_shape_text(a, sizeof a, &n->inputs[0]->shape),
                    attr->trans_a ? " transposed" : "", lyc_shape_text(b, sizeof b, &n->inputs[1]->shape),
                    attr->trans_b ? " transposed" : "", what);
}

static lyc_status check_leading(const lyc_node *n, lyc_error *err)
{
    const lyc_shape *a = &n->inputs[0]->shape;
    const lyc_shape *b = &n->inputs[1]->shape;
    if (b->rank == 2) {
        const lyc_matmul_attr *attr = n->attr;
        return attr->trans_a && a->rank > 2 ? mismatch(n, "a transposed a of rank 2 was expected", err) : LYC_OK;
    }
    if (a->rank != b->rank) {
        return mismatch(n, "the same rank, or b of rank 2, was expected", err);
    }
    for (int i = 0; i < a->rank - 2; i++) {
        if (a->dims[i] != b->dims[i]) {
            return mismatch(n, "the same leading axes were expected", err);
        }
    }
    return LYC_OK;
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_matmul_attr *attr = n->attr;
    const lyc_value *a = n->inputs[0];
    const lyc_value *b = n->inputs[1];
    if (a->shape.rank < 2 || b->shape.rank < 2) {
        return mismatch(n, "rank 2 at least was expected", err);
    }
    int64_t m;
    int64_t k;
    int64_t k_b;
    int64_t columns;
    matrix(a, attr->trans_a, &m, &k);
    matrix(b, attr->trans_b, &k_b, &columns);
    if (k != k_b) {
        return mismatch(n, "the inner extents differ", err);
    }
    LYC_TRY(check_leading(n, err));
    out[0].type = attr->wide ? LYC_FLOAT : lyc_infer_type(n);
    out[0].shape = a->shape;
    out[0].shape.dims[a->shape.rank - 2] = m;
    out[0].shape.dims[a->shape.rank - 1] = columns;
    if (n->inputs[2] != NULL) {
        LYC_TRY(lyc_infer_rank(n, 2, 1, err));
        if (n->inputs[2]->shape.dims[0] != columns) {
            return lyc_fail(err, LYC_E_SHAPE, "bias has %lld values, expected %lld",
                            (long long)n->inputs[2]->shape.dims[0], (long long)columns);
        }
    }
    if (n->inputs[3] != NULL && !lyc_shape_equal(&n->inputs[3]->shape, &out[0].shape)) {
        return mismatch(n, "residual has another shape than the product", err);
    }
    return LYC_OK;
}

/* op(a)T d_y for b: with b of rank 2 all rows of a and d_y count as one matrix. */
static lyc_value *gradient_b(lyc_graph *g, const lyc_node *n, lyc_value *d_y)
{
    const lyc_matmul_attr *attr = n->attr;
    lyc_value *a = n->inputs[0];
    if (n->inputs[1]->shape.rank == 2 && a->shape.rank > 2) {
        const lyc_shape *s = &a->shape;
        int64_t rows = lyc_shape_product(s, 0, s->rank - 1);
        a = lyc_reshape(g, a, LYC_SHAPE(rows, s->dims[s->rank - 1]));
        d_y = lyc_reshape(g, d_y, LYC_SHAPE(rows, d_y->shape.dims[d_y->shape.rank - 1]));
    }
    lyc_matmul_attr product = {.alpha = attr->alpha, .wide = n->inputs[1]->type != LYC_ACTIVATION};
    if (attr->trans_b) {
        product.trans_a = true;
        product.trans_b = attr->trans_a;
        return lyc_matmul(g, d_y, a, NULL, NULL, &product);
    }
    product.trans_a = !attr->trans_a;
    return lyc_matmul(g, a, d_y, NULL, NULL, &product);
}

static lyc_value *gradient_a(lyc_graph *g, const lyc_node *n, lyc_value *d_y)
{
    const lyc_matmul_attr *attr = n->attr;
    lyc_matmul_attr product = {.alpha = attr->alpha, .wide = n->inputs[0]->type != LYC_ACTIVATION};
    if (attr->trans_a) {
        product.trans_a = attr->trans_b;
        product.trans_b = true;
        return lyc_matmul(g, n->inputs[1], d_y, NULL, NULL, &product);
    }
    product.trans_b = !attr->trans_b;
    return lyc_matmul(g, d_y, n->inputs[1], NULL, NULL, &product);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_matmul_attr *attr = n->attr;
    lyc_value *d_y = d_out[0];
    if (attr->activation != LYC_ACTIVATION_NONE) {
        lyc_graph_fail(g, LYC_E_UNSUPPORTED, "matmul: no gradient through a fused activation; use its own operation");
        return;
    }
    if (n->inputs[0]->needs_grad) {
        d_in[0] = gradient_a(g, n, d_y);
    }
    if (n->inputs[1]->needs_grad) {
        d_in[1] = gradient_b(g, n, d_y);
    }
    if (n->inputs[2] != NULL && n->inputs[2]->needs_grad) {
        d_in[2] = lyc_reduce_to(g, d_y, n->inputs[2]->shape, LYC_FLOAT);
    }
    if (n->inputs[3] != NULL && n->inputs[3]->needs_grad) {
        d_in[3] = d_y;
    }
}

static double flops(const lyc_node *n)
{
    const lyc_matmul_attr *attr = n->attr;
    int64_t m;
    int64_t k;
    matrix(n->inputs[0], attr->trans_a, &m, &k);
    return 2.0 * (double)k * (double)lyc_shape_elements(&n->outputs[0]->shape);
}

const lyc_op lyc_op_matmul = {
    .name = "matmul",
    .inputs = "a b bias? residual?",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_matmul_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 3,
    .flops = flops,
    .in_place = 1u << 3,
    .residual = 3,
    .activation = offsetof(lyc_matmul_attr, activation) + 1,
};
