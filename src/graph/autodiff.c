/* autodiff.c - reverse mode over the nodes of a graph
 *
 * Nodes are visited from the newest to the oldest; a node's rule is asked once all uses of its results have
 * contributed. `sums[id]` is the gradient so far of the value with that id.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/autodiff.h"

#include <string.h>

#include "base/memory.h"
#include "graph/build.h"
#include "graph/graph_internal.h"
#include "graph/op.h"

/* Adds one contribution to the gradient of v. */
static void contribute(lyc_graph *g, lyc_value **sums, const lyc_value *v, lyc_value *d)
{
    if (lyc_value_failed(d)) {
        return;
    }
    assert(lyc_shape_equal(&v->shape, &d->shape));
    sums[v->id] = sums[v->id] == NULL ? d : lyc_add(g, sums[v->id], d);
}

/* The gradient has the type of what it belongs to: that of a parameter is LYC_FLOAT even when its last use was an
 * activation's. */
static lyc_value *in_type_of(lyc_graph *g, const lyc_value *v, lyc_value *d)
{
    lyc_value_type type = v->type == LYC_STORED ? LYC_FLOAT : v->type;
    return d->type == type ? d : lyc_cast(g, d, type);
}

/* Whether the operation has a gradient by every input that wants one; says what has none. */
static bool differentiable(lyc_graph *g, const lyc_node *n)
{
    if (n->op->gradient == NULL) {
        lyc_graph_fail(g, LYC_E_UNSUPPORTED, "%s: this operation has no gradient", n->op->name);
        return false;
    }
    for (int i = 0; i < n->n_inputs; i++) {
        if ((n->op->data_inputs >> i & 1u) != 0 && n->inputs[i] != NULL && n->inputs[i]->needs_grad) {
            char name[64];
            lyc_graph_fail(g, LYC_E_UNSUPPORTED, "%s: no gradient through %s", n->op->name,
                           lyc_op_input_name(name, sizeof name, n->op, i));
            return false;
        }
    }
    return true;
}

static void visit(lyc_graph *g, lyc_value **sums, const lyc_node *n)
{
    lyc_value *d_out[LYC_MAX_OUTPUTS] = {0};
    lyc_value *d_in[LYC_MAX_INPUTS] = {0};
    bool reached = false;
    bool wanted = false;
    for (int k = 0; k < n->n_outputs; k++) {
        d_out[k] = sums[n->outputs[k]->id];
        reached = reached || d_out[k] != NULL;
    }
    for (int i = 0; i < n->n_inputs; i++) {
        wanted = wanted || (n->inputs[i] != NULL && n->inputs[i]->needs_grad);
    }
    if (!reached || !wanted) {
        return;
    }
    g->layer = n->layer;
    if (!differentiable(g, n)) {
        return;
    }
    n->op->gradient(g, n, d_out, d_in);
    for (int i = 0; i < n->n_inputs && g->error.status == LYC_OK; i++) {
        if (d_in[i] != NULL && n->inputs[i]->needs_grad) {
            contribute(g, sums, n->inputs[i], in_type_of(g, n->inputs[i], d_in[i]));
        }
    }
}

/* A gradient of ones, or the caller's. */
static lyc_value *seed_of(lyc_graph *g, const lyc_value *v, lyc_value *seed)
{
    if (seed == NULL) {
        return lyc_broadcast(g, lyc_graph_scalar(g, 1.0f), v->shape);
    }
    if (!lyc_value_failed(seed) && !lyc_shape_equal(&seed->shape, &v->shape)) {
        char a[LYC_SHAPE_TEXT];
        char b[LYC_SHAPE_TEXT];
        return lyc_graph_fail(g, LYC_E_SHAPE, "gradient of %s for a result of %s",
                              lyc_shape_text(a, sizeof a, &seed->shape), lyc_shape_text(b, sizeof b, &v->shape));
    }
    return seed;
}

static lyc_status start(lyc_graph *g, lyc_value **sums, int count, lyc_value *const *values, lyc_value *const *seeds,
                        lyc_error *err)
{
    bool trainable = false;
    for (int i = 0; i < count && g->error.status == LYC_OK; i++) {
        if (lyc_value_failed(values[i])) {
            break;
        }
        trainable = trainable || values[i]->needs_grad;
        if (values[i]->needs_grad) {
            lyc_value *seed = seed_of(g, values[i], seeds != NULL ? seeds[i] : NULL);
            if (!lyc_value_failed(seed)) {
                contribute(g, sums, values[i], in_type_of(g, values[i], seed));
            }
        }
    }
    LYC_TRY(lyc_graph_status(g, err));
    return trainable ? LYC_OK : lyc_fail(err, LYC_E_ARGUMENT, "nothing trainable lies below the differentiated value");
}

/* Keeps the gradients of parameters after a run. */
static void keep_parameter_gradients(lyc_graph *g, int n_values)
{
    for (int i = 0; i < n_values; i++) {
        if (g->values[i]->kind == LYC_VALUE_PARAM && g->gradients[i] != NULL) {
            lyc_graph_output(g, g->gradients[i]);
        }
    }
}

lyc_status lyc_graph_differentiate(lyc_graph *g, int count, lyc_value *const *values, lyc_value *const *seeds,
                                   lyc_error *err)
{
    LYC_TRY(lyc_graph_status(g, err));
    if (g->gradients != NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the graph has gradients already");
    }
    const int n_nodes = g->n_nodes;
    const int n_values = g->n_values;
    lyc_value **sums = lyc_alloc_zero((size_t)n_values + 1, sizeof(lyc_value *));
    if (sums == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the gradients of %d values", n_values);
    }
    g->gradients = sums;
    g->n_gradients = n_values;
    const char *layer = g->layer;
    g->backward = true;
    lyc_status status = start(g, sums, count, values, seeds, err);
    for (int i = n_nodes - 1; i >= 0 && status == LYC_OK; i--) {
        visit(g, sums, g->nodes[i]);
        status = lyc_graph_status(g, err);
    }
    if (status == LYC_OK) {
        keep_parameter_gradients(g, n_values);
    }
    g->backward = false;
    g->layer = layer;
    return status;
}

lyc_value *lyc_graph_gradient(const lyc_graph *g, const lyc_value *v)
{
    return v->id >= 0 && v->id < g->n_gradients ? g->gradients[v->id] : NULL;
}
