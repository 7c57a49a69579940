/* lower.c - from the nodes that outputs need to steps and slots
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "graph/graph_internal.h"
#include "graph/program.h"

static bool grow(void *array_address, int count, int *capacity)
{
    void **array = array_address;
    if (count < *capacity) {
        return true;
    }
    int larger = *capacity == 0 ? 256 : *capacity * 2;
    void *moved = lyc_realloc(*array, (size_t)larger * sizeof(void *));
    if (moved == NULL) {
        return false;
    }
    *array = moved;
    *capacity = larger;
    return true;
}

lyc_slot *lyc_program_add_slot(lyc_program *p)
{
    if (!grow(&p->slots, p->n_slots, &p->slots_capacity)) {
        return NULL;
    }
    lyc_slot *slot = lyc_arena_alloc(&p->arena, 1, sizeof *slot);
    if (slot != NULL) {
        slot->id = p->n_slots;
        slot->view_of = -1;
        slot->origin = p->n_slots;
        slot->next_copy = -1;
        p->slots[p->n_slots++] = slot;
    }
    return slot;
}

static void renumber(lyc_program *p, int from)
{
    for (int i = from; i < p->n_steps; i++) {
        p->steps[i]->position = i;
    }
}

lyc_step *lyc_program_insert_step(lyc_program *p, int position)
{
    if (!grow(&p->steps, p->n_steps, &p->steps_capacity)) {
        return NULL;
    }
    lyc_step *step = lyc_arena_alloc(&p->arena, 1, sizeof *step);
    if (step == NULL) {
        return NULL;
    }
    memmove(&p->steps[position + 1], &p->steps[position], (size_t)(p->n_steps - position) * sizeof *p->steps);
    p->steps[position] = step;
    p->n_steps++;
    renumber(p, position);
    return step;
}

void lyc_program_remove_step(lyc_program *p, int position)
{
    p->n_steps--;
    memmove(&p->steps[position], &p->steps[position + 1], (size_t)(p->n_steps - position) * sizeof *p->steps);
    renumber(p, position);
}

void lyc_program_move_step(lyc_program *p, int from, int to)
{
    lyc_step *step = p->steps[from];
    lyc_program_remove_step(p, from);
    memmove(&p->steps[to + 1], &p->steps[to], (size_t)(p->n_steps - to) * sizeof *p->steps);
    p->steps[to] = step;
    p->n_steps++;
    renumber(p, to < from ? to : from);
}

void lyc_program_clear(lyc_program *p)
{
    for (int i = 0; i < p->n_steps; i++) {
        const lyc_step *step = p->steps[i];
        if (!step->recomputed && step->kernel != NULL && step->kernel->release != NULL) {
            step->kernel->release(step->state);
        }
    }
    lyc_free(p->slots);
    lyc_free(p->steps);
    lyc_free(p->slot_of_value);
    lyc_arena_clear(&p->arena);
    memset(p, 0, sizeof *p);
}

static lyc_dtype dtype_of(const lyc_value *v, lyc_precision precision)
{
    switch (v->type) {
    case LYC_ACTIVATION:
        return precision == LYC_PRECISION_BF16 ? LYC_BF16 : precision == LYC_PRECISION_F64 ? LYC_F64 : LYC_F32;
    case LYC_FLOAT:
        return precision == LYC_PRECISION_F64 ? LYC_F64 : LYC_F32;
    case LYC_INDEX:
        return LYC_I32;
    case LYC_STORED:
        break;
    }
    return v->dtype;
}

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
}

static lyc_status add_value_slot(lyc_slot **out, lyc_program *p, const lyc_value *v, lyc_error *err)
{
    lyc_slot *slot = lyc_program_add_slot(p);
    if (slot == NULL) {
        return no_memory(err);
    }
    slot->dtype = dtype_of(v, p->precision);
    slot->shape = v->shape;
    LYC_TRY(lyc_shape_bytes(&slot->bytes, &v->shape, slot->dtype, err));
    slot->value = v;
    slot->value_kind = v->kind;
    slot->kept = v->is_output;
    slot->weight_data = v->data;
    slot->constant = v->is_constant;
    slot->kind = v->kind == LYC_VALUE_NODE     ? LYC_SLOT_ARENA
                 : v->kind == LYC_VALUE_WEIGHT ? LYC_SLOT_WEIGHT
                                               : LYC_SLOT_BOUND;
    if (v->name != NULL) {
        slot->name = lyc_arena_text(&p->arena, v->name);
        if (slot->name == NULL) {
            return no_memory(err);
        }
    }
    p->slot_of_value[v->id] = slot->id;
    *out = slot;
    return LYC_OK;
}

/* Marks the nodes that outputs need. Nodes are in topological order, so one pass from the back is enough. */
static void mark_needed(bool *needed, const lyc_graph *g)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const lyc_node *n = g->nodes[i];
        for (int k = 0; k < n->n_outputs; k++) {
            needed[n->outputs[k]->id] = needed[n->outputs[k]->id] || n->outputs[k]->is_output;
        }
        bool used = false;
        for (int k = 0; k < n->n_outputs; k++) {
            used = used || needed[n->outputs[k]->id];
        }
        for (int j = 0; used && j < n->n_inputs; j++) {
            if (n->inputs[j] != NULL) {
                needed[n->inputs[j]->id] = true;
            }
        }
    }
}

/* A view of a frozen weight is a frozen weight, one of a bound value is bound; neither needs a step. */
static bool lower_outer_view(lyc_program *p, const lyc_node *n, int64_t offset)
{
    const lyc_slot *source = p->slots[p->slot_of_value[n->inputs[0]->id]];
    lyc_slot *slot = p->slots[p->slot_of_value[n->outputs[0]->id]];
    if (source->kind == LYC_SLOT_ARENA || n->outputs[0]->is_output ||
        (source->kind == LYC_SLOT_BOUND && source->dtype != slot->dtype)) {
        return false;
    }
    const size_t element = (size_t)lyc_dtype_bits(source->dtype) / 8;
    slot->kind = source->kind;
    slot->dtype = source->dtype;
    slot->name = source->name;
    slot->bytes = (size_t)lyc_shape_elements(&slot->shape) * element;
    if (source->kind == LYC_SLOT_WEIGHT) {
        slot->value_kind = LYC_VALUE_WEIGHT;
        slot->constant = source->constant;
        slot->weight_data = (const char *)source->weight_data + (size_t)offset * element;
    } else {
        slot->view_of = source->id;
        slot->view_offset = (size_t)offset * element;
    }
    return true;
}

static lyc_status copy_texts(lyc_program *p, lyc_step *step, const lyc_node *n, lyc_error *err)
{
    step->layer = lyc_arena_text(&p->arena, n->layer);
    step->attr = n->attr != NULL ? lyc_arena_copy(&p->arena, n->attr, n->op->attr_size) : NULL;
    return step->layer == NULL || (n->attr != NULL && step->attr == NULL) ? no_memory(err) : LYC_OK;
}

static lyc_status lower_node(lyc_program *p, const lyc_node *n, const bool *needed, lyc_error *err)
{
    for (int k = 0; k < n->n_outputs; k++) {
        lyc_slot *slot;
        if (k == 0 || needed[n->outputs[k]->id]) {
            LYC_TRY(add_value_slot(&slot, p, n->outputs[k], err));
        }
    }
    const int64_t offset = n->op->view != NULL ? n->op->view(n) : -1;
    if (offset >= 0 && lower_outer_view(p, n, offset)) {
        return LYC_OK;
    }
    lyc_step *step = lyc_program_insert_step(p, p->n_steps);
    if (step == NULL) {
        return no_memory(err);
    }
    step->op = n->op;
    step->backward = n->backward;
    step->n_inputs = n->n_inputs;
    step->n_outputs = n->n_outputs;
    LYC_TRY(copy_texts(p, step, n, err));
    for (int i = 0; i < n->n_inputs; i++) {
        step->in[i] = n->inputs[i] != NULL ? p->slot_of_value[n->inputs[i]->id] : -1;
    }
    for (int k = 0; k < n->n_outputs; k++) {
        step->out[k] = p->slot_of_value[n->outputs[k]->id];
        if (step->out[k] >= 0) {
            p->slots[step->out[k]]->producer = step;
            p->slots[step->out[k]]->output_index = k;
        }
    }
    lyc_slot *out = p->slots[step->out[0]];
    const lyc_slot *in = n->n_inputs > 0 ? p->slots[step->in[0]] : NULL;
    if (in != NULL && offset >= 0 && in->kind == LYC_SLOT_ARENA && in->dtype == out->dtype && !out->kept) {
        step->view = true;
        out->view_of = in->id;
        out->view_offset = (size_t)offset * (size_t)lyc_dtype_bits(out->dtype) / 8;
    }
    return LYC_OK;
}

lyc_status lyc_program_lower(lyc_program *p, const lyc_graph *g, lyc_precision precision, lyc_error *err)
{
    LYC_TRY(lyc_graph_status(g, err));
    memset(p, 0, sizeof *p);
    p->precision = precision;
    p->n_values = g->n_values;
    p->slot_of_value = lyc_alloc(((size_t)g->n_values + 1) * sizeof(int));
    bool *needed = lyc_alloc_zero((size_t)g->n_values + 1, sizeof(bool));
    lyc_status status = LYC_OK;
    if (p->slot_of_value == NULL || needed == NULL) {
        status = no_memory(err);
        goto done;
    }
    for (int i = 0; i < g->n_values; i++) {
        p->slot_of_value[i] = -1;
    }
    mark_needed(needed, g);
    for (int i = 0; i < g->n_values && status == LYC_OK; i++) {
        lyc_slot *slot;
        const lyc_value *v = g->values[i];
        if (v->kind != LYC_VALUE_NODE && (needed[i] || v->is_output)) {
            status = add_value_slot(&slot, p, v, err);
        }
    }
    for (int i = 0; i < g->n_nodes && status == LYC_OK; i++) {
        bool used = false;
        for (int k = 0; k < g->nodes[i]->n_outputs; k++) {
            used = used || needed[g->nodes[i]->outputs[k]->id];
        }
        if (used) {
            status = lower_node(p, g->nodes[i], needed, err);
        }
    }
    if (status == LYC_OK && p->n_steps == 0) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "the graph computes nothing: no value is marked as an output");
    }
done:
    lyc_free(needed);
    return status;
}
