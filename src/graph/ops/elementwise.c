/* elementwise.c - broadcasting of shapes, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/elementwise.h"

#include "graph/build.h"

bool lyc_shape_broadcasts(const lyc_shape *from, const lyc_shape *to)
{
    if (from->rank > to->rank) {
        return false;
    }
    for (int i = 0; i < from->rank; i++) {
        int64_t extent = from->dims[i];
        if (extent != 1 && extent != to->dims[to->rank - from->rank + i]) {
            return false;
        }
    }
    return true;
}

lyc_status lyc_infer_broadcast(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *x = &n->inputs[0]->shape;
    const lyc_shape *y = &n->inputs[1]->shape;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    lyc_shape *z = &out[0].shape;
    *z = x->rank >= y->rank ? *x : *y;
    for (int i = 1; i <= x->rank && i <= y->rank; i++) {
        int64_t a = x->dims[x->rank - i];
        int64_t b = y->dims[y->rank - i];
        z->dims[z->rank - i] = a == 1 ? b : a;
    }
    if (!lyc_shape_broadcasts(x, z) || !lyc_shape_broadcasts(y, z)) {
        char a[LYC_SHAPE_TEXT];
        char b[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, y is %s: expected extents that are equal or 1, from the last axis",
                        lyc_shape_text(a, sizeof a, x), lyc_shape_text(b, sizeof b, y));
    }
    out[0].type = lyc_infer_type(n);
    return LYC_OK;
}

lyc_status lyc_infer_alike(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    for (int i = 1; i < n->n_inputs; i++) {
        LYC_TRY(lyc_infer_equal(n, i, 0, err));
    }
    return lyc_infer_same(n, out, err);
}

lyc_value_type lyc_gradient_type(const lyc_value *v)
{
    return v->type == LYC_ACTIVATION ? LYC_ACTIVATION : LYC_FLOAT;
}

lyc_value *lyc_unbroadcast(lyc_graph *g, lyc_value *d, const lyc_value *v)
{
    if (lyc_value_failed(d) || lyc_shape_equal(&d->shape, &v->shape)) {
        return d;
    }
    return lyc_reduce_to(g, d, v->shape, lyc_gradient_type(v));
}
