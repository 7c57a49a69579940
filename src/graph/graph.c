/* graph.c - values, nodes, names and the first error of building
 *
 * Everything lives in one arena; two growing arrays index it. Building never fails halfway: after the first error every
 * call returns the poison value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/graph_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/op.h"

lyc_status lyc_graph_new(lyc_graph **out, lyc_error *err)
{
    lyc_graph *g = lyc_alloc_zero(1, sizeof *g);
    if (g == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a graph");
    }
    g->layer = "";
    g->poison.layer = "";
    g->poison.id = -1;
    *out = g;
    return LYC_OK;
}

void lyc_graph_free(lyc_graph *g)
{
    if (g == NULL) {
        return;
    }
    lyc_free(g->nodes);
    lyc_free(g->values);
    lyc_free(g->gradients);
    lyc_arena_clear(&g->constants);
    lyc_arena_clear(&g->arena);
    lyc_free(g);
}

lyc_status lyc_graph_status(const lyc_graph *g, lyc_error *err)
{
    if (g->error.status != LYC_OK && err != NULL) {
        *err = g->error;
    }
    return g->error.status;
}

lyc_value *lyc_graph_fail(lyc_graph *g, lyc_status status, const char *format, ...)
{
    if (g->error.status == LYC_OK) {
        char text[sizeof g->error.message];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (g->layer[0] != '\0') {
            lyc_fail(&g->error, status, "layer %s: %s", g->layer, text);
        } else {
            lyc_fail(&g->error, status, "%s", text);
        }
    }
    return &g->poison;
}

lyc_value *lyc_graph_out_of_memory(lyc_graph *g)
{
    return lyc_graph_fail(g, LYC_E_MEMORY, "no memory for a graph of %d nodes", g->n_nodes);
}

bool lyc_value_failed(const lyc_value *v)
{
    return v == NULL || v->id < 0;
}

void lyc_graph_enter(lyc_graph *g, const char *format, ...)
{
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (g->depth == LYC_MAX_LAYER_DEPTH) {
        lyc_graph_fail(g, LYC_E_ARGUMENT, "layers nest deeper than %d at %s", LYC_MAX_LAYER_DEPTH, name);
        return;
    }
    const char *layer =
        g->layer[0] != '\0' ? lyc_arena_format(&g->arena, "%s.%s", g->layer, name) : lyc_arena_text(&g->arena, name);
    if (layer == NULL) {
        lyc_graph_out_of_memory(g);
        return;
    }
    g->outer[g->depth++] = g->layer;
    g->layer = layer;
}

void lyc_graph_leave(lyc_graph *g)
{
    if (g->depth > 0) {
        g->layer = g->outer[--g->depth];
    }
}

const char *lyc_graph_layer(const lyc_graph *g)
{
    return g->layer;
}

/* Makes room for one more pointer in a growing array. */
static bool reserve(void *array_address, int count, int *capacity)
{
    void **array = array_address;
    if (count < *capacity) {
        return true;
    }
    int larger = *capacity == 0 ? 64 : *capacity * 2;
    void *moved = lyc_realloc(*array, (size_t)larger * sizeof(void *));
    if (moved == NULL) {
        return false;
    }
    *array = moved;
    *capacity = larger;
    return true;
}

static lyc_value *new_value(lyc_graph *g, lyc_value_kind kind, lyc_value_type type, const lyc_shape *shape)
{
    if (!reserve(&g->values, g->n_values, &g->values_capacity)) {
        return lyc_graph_out_of_memory(g);
    }
    lyc_value *v = lyc_arena_alloc(&g->arena, 1, sizeof *v);
    if (v == NULL) {
        return lyc_graph_out_of_memory(g);
    }
    v->id = g->n_values;
    v->kind = kind;
    v->type = type;
    v->shape = *shape;
    v->layer = g->layer;
    g->values[g->n_values++] = v;
    return v;
}

/* A value from outside: an input, a weight or a parameter. Its size must fit even as f64. */
static lyc_value *new_leaf(lyc_graph *g, lyc_value_kind kind, const char *name, lyc_value_type type,
                           const lyc_shape *shape)
{
    if (g->error.status != LYC_OK) {
        return &g->poison;
    }
    size_t bytes;
    lyc_error err;
    if (shape->rank < 0 || shape->rank > LYC_MAX_RANK) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "%s: rank %d, at most %d is possible", name, shape->rank, LYC_MAX_RANK);
    }
    if (lyc_shape_bytes(&bytes, shape, LYC_F64, &err) != LYC_OK) {
        return lyc_graph_fail(g, err.status, "%s: %s", name, err.message);
    }
    if (bytes == 0) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "%s: no elements", name);
    }
    lyc_value *v = new_value(g, kind, type, shape);
    if (lyc_value_failed(v)) {
        return v;
    }
    v->name = lyc_arena_text(&g->arena, name);
    return v->name != NULL ? v : lyc_graph_out_of_memory(g);
}

lyc_value *lyc_graph_input(lyc_graph *g, const char *name, lyc_value_type type, lyc_shape shape)
{
    if (type == LYC_STORED) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "input %s: an input has a role, not a stored dtype", name);
    }
    return new_leaf(g, LYC_VALUE_INPUT, name, type, &shape);
}

lyc_value *lyc_graph_weight(lyc_graph *g, const char *name, lyc_dtype dtype, lyc_shape shape, const void *data)
{
    if (!lyc_dtype_computable(dtype)) {
        return lyc_graph_fail(g, LYC_E_UNSUPPORTED, "weight %s: cannot compute with %s", name, lyc_dtype_name(dtype));
    }
    lyc_value *v = new_leaf(g, LYC_VALUE_WEIGHT, name, LYC_STORED, &shape);
    if (!lyc_value_failed(v)) {
        v->dtype = dtype;
        v->data = data;
    }
    return v;
}

lyc_value *lyc_graph_constant(lyc_graph *g, lyc_shape shape, const float *data)
{
    lyc_value *v = new_leaf(g, LYC_VALUE_WEIGHT, "constant", LYC_STORED, &shape);
    if (lyc_value_failed(v)) {
        return v;
    }
    v->dtype = LYC_F32;
    v->is_constant = true;
    v->data = lyc_arena_copy(&g->constants, data, (size_t)lyc_shape_elements(&shape) * sizeof(float));
    return v->data != NULL ? v : lyc_graph_out_of_memory(g);
}

lyc_value *lyc_graph_scalar(lyc_graph *g, float value)
{
    return lyc_graph_constant(g, (lyc_shape){.rank = 0}, &value);
}

lyc_value *lyc_graph_param(lyc_graph *g, const char *name, lyc_value_type type, lyc_dtype dtype, lyc_shape shape)
{
    if (type != LYC_FLOAT && !(type == LYC_STORED && (dtype == LYC_BF16 || dtype == LYC_F32))) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "parameter %s: LYC_FLOAT, or stored as F32 or BF16", name);
    }
    lyc_value *v = new_leaf(g, LYC_VALUE_PARAM, name, type, &shape);
    if (!lyc_value_failed(v)) {
        v->dtype = dtype;
        v->needs_grad = true;
    }
    return v;
}

lyc_value *lyc_graph_output(lyc_graph *g, lyc_value *v)
{
    if (g->error.status == LYC_OK && !lyc_value_failed(v)) {
        v->is_output = true;
    }
    return v;
}

/* Whether the number of inputs and their presence are what the operation wants; says what is missing. */
static bool inputs_fit(lyc_graph *g, const lyc_op *op, int n_inputs, lyc_value *const *inputs)
{
    int named = lyc_op_count(op->inputs);
    int required = lyc_op_required(op);
    int most = lyc_op_variadic(op) ? LYC_MAX_INPUTS : named;
    if (n_inputs < required || n_inputs > most) {
        lyc_graph_fail(g, LYC_E_ARGUMENT, "%s: %d inputs, expected %d to %d (%s)", op->name, n_inputs, required, most,
                       op->inputs);
        return false;
    }
    for (int i = 0; i < n_inputs; i++) {
        char name[64];
        if (inputs[i] == NULL && !lyc_op_optional(op, i)) {
            lyc_graph_fail(g, LYC_E_ARGUMENT, "%s: input %s is missing", op->name,
                           lyc_op_input_name(name, sizeof name, op, i));
            return false;
        }
        if (inputs[i] != NULL && lyc_value_failed(inputs[i])) {
            return false;
        }
    }
    return true;
}

static bool add_outputs(lyc_graph *g, lyc_node *n, const lyc_value_info *info)
{
    bool needs_grad = false;
    for (int i = 0; i < n->n_inputs; i++) {
        needs_grad = needs_grad || (n->inputs[i] != NULL && n->inputs[i]->needs_grad);
    }
    for (int k = 0; k < n->n_outputs; k++) {
        size_t bytes;
        lyc_error err;
        if (lyc_shape_bytes(&bytes, &info[k].shape, LYC_F64, &err) != LYC_OK) {
            lyc_graph_fail(g, err.status, "%s: result %s", n->op->name, err.message);
            return false;
        }
        lyc_value *v = new_value(g, LYC_VALUE_NODE, info[k].type, &info[k].shape);
        if (lyc_value_failed(v)) {
            return false;
        }
        v->node = n;
        v->output_index = k;
        v->needs_grad = needs_grad && info[k].type != LYC_INDEX;
        n->outputs[k] = v;
    }
    return true;
}

lyc_value *lyc_graph_add(lyc_graph *g, const lyc_op *op, int n_inputs, lyc_value *const *inputs, const void *attr)
{
    if (g->error.status != LYC_OK || !inputs_fit(g, op, n_inputs, inputs)) {
        return &g->poison;
    }
    if (!reserve(&g->nodes, g->n_nodes, &g->nodes_capacity)) {
        return lyc_graph_out_of_memory(g);
    }
    lyc_node *n = lyc_arena_alloc(&g->arena, 1, sizeof *n);
    if (n == NULL) {
        return lyc_graph_out_of_memory(g);
    }
    n->id = g->n_nodes;
    n->op = op;
    n->layer = g->layer;
    n->backward = g->backward;
    n->n_inputs = n_inputs;
    n->n_outputs = lyc_op_count(op->outputs);
    memcpy(n->inputs, inputs, (size_t)n_inputs * sizeof *inputs);
    if (op->attr_size > 0) {
        assert(attr != NULL);
        n->attr = lyc_arena_copy(&g->arena, attr, op->attr_size);
        if (n->attr == NULL) {
            return lyc_graph_out_of_memory(g);
        }
    }
    lyc_value_info info[LYC_MAX_OUTPUTS] = {0};
    lyc_error err;
    if (op->infer(n, info, &err) != LYC_OK) {
        return lyc_graph_fail(g, err.status, "%s: %s", op->name, err.message);
    }
    if (!add_outputs(g, n, info)) {
        return &g->poison;
    }
    g->nodes[g->n_nodes++] = n;
    return n->outputs[0];
}

int lyc_graph_node_count(const lyc_graph *g)
{
    return g->n_nodes;
}

lyc_node *lyc_graph_node(const lyc_graph *g, int index)
{
    return g->nodes[index];
}

int lyc_graph_value_count(const lyc_graph *g)
{
    return g->n_values;
}

lyc_value *lyc_graph_value(const lyc_graph *g, int index)
{
    return g->values[index];
}
