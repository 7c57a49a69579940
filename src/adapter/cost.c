/* cost.c - which form of an adapted layer costs less
 *
 * Both forms are built, with their gradients where something trainable lies below, as graphs of their own that never
 * run, and the operations and bytes of their nodes are added up. So the count is that of what would run, and an
 * algorithm says nothing about its cost. A node takes as long as its arithmetic or its memory traffic, whichever is
 * longer; products pay for each result beside that (what makes a rank of 8 slow), transpositions for each piece that
 * they move, and every node for being there:
 *
 *     work = sum over nodes of max(flops, FLOPS_PER_BYTE bytes) + FLOPS_PER_RESULT results + FLOPS_PER_PIECE pieces
 *                              + FLOPS_PER_NODE
 *
 * The constants come from times of bench_adapters on one core of a Zen 3. Activations count as bf16, the precision that
 * networks usually run in; a graph does not know its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "adapter/site.h"
#include "base/memory.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/op.h"
#include "graph/ops/transpose.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* In operations of a large product, of which a core does 90 in a nanosecond. */
static const double FLOPS_PER_BYTE = 5.0;
static const double FLOPS_PER_RESULT = 50.0;
static const double FLOPS_PER_PIECE = 400.0;
static const double FLOPS_PER_NODE = 2e5;

/* The same layer in a graph for counting. */
typedef struct estimate {
    lyc_graph *g;
    lyc_layer layer;
    lyc_value *x;
    lyc_adapter_site sites[LYC_ADAPTER_MAX_SITES];
} estimate;

/* A leaf like v; something trainable below v makes it a parameter. */
static lyc_value *leaf_like(lyc_graph *g, const lyc_value *v)
{
    if (v == NULL) {
        return NULL;
    }
    if (v->kind == LYC_VALUE_WEIGHT) {
        return lyc_graph_weight(g, "weight", v->dtype, v->shape, NULL);
    }
    if (v->needs_grad) {
        return lyc_graph_param(g, "parameter", LYC_FLOAT, LYC_F32, v->shape);
    }
    return lyc_graph_input(g, "input", v->type == LYC_STORED ? LYC_FLOAT : v->type, v->shape);
}

/* x, which stays an activation where something trainable lies below it. */
static lyc_value *input_like(lyc_graph *g, const lyc_value *x)
{
    lyc_value *v = lyc_graph_input(g, "x", x->type == LYC_STORED ? LYC_FLOAT : x->type, x->shape);
    return x->needs_grad ? lyc_add(g, v, lyc_graph_param(g, "below", LYC_FLOAT, LYC_F32, LYC_SHAPE(1))) : v;
}

static void copy_site(lyc_adapter_site *out, lyc_graph *g, const lyc_adapter_site *site)
{
    *out = *site;
    for (int i = 0; i < site->adapter->n_params; i++) {
        out->params[i] = leaf_like(g, site->params[i]);
        out->frozen[i] = site->frozen[i] == site->params[i] ? out->params[i] : leaf_like(g, site->frozen[i]);
    }
    out->multiplier = leaf_like(g, site->multiplier);
    out->ranks = leaf_like(g, site->ranks);
    out->key = leaf_like(g, site->key);
    out->estimate = true;
}

/* Marks the nodes that v needs. */
static void mark(bool *needed, const lyc_value *v)
{
    if (v == NULL || v->node == NULL || needed[v->node->id]) {
        return;
    }
    needed[v->node->id] = true;
    for (int i = 0; i < v->node->n_inputs; i++) {
        mark(needed, v->node->inputs[i]);
    }
}

static double bytes_of(const lyc_value *v)
{
    if (v == NULL) {
        return 0.0;
    }
    const double bits = v->type == LYC_STORED ? lyc_dtype_bits(v->dtype) : v->type == LYC_ACTIVATION ? 16.0 : 32.0;
    return (double)lyc_shape_elements(&v->shape) * bits / 8.0;
}

/* What a node costs beside arithmetic and bytes. */
static double overhead(const lyc_node *n, double flops)
{
    const lyc_shape *y = &n->outputs[0]->shape;
    const double results = (double)lyc_shape_elements(y);
    if (n->op == &lyc_op_transpose) {
        const lyc_transpose_attr *attr = n->attr;
        int last = y->rank;
        while (last > 0 && attr->axes[last - 1] == last - 1) {
            last--;
        }
        return FLOPS_PER_PIECE * (double)lyc_shape_product(y, 0, last);
    }
    /* A sum for each result makes a product; what has one operation for each is none. */
    return flops > 2.0 * results ? FLOPS_PER_RESULT * results : 0.0;
}

static void add_node(lyc_adapter_cost *cost, const lyc_node *n)
{
    if (n->op->view != NULL && n->op->view(n) >= 0) {
        return;
    }
    double flops = n->op->flops != NULL ? n->op->flops(n) : (double)lyc_shape_elements(&n->outputs[0]->shape);
    double bytes = 0.0;
    for (int i = 0; i < n->n_inputs; i++) {
        bytes += bytes_of(n->inputs[i]);
    }
    for (int k = 0; k < n->n_outputs; k++) {
        bytes += bytes_of(n->outputs[k]);
    }
    cost->flops += flops;
    cost->bytes += bytes;
    cost->work += fmax(flops, FLOPS_PER_BYTE * bytes) + overhead(n, flops) + FLOPS_PER_NODE;
}

/* Adds up the nodes behind y and behind the gradients of x and of all parameters. */
static lyc_status count(lyc_adapter_cost *cost, const estimate *e, const lyc_value *y, lyc_error *err)
{
    const int n = lyc_graph_node_count(e->g);
    bool *needed = lyc_alloc_zero((size_t)n, sizeof *needed);
    if (needed == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to count operations");
    }
    mark(needed, y);
    for (int i = 0; i < lyc_graph_value_count(e->g); i++) {
        const lyc_value *v = lyc_graph_value(e->g, i);
        if (v->kind == LYC_VALUE_PARAM) {
            mark(needed, lyc_graph_gradient(e->g, v));
        }
    }
    *cost = (lyc_adapter_cost){0};
    for (int i = 0; i < n; i++) {
        if (needed[i]) {
            add_node(cost, lyc_graph_node(e->g, i));
        }
    }
    lyc_free(needed);
    return LYC_OK;
}

static lyc_status estimate_form(lyc_adapter_cost *cost, const lyc_layer *layer, const lyc_adapter_site *sites,
                                int site_count, const lyc_value *x, lyc_adapter_form form, lyc_error *err)
{
    estimate e = {.layer = *layer};
    LYC_TRY(lyc_graph_new(&e.g, err));
    e.layer.weight = leaf_like(e.g, layer->weight);
    e.layer.bias = leaf_like(e.g, layer->bias);
    e.x = input_like(e.g, x);
    for (int k = 0; k < site_count; k++) {
        copy_site(&e.sites[k], e.g, &sites[k]);
    }
    lyc_value *y = lyc_adapter_apply(e.g, &e.layer, e.sites, site_count, e.x, LYC_ACTIVATION_NONE, NULL, form);
    lyc_status status = lyc_graph_status(e.g, err);
    if (status == LYC_OK && y->needs_grad) {
        lyc_value *d_y = lyc_graph_input(e.g, "d_y", y->type, y->shape);
        status = lyc_graph_differentiate(e.g, 1, &y, &d_y, err);
    }
    status = status != LYC_OK ? status : count(cost, &e, y, err);
    lyc_graph_free(e.g);
    return status;
}

lyc_status lyc_adapter_choose(lyc_adapter_choice *out, const lyc_layer *layer, const lyc_adapter_site *sites,
                              int site_count, const lyc_value *x, lyc_error *err)
{
    bool must_branch = false;
    for (int k = 0; k < site_count; k++) {
        const lyc_value *ranks = sites[k].ranks; /* ranks of each sample have no common weight */
        must_branch |= lyc_site_drops_branch(&sites[k]) || (ranks != NULL && ranks->shape.dims[0] > 1);
    }
    *out = (lyc_adapter_choice){.form = LYC_ADAPTER_MERGED,
                                .structured_known = lyc_adapter_structure_known(layer, sites, site_count)};
    if (must_branch && out->structured_known) {
        out->form = LYC_ADAPTER_STRUCTURED;
        return LYC_OK;
    }
    LYC_TRY(estimate_form(&out->merged, layer, sites, site_count, x, LYC_ADAPTER_MERGED, err));
    if (!out->structured_known) {
        return LYC_OK;
    }
    LYC_TRY(estimate_form(&out->structured, layer, sites, site_count, x, LYC_ADAPTER_STRUCTURED, err));
    if (out->structured.work < out->merged.work) {
        out->form = LYC_ADAPTER_STRUCTURED;
    }
    return LYC_OK;
}
