/* attention.c - scaled dot-product attention by heads (arXiv 1706.03762), scores never stored
 *
 *     s = scale q kT;  lse = log(sum over keys of exp(s));  p = exp(s - lse);  y = p v
 *
 * q [n,tq,heads d], k and v [n,tk,heads d]; head h has the channels [h d, (h+1) d). The log-sum-exp [n,heads,tq] is all
 * that the gradient needs to make p again, block by block (arXiv 2205.14135, section 3.1 and algorithm 4 of its
 * appendix):
 *
 *     delta = sum over channels of d_y y;   d_s = p (d_y vT - delta);
 *     d_q = scale d_s k,  d_k = scale d_sT q,  d_v = pT d_y
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/attention.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

enum { Q, K, V, Y, LSE, D_Y };

static const lyc_attr_field attrs[] = {
    {"heads", LYC_ATTR_INT, offsetof(lyc_attention_attr, heads), .fallback = 1},
    {"scale", LYC_ATTR_FLOAT, offsetof(lyc_attention_attr, scale)},
    {"causal", LYC_ATTR_BOOL, offsetof(lyc_attention_attr, causal)},
    {0},
};

lyc_value *lyc_attention(lyc_graph *g, lyc_value *q, lyc_value *k, lyc_value *v, int heads, float scale, bool causal)
{
    return lyc_graph_add(g, &lyc_op_attention, 3, (lyc_value *[]){q, k, v},
                         &(lyc_attention_attr){.heads = heads, .scale = scale, .causal = causal});
}

lyc_value *lyc_attention_backward(lyc_graph *g, lyc_value *q, lyc_value *k, lyc_value *v, lyc_value *y, lyc_value *lse,
                                  lyc_value *d_y, int heads, float scale, bool causal)
{
    return lyc_graph_add(g, &lyc_op_attention_backward, 6, (lyc_value *[]){q, k, v, y, lse, d_y},
                         &(lyc_attention_attr){.heads = heads, .scale = scale, .causal = causal});
}

/* q, k, v and the attributes of both directions. */
static lyc_status check(const lyc_node *n, lyc_error *err)
{
    const lyc_attention_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, Q, 3, err));
    LYC_TRY(lyc_infer_rank(n, K, 3, err));
    const lyc_shape *q = &n->inputs[Q]->shape;
    const lyc_shape *k = &n->inputs[K]->shape;
    LYC_TRY(lyc_infer_shape(n, K, &LYC_SHAPE(q->dims[0], k->dims[1], q->dims[2]), err));
    LYC_TRY(lyc_infer_equal(n, V, K, err));
    if (attr->heads < 1 || q->dims[2] % attr->heads != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "q has %lld channels, they cannot be divided into %d heads",
                        (long long)q->dims[2], attr->heads);
    }
    if (attr->causal && q->dims[1] != k->dims[1]) {
        return lyc_fail(err, LYC_E_SHAPE, "causal with %lld queries and %lld keys, expected as many",
                        (long long)q->dims[1], (long long)k->dims[1]);
    }
    if (!isfinite(attr->scale)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "scale is %g, expected a finite number", (double)attr->scale);
    }
    return LYC_OK;
}

static lyc_shape lse_shape(const lyc_node *n)
{
    const lyc_attention_attr *attr = n->attr;
    const lyc_shape *q = &n->inputs[Q]->shape;
    return LYC_SHAPE(q->dims[0], attr->heads, q->dims[1]);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(check(n, err));
    out[0] = (lyc_value_info){lyc_infer_type(n), n->inputs[Q]->shape};
    out[1] = (lyc_value_info){LYC_FLOAT, lse_shape(n)};
    return LYC_OK;
}

static lyc_status infer_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(check(n, err));
    LYC_TRY(lyc_infer_equal(n, Y, Q, err));
    const lyc_shape lse = lse_shape(n);
    LYC_TRY(lyc_infer_shape(n, LSE, &lse, err));
    LYC_TRY(lyc_infer_equal(n, D_Y, Q, err));
    for (int i = Q; i <= V; i++) {
        out[i] = (lyc_value_info){lyc_infer_type(n), n->inputs[i]->shape};
    }
    return LYC_OK;
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_attention_attr *attr = n->attr;
    if (!lyc_gradient_of_first(g, n, d_out)) {
        return;
    }
    lyc_value *d = lyc_attention_backward(g, n->inputs[Q], n->inputs[K], n->inputs[V], n->outputs[0], n->outputs[1],
                                          d_out[0], attr->heads, attr->scale, attr->causal);
    for (int i = Q; i <= V; i++) {
        if (n->inputs[i]->needs_grad) {
            d_in[i] = lyc_value_output(d, i);
        }
    }
}

/* One product of queries, keys and head channels: scores, or values weighted by them. */
static double product_flops(const lyc_node *n)
{
    const lyc_attention_attr *attr = n->attr;
    const lyc_shape *q = &n->inputs[Q]->shape;
    const double tq = (double)q->dims[1];
    const double tk = (double)n->inputs[K]->shape.dims[1];
    return 2.0 * (double)q->dims[0] * (double)q->dims[2] * (attr->causal ? 0.5 * tq * (tq + 1.0) : tq * tk);
}

static double flops(const lyc_node *n)
{
    return 2.0 * product_flops(n);
}

/* The scores again, d_p, d_q, d_k and d_v. */
static double flops_backward(const lyc_node *n)
{
    return 5.0 * product_flops(n);
}

const lyc_op lyc_op_attention = {
    .name = "attention",
    .inputs = "q k v",
    .outputs = "y lse",
    .attrs = attrs,
    .attr_size = sizeof(lyc_attention_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 7,
    .gradient_outputs = 3,
    .flops = flops,
};

const lyc_op lyc_op_attention_backward = {
    .name = "attention_backward",
    .inputs = "q k v y lse d_y",
    .outputs = "d_q d_k d_v",
    .attrs = attrs,
    .attr_size = sizeof(lyc_attention_attr),
    .infer = infer_backward,
    .flops = flops_backward,
};
