/* plan.c - compiling, binding, running
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "graph/graph_internal.h"
#include "graph/plan_internal.h"
#include "tensor/dtype.h"

/* Sums by purpose of everything but the arena. */
static void sum_memory(lyc_plan *plan)
{
    const lyc_program *p = &plan->program;
    lyc_plan_memory *m = &plan->memory;
    for (int i = 0; i < p->n_slots; i++) {
        const lyc_slot *slot = p->slots[i];
        if (slot->kind != LYC_SLOT_BOUND || slot->view_of >= 0) {
            continue;
        }
        if (slot->value_kind == LYC_VALUE_PARAM) {
            m->params += slot->bytes;
            m->optimiser += (size_t)lyc_shape_elements(&slot->shape) * plan->options.optimiser_bytes_per_param;
        } else {
            m->inputs += slot->bytes;
        }
    }
    for (int i = 0; i < p->n_steps; i++) {
        const lyc_step *step = p->steps[i];
        m->workspace = step->workspace_bytes > m->workspace ? step->workspace_bytes : m->workspace;
        for (int j = 0; j < step->n_inputs; j++) {
            const lyc_slot *slot = step->in[j] >= 0 ? p->slots[step->in[j]] : NULL;
            if (slot != NULL && step->packed[j] == slot->weight_data && slot->weight_data != NULL) {
                m->weights_borrowed += slot->bytes;
            }
        }
    }
    m->weights = lyc_weight_store_bytes(plan->weights);
}

static void sum_gradients(lyc_plan *plan, const lyc_graph *g)
{
    for (int i = 0; i < g->n_gradients; i++) {
        const lyc_value *d = g->gradients[i];
        if (d != NULL && d->is_output && plan->program.slot_of_value[d->id] >= 0) {
            plan->memory.gradients += plan->program.slots[plan->program.slot_of_value[d->id]]->bytes;
        }
    }
}

/* Everything in the total that does not depend on the order of steps. */
static size_t fixed_bytes(const lyc_plan_memory *m)
{
    return m->weights + m->params + m->optimiser + m->inputs;
}

/* Fits the arena under the budget: recomputes for what may be alive, and for less when the gaps between buffers make
 * the arena larger than that. */
static lyc_status arrange(lyc_plan *plan, lyc_error *err)
{
    lyc_program *p = &plan->program;
    lyc_liveness *l = &plan->liveness;
    LYC_TRY(lyc_program_schedule(p, l, err));
    LYC_TRY(lyc_buffers_place(&plan->memory.arena, l->buffers, l->n_buffers, err));
    const size_t budget = plan->options.budget_bytes;
    const size_t fixed = fixed_bytes(&plan->memory);
    if (budget == 0) {
        return LYC_OK;
    }
    const size_t room = budget > fixed ? budget - fixed : 0;
    size_t goal = room;
    while (plan->memory.arena > room && l->peak_bytes > 0) {
        const size_t peak = l->peak_bytes;
        goal = goal < peak ? goal : peak - peak / 64;
        LYC_TRY(lyc_program_recompute(p, l, goal, err));
        LYC_TRY(lyc_buffers_place(&plan->memory.arena, l->buffers, l->n_buffers, err));
        if (l->peak_bytes > goal) {
            break; /* nothing is left to give up */
        }
        goal -= goal / 64;
    }
    if (plan->memory.arena > room) {
        return lyc_fail(err, LYC_E_MEMORY,
                        "a budget of %zu bytes cannot be kept; the least possible is %zu (weights %zu, parameters %zu, "
                        "optimiser %zu, inputs %zu, arena %zu)",
                        budget, fixed + plan->memory.arena, plan->memory.weights, plan->memory.params,
                        plan->memory.optimiser, plan->memory.inputs, plan->memory.arena);
    }
    return LYC_OK;
}

/* Offsets from buffers to slots and workspaces. Views and results in place follow their source, which comes earlier in
 * the order. */
static lyc_status take_offsets(lyc_plan *plan, lyc_error *err)
{
    lyc_program *p = &plan->program;
    const lyc_liveness *l = &plan->liveness;
    size_t *of_root = lyc_alloc_zero((size_t)p->n_slots + 1, sizeof *of_root);
    if (of_root == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    for (int i = 0; i < l->n_buffers; i++) {
        if (l->buffers[i].root >= 0) {
            of_root[l->buffers[i].root] = l->buffers[i].offset;
        } else {
            p->steps[l->buffers[i].first]->workspace_offset = l->buffers[i].offset;
        }
    }
    for (int i = 0; i < p->n_steps; i++) {
        const lyc_step *step = p->steps[i];
        for (int k = 0; k < step->n_outputs; k++) {
            lyc_slot *slot = step->out[k] >= 0 ? p->slots[step->out[k]] : NULL;
            if (slot != NULL) {
                slot->offset =
                    slot->view_of >= 0 ? p->slots[slot->view_of]->offset + slot->view_offset : of_root[slot->root];
            }
        }
    }
    lyc_free(of_root);
    return LYC_OK;
}

/* Where every arena slot lies in the arena of this moment. */
static void locate(lyc_plan *plan, char *arena)
{
    plan->arena = arena;
    plan->calls_filled = false;
    for (int i = 0; i < plan->program.n_slots; i++) {
        lyc_slot *slot = plan->program.slots[i];
        if (slot->kind == LYC_SLOT_ARENA) {
            slot->data = arena + slot->offset;
        }
    }
}

static void fill_call(lyc_plan *plan, lyc_step *step)
{
    for (int j = 0; j < step->n_inputs; j++) {
        const lyc_slot *slot = step->in[j] >= 0 ? plan->program.slots[step->in[j]] : NULL;
        step->call_in[j] = slot == NULL ? NULL : slot->kind == LYC_SLOT_WEIGHT ? step->packed[j] : slot->data;
    }
    for (int k = 0; k < step->n_outputs; k++) {
        step->call_out[k] = step->out[k] >= 0 ? plan->program.slots[step->out[k]]->data : NULL;
    }
    step->call = (lyc_call){
        .problem = step->problem,
        .in = step->call_in,
        .out = step->call_out,
        .workspace = step->workspace_bytes > 0 ? plan->arena + step->workspace_offset : NULL,
        .state = step->state,
    };
}

/* Makes a shared arena large enough. Other plans of it find out when they run. */
static lyc_status grow_shared(lyc_shared_arena *shared, size_t bytes, const lyc_backend *backend, lyc_error *err)
{
    if (shared->bytes >= bytes) {
        return LYC_OK;
    }
    lyc_shared_arena_clear(shared, backend);
    shared->memory = backend->alloc(bytes);
    if (shared->memory == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an arena of %zu bytes", bytes);
    }
    shared->bytes = bytes;
    return LYC_OK;
}

void lyc_shared_arena_clear(lyc_shared_arena *arena, const lyc_backend *backend)
{
    if (arena->memory != NULL) {
        backend->release(arena->memory);
    }
    *arena = (lyc_shared_arena){0};
}

static lyc_status allocate(lyc_plan *plan, lyc_error *err)
{
    LYC_TRY(take_offsets(plan, err));
    lyc_shared_arena *arena = plan->options.arena != NULL ? plan->options.arena : &plan->own_arena;
    LYC_TRY(grow_shared(arena, plan->memory.arena, plan->options.backend, err));
    locate(plan, arena->memory);
    plan->memory.activations = plan->liveness.peak_bytes;
    plan->memory.total = fixed_bytes(&plan->memory) + plan->memory.arena;
    return LYC_OK;
}

static bool finite_check_wanted(const lyc_plan_options *options)
{
    const char *check = getenv("LYCORIS_CHECK");
    return options->check_finite || (check != NULL && strcmp(check, "finite") == 0);
}

/* A copy of the graph's own numbers, so that the graph may go. */
static lyc_status keep_constants(lyc_plan *plan, lyc_error *err)
{
    lyc_program *p = &plan->program;
    for (int i = 0; i < p->n_slots; i++) {
        lyc_slot *slot = p->slots[i];
        if (slot->kind == LYC_SLOT_WEIGHT && slot->constant) {
            slot->weight_data = lyc_arena_copy(&p->arena, slot->weight_data, slot->bytes);
            if (slot->weight_data == NULL) {
                return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
            }
        }
    }
    return LYC_OK;
}

static void log_plan(const lyc_plan *plan)
{
    if (lyc_log_enabled(LYC_LOG_DEBUG, LYC_LOG_PLAN)) {
        const lyc_plan_memory *m = &plan->memory;
        lyc_log_write(
            LYC_LOG_DEBUG, LYC_LOG_PLAN,
            "%d steps, %d recomputed; bytes: weights %zu, params %zu, optimiser %zu, inputs %zu, arena %zu (alive at "
            "once %zu), total %zu",
            lyc_plan_step_count(plan), lyc_plan_recomputed_count(plan), m->weights, m->params, m->optimiser, m->inputs,
            m->arena, m->activations, m->total);
    }
}

static lyc_status compile(lyc_plan *plan, const lyc_graph *g, lyc_error *err)
{
    LYC_TRY(lyc_program_lower(&plan->program, g, plan->options.precision, err));
    LYC_TRY(keep_constants(plan, err));
    LYC_TRY(lyc_program_fuse(&plan->program, err));
    LYC_TRY(lyc_weight_store_new(&plan->own_weights, plan->options.backend, err));
    if (plan->weights == NULL) {
        plan->weights = plan->own_weights;
    }
    LYC_TRY(lyc_program_select(&plan->program, &plan->options, plan->weights, plan->own_weights, err));
    sum_memory(plan);
    sum_gradients(plan, g);
    LYC_TRY(arrange(plan, err));
    LYC_TRY(allocate(plan, err));
    log_plan(plan);
    return LYC_OK;
}

lyc_status lyc_plan_compile(lyc_plan **out, const lyc_graph *g, const lyc_plan_options *options, lyc_error *err)
{
    lyc_plan *plan = lyc_alloc_zero(1, sizeof *plan);
    if (plan == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    plan->options = *options;
    plan->weights = options->weights;
    plan->check_finite = finite_check_wanted(options);
    plan->threads = lyc_thread_count();
    const int before = lyc_thread_divide_for(plan->threads);
    const lyc_status status = compile(plan, g, err);
    lyc_thread_divide_for(before);
    if (status != LYC_OK) {
        lyc_plan_free(plan);
        return status;
    }
    *out = plan;
    return LYC_OK;
}

void lyc_plan_free(lyc_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    lyc_shared_arena_clear(&plan->own_arena, plan->options.backend);
    lyc_liveness_clear(&plan->liveness);
    lyc_program_clear(&plan->program);
    lyc_weight_store_free(plan->own_weights);
    lyc_free(plan);
}

static lyc_slot *slot_of(const lyc_plan *plan, const lyc_value *v)
{
    const lyc_program *p = &plan->program;
    const int id = v->id >= 0 && v->id < p->n_values ? p->slot_of_value[v->id] : -1;
    return id >= 0 ? p->slots[id] : NULL;
}

lyc_status lyc_plan_bind(lyc_plan *plan, const lyc_value *v, void *data, size_t size_bytes, lyc_error *err)
{
    if (v->kind != LYC_VALUE_INPUT && v->kind != LYC_VALUE_PARAM) {
        return lyc_fail(err, LYC_E_ARGUMENT, "only inputs and parameters can be bound");
    }
    lyc_slot *slot = slot_of(plan, v);
    if (slot == NULL) {
        return LYC_OK; /* nothing in this plan reads it */
    }
    if (slot->bytes != size_bytes) {
        char shape[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "%s: %zu bytes, expected %zu (%s of %s)", slot->name, size_bytes, slot->bytes,
                        lyc_shape_text(shape, sizeof shape, &slot->shape), lyc_dtype_name(slot->dtype));
    }
    plan->calls_filled = plan->calls_filled && slot->data == data;
    slot->data = data;
    return LYC_OK;
}

lyc_dtype lyc_plan_dtype(const lyc_plan *plan, const lyc_value *v)
{
    const lyc_slot *slot = slot_of(plan, v);
    return slot != NULL ? slot->dtype : LYC_F32;
}

size_t lyc_plan_bytes(const lyc_plan *plan, const lyc_value *v)
{
    const lyc_slot *slot = slot_of(plan, v);
    return slot != NULL ? slot->bytes : 0;
}

static lyc_status fill_calls(lyc_plan *plan, lyc_error *err)
{
    for (int i = 0; i < plan->program.n_slots; i++) {
        lyc_slot *slot = plan->program.slots[i];
        if (slot->kind == LYC_SLOT_BOUND && slot->view_of >= 0) {
            slot->data = (char *)plan->program.slots[slot->view_of]->data + slot->view_offset;
        }
        if (slot->kind == LYC_SLOT_BOUND && slot->data == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s is not bound", slot->name);
        }
    }
    for (int i = 0; i < plan->program.n_steps; i++) {
        fill_call(plan, plan->program.steps[i]);
    }
    plan->calls_filled = true;
    return LYC_OK;
}

/* Index of the first NaN or infinity; -1 when all are finite. */
static int64_t first_not_finite(const lyc_slot *slot)
{
    const int64_t n = lyc_shape_elements(&slot->shape);
    const size_t element = (size_t)lyc_dtype_bits(slot->dtype) / 8;
    for (int64_t i = 0; lyc_dtype_is_float(slot->dtype) && i < n; i++) {
        if (!isfinite(lyc_dtype_load(slot->dtype, (const char *)slot->data + (size_t)i * element))) {
            return i;
        }
    }
    return -1;
}

static lyc_status check_outputs(const lyc_plan *plan, const lyc_step *step, lyc_error *err)
{
    for (int k = 0; k < step->n_outputs; k++) {
        const lyc_slot *slot = step->out[k] >= 0 ? plan->program.slots[step->out[k]] : NULL;
        const int64_t at = slot != NULL ? first_not_finite(slot) : -1;
        if (at >= 0) {
            char shape[LYC_SHAPE_TEXT];
            return lyc_fail(err, LYC_E_NUMERIC, "result %d of %s has a value that is not finite at element %lld", k,
                            lyc_shape_text(shape, sizeof shape, &slot->shape), (long long)at);
        }
    }
    return LYC_OK;
}

static lyc_status run_step(const lyc_plan *plan, lyc_step *step, lyc_error *err)
{
    step->call.err = err;
    lyc_status status = step->kernel->run(&step->call);
    if (status == LYC_OK && plan->check_finite) {
        status = check_outputs(plan, step, err);
    }
    if (status != LYC_OK) {
        return step->layer[0] != '\0' ? lyc_wrap(err, "layer %s: %s", step->layer, step->op->name)
                                      : lyc_wrap(err, "%s", step->op->name);
    }
    return LYC_OK;
}

static lyc_status run_steps(double *seconds, lyc_plan *plan, lyc_error *err)
{
    lyc_status status = LYC_OK;
    for (int i = 0; i < plan->program.n_steps && status == LYC_OK; i++) {
        if (!plan->program.steps[i]->view) {
            const double start = seconds != NULL ? lyc_clock_s() : 0.0;
            status = run_step(plan, plan->program.steps[i], err);
            if (seconds != NULL) {
                seconds[i] += lyc_clock_s() - start;
            }
        }
    }
    return status;
}

static lyc_status run(double *seconds, lyc_plan *plan, lyc_error *err)
{
    if (plan->options.arena != NULL && plan->arena != plan->options.arena->memory) {
        locate(plan, plan->options.arena->memory);
    }
    if (!plan->calls_filled) {
        LYC_TRY(fill_calls(plan, err));
    }
    const int before = lyc_thread_divide_for(plan->threads);
    const lyc_status status = run_steps(seconds, plan, err);
    lyc_thread_divide_for(before);
    return status;
}

lyc_status lyc_plan_run(lyc_plan *plan, lyc_error *err)
{
    return run(NULL, plan, err);
}

lyc_status lyc_plan_run_timed(double *seconds, lyc_plan *plan, lyc_error *err)
{
    return run(seconds, plan, err);
}

const void *lyc_plan_data(const lyc_plan *plan, const lyc_value *v)
{
    const lyc_slot *slot = slot_of(plan, v);
    return slot != NULL && slot->kept ? slot->data : NULL;
}

lyc_plan_memory lyc_plan_memory_get(const lyc_plan *plan)
{
    return plan->memory;
}

int lyc_plan_step_count(const lyc_plan *plan)
{
    return plan->program.n_steps;
}

int lyc_plan_recomputed_count(const lyc_plan *plan)
{
    int count = 0;
    for (int i = 0; i < plan->program.n_steps; i++) {
        count += plan->program.steps[i]->recomputed;
    }
    return count;
}

double lyc_plan_flops(const lyc_plan *plan)
{
    double flops = 0.0;
    for (int i = 0; i < plan->program.n_steps; i++) {
        flops += plan->program.steps[i]->view ? 0.0 : lyc_problem_flops(plan->program.steps[i]->problem);
    }
    return flops;
}

double lyc_plan_bytes_moved(const lyc_plan *plan)
{
    double bytes = 0.0;
    for (int i = 0; i < plan->program.n_steps; i++) {
        bytes += plan->program.steps[i]->view ? 0.0 : lyc_problem_bytes(plan->program.steps[i]->problem);
    }
    return bytes;
}

const char *lyc_plan_kernel_name(const lyc_plan *plan, int step)
{
    const lyc_step *s = plan->program.steps[step];
    return s->view ? "view" : s->kernel->name;
}
