/* select.c - a kernel for every step, its state, its scratch, and frozen operands in the form it takes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/string.h"
#include "graph/program.h"
#include "tensor/dtype.h"

/* The dtype in which a frozen operand is handed to a kernel that does not pack it: vectors (biases, gains) in f32,
 * larger ones in the precision of products. Integer tables stay as they are. */
static lyc_dtype plain_dtype(const lyc_slot *slot, lyc_precision precision)
{
    if (precision == LYC_PRECISION_F64) {
        return LYC_F64;
    }
    return precision == LYC_PRECISION_BF16 && slot->shape.rank > 1 ? LYC_BF16 : LYC_F32;
}

static lyc_operand operand_of(const lyc_program *p, int id)
{
    if (id < 0) {
        return (lyc_operand){0};
    }
    const lyc_slot *slot = p->slots[id];
    const bool frozen = slot->kind == LYC_SLOT_WEIGHT;
    return (lyc_operand){
        .present = true,
        .frozen = frozen,
        .dtype = frozen ? plain_dtype(slot, p->precision) : slot->dtype,
        .stored = slot->dtype,
        .shape = slot->shape,
    };
}

static lyc_status describe(lyc_program *p, lyc_step *step, lyc_error *err)
{
    lyc_problem *problem = lyc_arena_alloc(&p->arena, 1, sizeof *problem);
    if (problem == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    problem->op = step->op;
    problem->attr = step->attr;
    problem->layer = step->layer;
    problem->n_inputs = step->n_inputs;
    problem->n_outputs = step->n_outputs;
    for (int i = 0; i < step->n_inputs; i++) {
        problem->in[i] = operand_of(p, step->in[i]);
    }
    for (int k = 0; k < step->n_outputs; k++) {
        problem->out[k] = operand_of(p, step->out[k]);
    }
    step->problem = problem;
    return LYC_OK;
}

static const lyc_kernel *find_in_set(const lyc_kernel_set *set, const lyc_problem *problem)
{
    for (int i = 0; set->kernels[i] != NULL; i++) {
        const lyc_kernel *kernel = set->kernels[i];
        if (kernel->op == problem->op && (kernel->accepts == NULL || kernel->accepts(problem))) {
            return kernel;
        }
    }
    return NULL;
}

const lyc_kernel *lyc_backend_find(const lyc_backend *backend, const lyc_problem *problem)
{
    for (int i = 0; backend->sets[i] != NULL; i++) {
        const lyc_kernel *kernel = find_in_set(backend->sets[i], problem);
        if (kernel != NULL) {
            return kernel;
        }
    }
    return NULL;
}

static const lyc_kernel *find_reference(const lyc_backend *backend, const lyc_problem *problem)
{
    int last = 0;
    while (backend->sets[last + 1] != NULL) {
        last++;
    }
    return find_in_set(backend->sets[last], problem);
}

/* What it takes to make one form later. */
typedef struct maker {
    const lyc_step *step;
    int input;
    void (*weights_read)(void *context, size_t bytes); /* of the plan's options */
    void *weights_context;
} maker;

static lyc_status name_step(lyc_error *err, const lyc_step *step)
{
    return step->layer[0] != '\0' ? lyc_wrap(err, "layer %s: %s", step->layer, step->op->name)
                                  : lyc_wrap(err, "%s", step->op->name);
}

/* The stored bytes of the operand were read. */
static void tell_read(const maker *m)
{
    const lyc_operand *o = &m->step->problem->in[m->input];
    if (m->weights_read != NULL) {
        const size_t bits = (size_t)lyc_dtype_bits(o->stored);
        m->weights_read(m->weights_context, (size_t)lyc_shape_elements(&o->shape) * bits / 8);
    }
}

static lyc_status make_packed(void *dst, const void *src, void *context, lyc_error *err)
{
    const maker *m = context;
    const lyc_step *step = m->step;
    const lyc_status status = step->kernel->pack(dst, step->problem, step->state, m->input, src, err);
    tell_read(m);
    return status == LYC_OK ? LYC_OK : name_step(err, step);
}

static lyc_status make_converted(void *dst, const void *src, void *context, lyc_error *err)
{
    const maker *m = context;
    const lyc_operand *o = &m->step->problem->in[m->input];
    const size_t n = (size_t)lyc_shape_elements(&o->shape);
    const lyc_status status = lyc_dtype_convert_parallel(dst, o->dtype, src, o->stored, n, err);
    tell_read(m);
    return status == LYC_OK ? LYC_OK : name_step(err, m->step);
}

/* The form of one frozen operand: packed by the kernel, converted, or the stored bytes themselves. */
static lyc_status take_frozen(lyc_program *p, lyc_step *step, int input, const lyc_slot *slot,
                              const lyc_plan_options *options, lyc_weight_store *weights, lyc_error *err)
{
    const lyc_operand *o = &step->problem->in[input];
    char key[LYC_PACK_KEY] = "";
    size_t bytes = 0;
    if (step->kernel->pack_bytes != NULL) {
        bytes = step->kernel->pack_bytes(key, step->problem, step->state, input);
    }
    const bool packs = bytes > 0;
    const size_t element = (size_t)lyc_dtype_bits(o->stored) / 8;
    if (!packs && o->stored == o->dtype && (uintptr_t)slot->weight_data % element == 0) {
        step->packed[input] = slot->weight_data;
        return LYC_OK;
    }
    if (!packs) {
        LYC_TRY(lyc_shape_bytes(&bytes, &o->shape, o->dtype, err));
        snprintf(key, sizeof key, "as %s", lyc_dtype_name(o->dtype));
    }
    maker *context = lyc_arena_alloc(&p->arena, 1, sizeof *context);
    if (context == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a plan");
    }
    *context = (maker){step, input, options->weights_read, options->weights_context};
    return lyc_weight_store_get(&step->packed[input], weights, slot->weight_data, key, bytes,
                                packs ? make_packed : make_converted, context, err);
}

static void log_choice(const lyc_step *step)
{
    if (!lyc_log_enabled(LYC_LOG_DEBUG, LYC_LOG_KERNELS)) {
        return;
    }
    lyc_strbuf text = {0};
    lyc_problem_print(&text, step->problem);
    lyc_log_write(LYC_LOG_DEBUG, LYC_LOG_KERNELS, "%s: %s  [%s]", step->kernel->name, lyc_strbuf_text(&text),
                  step->layer);
    lyc_strbuf_clear(&text);
}

/* Rough speeds of a processor; recompute.c only compares. */
static double guess_seconds(const lyc_problem *problem)
{
    const double flops_per_second = 2e11;
    const double bytes_per_second = 2e10;
    return lyc_problem_flops(problem) / flops_per_second + lyc_problem_bytes(problem) / bytes_per_second;
}

static lyc_status select_step(lyc_program *p, lyc_step *step, const lyc_plan_options *options,
                              lyc_weight_store *weights, lyc_weight_store *own, lyc_error *err)
{
    LYC_TRY(describe(p, step, err));
    step->seconds = guess_seconds(step->problem);
    const bool reference = options->reference_only || p->precision == LYC_PRECISION_F64;
    step->kernel =
        reference ? find_reference(options->backend, step->problem) : lyc_backend_find(options->backend, step->problem);
    if (step->kernel == NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "backend %s has no kernel", options->backend->name);
    }
    if (step->kernel->prepare != NULL) {
        LYC_TRY(step->kernel->prepare(&step->state, step->problem, err));
    }
    if (step->kernel->workspace != NULL) {
        step->workspace_bytes = step->kernel->workspace(step->problem, step->state);
    }
    for (int i = 0; i < step->n_inputs; i++) {
        const lyc_slot *slot = step->in[i] >= 0 ? p->slots[step->in[i]] : NULL;
        if (slot != NULL && slot->kind == LYC_SLOT_WEIGHT) {
            LYC_TRY(take_frozen(p, step, i, slot, options, slot->constant ? own : weights, err));
        }
    }
    log_choice(step);
    return LYC_OK;
}

static lyc_status select_all(lyc_program *p, const lyc_plan_options *options, lyc_weight_store *weights,
                             lyc_weight_store *own, lyc_error *err)
{
    for (int i = 0; i < p->n_steps; i++) {
        lyc_step *step = p->steps[i];
        if (!step->view && select_step(p, step, options, weights, own, err) != LYC_OK) {
            return name_step(err, step);
        }
    }
    LYC_TRY(lyc_weight_store_make(own, err));
    return own == weights ? LYC_OK : lyc_weight_store_make(weights, err);
}

lyc_status lyc_program_select(lyc_program *p, const lyc_plan_options *options, lyc_weight_store *weights,
                              lyc_weight_store *own, lyc_error *err)
{
    const lyc_status status = select_all(p, options, weights, own, err);
    if (status != LYC_OK) {
        lyc_weight_store_forget(weights);
        lyc_weight_store_forget(own);
    }
    return status;
}
