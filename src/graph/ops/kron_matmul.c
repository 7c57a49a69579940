/* kron_matmul.c - a product with the Kronecker product of two matrices, which is never formed
 *
 *     y = residual + alpha (c (x) d) x          LoKr: LyCORIS paper (arXiv 2309.14859), section 3
 *
 * c [uo,ui], d [vo,vi]. A row x [ui*vi] is seen as X [ui,vi], and Y = c X dT as [uo,vo]; with trans, Y = cT X d. One of
 * the two factors is applied first, whichever order is cheaper: d first costs ui vo (vi + uo) per row, c first
 * uo vi (ui + vo).
 *
 * Gradients, with C and D the factors as applied (transposed with trans) and G = d_y:
 *
 *     d_x = alpha CT G D: the same operation transposed
 *     d first:  H = X DT:   d_C[a,b] = alpha sum G[a,s] H[b,s],       d_D = alpha (CT G)T X
 *     c first:  Z = C X:    d_C[a,b] = alpha sum (G D)[a,v] X[b,v],   d_D = alpha GT Z
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/kron_matmul.h"

#include <stddef.h>

#include "base/size.h"
#include "graph/build.h"
#include "graph/op.h"
#include "graph/ops/matmul.h"

enum { X, C, D, RESIDUAL };

static const lyc_attr_field attrs[] = {
    {"alpha", LYC_ATTR_FLOAT, offsetof(lyc_kron_matmul_attr, alpha), .fallback = 1},
    {"trans", LYC_ATTR_BOOL, offsetof(lyc_kron_matmul_attr, trans)},
    {0},
};

lyc_value *lyc_kron_matmul(lyc_graph *g, lyc_value *x, lyc_value *c, lyc_value *d, lyc_value *residual, float alpha,
                           bool trans)
{
    return lyc_graph_add(g, &lyc_op_kron_matmul, 4, (lyc_value *[]){x, c, d, residual},
                         &(lyc_kron_matmul_attr){.alpha = alpha, .trans = trans});
}

static lyc_kron_extents extents(const lyc_node *n)
{
    const lyc_kron_matmul_attr *attr = n->attr;
    const int64_t *c = n->inputs[C]->shape.dims;
    const int64_t *d = n->inputs[D]->shape.dims;
    const int out = attr->trans ? 1 : 0;
    return (lyc_kron_extents){.u_in = c[1 - out], .v_in = d[1 - out], .u_out = c[out], .v_out = d[out]};
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *x = &n->inputs[X]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, C, 2, err));
    LYC_TRY(lyc_infer_rank(n, D, 2, err));
    const lyc_kron_extents e = extents(n);
    int64_t in;
    out[0] = (lyc_value_info){lyc_infer_type(n), *x};
    if (x->rank < 1 || !lyc_int64_mul(&in, e.u_in, e.v_in) || x->dims[x->rank - 1] != in) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, expected [..,%lld*%lld] for c and d",
                        lyc_shape_text(text, sizeof text, x), (long long)e.u_in, (long long)e.v_in);
    }
    if (!lyc_int64_mul(&out[0].shape.dims[x->rank - 1], e.u_out, e.v_out)) {
        return lyc_fail(err, LYC_E_SHAPE, "the product of %lld and %lld rows is too large", (long long)e.u_out,
                        (long long)e.v_out);
    }
    return lyc_infer_shape(n, RESIDUAL, &out[0].shape, err);
}

/* Rows of [u,v]. */
static lyc_value *split(lyc_graph *g, lyc_value *x, int64_t u, int64_t v)
{
    return lyc_reshape(g, x, LYC_SHAPE(-1, u, v));
}

/* All rows under one another: [rows*u,v]. */
static lyc_value *flat(lyc_graph *g, lyc_value *x, int64_t v)
{
    return lyc_reshape(g, x, LYC_SHAPE(-1, v));
}

/* alpha x DT for rows x of v_in, or alpha x D for rows of v_out with `back`. */
static lyc_value *apply_d(lyc_graph *g, const lyc_node *n, lyc_value *x, bool back)
{
    const lyc_kron_matmul_attr *attr = n->attr;
    return lyc_matmul(g, x, n->inputs[D], NULL, NULL,
                      &(lyc_matmul_attr){.alpha = attr->alpha, .trans_b = attr->trans == back});
}

static lyc_value *gradient_c(lyc_graph *g, const lyc_node *n, lyc_value *d_y)
{
    const lyc_kron_matmul_attr *attr = n->attr;
    const lyc_kron_extents e = extents(n);
    lyc_value *in;
    lyc_value *out;
    if (lyc_kron_d_first(&e)) {
        in = split(g, apply_d(g, n, flat(g, n->inputs[X], e.v_in), false), e.u_in, e.v_out);
        out = split(g, d_y, e.u_out, e.v_out);
    } else {
        in = split(g, n->inputs[X], e.u_in, e.v_in);
        out = split(g, apply_d(g, n, flat(g, d_y, e.v_out), true), e.u_out, e.v_in);
    }
    return attr->trans ? lyc_mix_backward_weights(g, out, in) : lyc_mix_backward_weights(g, in, out);
}

static lyc_value *gradient_d(lyc_graph *g, const lyc_node *n, lyc_value *d_y)
{
    const lyc_kron_matmul_attr *attr = n->attr;
    const lyc_kron_extents e = extents(n);
    lyc_value *in;
    lyc_value *out;
    if (lyc_kron_d_first(&e)) {
        in = n->inputs[X];
        out = lyc_mix(g, split(g, d_y, e.u_out, e.v_out), n->inputs[C], !attr->trans);
    } else {
        in = lyc_mix(g, split(g, n->inputs[X], e.u_in, e.v_in), n->inputs[C], attr->trans);
        out = d_y;
    }
    in = flat(g, in, e.v_in);
    out = flat(g, out, e.v_out);
    const lyc_matmul_attr product = {
        .alpha = attr->alpha, .trans_a = true, .wide = n->inputs[D]->type != LYC_ACTIVATION};
    return attr->trans ? lyc_matmul(g, in, out, NULL, NULL, &product) : lyc_matmul(g, out, in, NULL, NULL, &product);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_kron_matmul_attr *attr = n->attr;
    lyc_value *d_y = d_out[0];
    if (n->inputs[X]->needs_grad) {
        d_in[X] = lyc_kron_matmul(g, d_y, n->inputs[C], n->inputs[D], NULL, attr->alpha, !attr->trans);
    }
    if (n->inputs[C]->needs_grad) {
        d_in[C] = gradient_c(g, n, d_y);
    }
    if (n->inputs[D]->needs_grad) {
        d_in[D] = gradient_d(g, n, d_y);
    }
    if (n->inputs[RESIDUAL] != NULL && n->inputs[RESIDUAL]->needs_grad) {
        d_in[RESIDUAL] = d_y;
    }
}

/* In the cheaper order. */
static double flops(const lyc_node *n)
{
    const lyc_kron_extents e = extents(n);
    const lyc_shape *x = &n->inputs[X]->shape;
    const double rows = (double)lyc_shape_product(x, 0, x->rank - 1);
    const double row = lyc_kron_d_first(&e) ? (double)e.u_in * (double)e.v_out * ((double)e.v_in + (double)e.u_out)
                                            : (double)e.u_out * (double)e.v_in * ((double)e.u_in + (double)e.v_out);
    return 2.0 * rows * row;
}

const lyc_op lyc_op_kron_matmul = {
    .name = "kron_matmul",
    .inputs = "x c d residual?",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_kron_matmul_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << X | 1u << C | 1u << D,
    .flops = flops,
    .in_place = 1u << RESIDUAL,
    .residual = RESIDUAL,
};
