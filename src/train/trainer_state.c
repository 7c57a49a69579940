/* trainer_state.c - the state of a run: written, and gone on from
 *
 * Tensors: "param.<name>" (f32, or the 16 bits that are trained), what the optimiser has, "ema.<name>", "losses" of the
 * running average. Facts: where the run is, what it was started with. Saved between steps, when sums of gradients are
 * empty.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/string.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "train/state.h"
#include "train/trainer_internal.h"

enum { NAME_SIZE = 1100 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the state of a training");
}

/* --- facts ---------------------------------------------------------------------------------------------------------
 */

/* 64 bits do not go into numbers of JSON. */
static json_t *hexadecimal(uint64_t value)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    return json_string(text);
}

static json_t *noise_facts(const lyc_batch_noise_options *o)
{
    return json_pack("{sf sb sf si sf sf sb si si sf sb sf sb si sf sf}", "noise_offset", o->noise_offset,
                     "noise_offset_random_strength", (int)o->noise_offset_random_strength, "adaptive_noise_scale",
                     o->adaptive_noise_scale, "multires_noise_iterations", o->multires_noise_iterations,
                     "multires_noise_discount", o->multires_noise_discount, "ip_noise_gamma", o->ip_noise_gamma,
                     "ip_noise_gamma_random_strength", (int)o->ip_noise_gamma_random_strength, "min_timestep",
                     o->min_timestep, "max_timestep", o->max_timestep, "min_snr_gamma", o->min_snr_gamma,
                     "scale_v_pred_loss_like_noise_pred", (int)o->scale_v_pred_loss_like_noise_pred, "v_pred_like_loss",
                     o->v_pred_like_loss, "debiased_estimation_loss", (int)o->debiased_estimation_loss,
                     "huber_schedule", (int)o->huber_schedule, "huber_c", o->huber_c, "huber_scale", o->huber_scale);
}

/* What the numbers of a run depend on; rates, lengths and intervals may change on the way. */
static json_t *option_facts(const lyc_trainer *t)
{
    const lyc_trainer_options *o = &t->options;
    const lyc_train_model_options *m = &t->model->options;
    json_t *facts = noise_facts(&o->noise);
    json_t *args = json_array();
    for (size_t i = 0; i < o->optimizer_arg_count; i++) {
        json_array_append_new(args, json_string(o->optimizer_args[i]));
    }
    json_t *own = json_pack(
        "{so so sI sf ss so sf sf sI sb sb si si si sI sI ss sb sb}", "seed", hexadecimal(o->seed), "data",
        hexadecimal(t->source.fingerprint), "gradient_accumulation_steps", (json_int_t)o->gradient_accumulation_steps,
        "max_grad_norm", o->max_grad_norm, "optimizer_type", o->optimizer != NULL ? o->optimizer : "AdamW",
        "optimizer_args", args, "scale_weight_norms", o->scale_weight_norms, "ema_decay", o->ema_decay,
        "ema_update_interval", (json_int_t)o->ema_update_interval, "masked_loss", (int)o->masked_loss,
        "weighted_captions", (int)m->weighted_captions, "loss_type", (int)o->loss, "clip_skip", m->clip_skip,
        "token_sequences", m->chunks, "precision", (json_int_t)m->precision, "trained_numbers",
        (json_int_t)t->set.numbers, "trained_type", lyc_dtype_name(t->rounding.dtype), "stochastic_rounding",
        (int)o->stochastic_rounding, "loss_scaling", (int)o->loss_scaling);
    if (facts != NULL && own != NULL) {
        json_object_update(facts, own);
    }
    json_decref(own);
    return facts;
}

static json_t *facts_of(const lyc_trainer *t)
{
    const lyc_train_progress *p = &t->progress;
    return json_pack("{so sI sI sI sI sI sI sI sf sf sI}", "options", option_facts(t), "epoch", (json_int_t)p->epoch,
                     "position", (json_int_t)t->position, "batches", (json_int_t)t->batches, "skipped",
                     (json_int_t)p->skipped, "bad_in_row", (json_int_t)t->bad_in_row, "loss_count",
                     (json_int_t)t->loss_count, "ema_updates", (json_int_t)(t->has_ema ? t->ema.updates : 0), "seconds",
                     p->seconds, "loss_scale", t->scaler.scale, "good_steps", (json_int_t)t->scaler.good_steps);
}

/* --- saving --------------------------------------------------------------------------------------------------------
 */

typedef struct list {
    lyc_state_tensor *tensors;
    size_t count;
    lyc_arena names;
} list;

static void add(list *l, const char *prefix, const char *name, lyc_tensor_view view)
{
    l->tensors[l->count++] =
        (lyc_state_tensor){.name = lyc_arena_format(&l->names, "%s%s", prefix, name), .view = view};
}

static lyc_tensor_view view_of(const void *data, lyc_dtype dtype, lyc_shape shape, size_t size)
{
    return (lyc_tensor_view){.dtype = dtype, .shape = shape, .data = data, .size_bytes = size};
}

/* The values of a row as they are kept: they are numbers of that type, so nothing is lost. */
static lyc_status add_values(list *l, const lyc_trainer *t, const lyc_trainable *row, lyc_error *err)
{
    const lyc_dtype dtype = t->rounding.dtype;
    const void *data = row->value;
    size_t size;
    LYC_TRY(lyc_shape_bytes(&size, &row->shape, dtype, err));
    if (dtype != LYC_F32) {
        void *narrow = lyc_arena_alloc(&l->names, size + 1, 1);
        if (narrow == NULL) {
            return no_memory(err);
        }
        LYC_TRY(lyc_dtype_convert_parallel(narrow, dtype, data, LYC_F32, (size_t)row->count, err));
        data = narrow;
    }
    add(l, "param.", row->name, view_of(data, dtype, row->shape, size));
    return LYC_OK;
}

static lyc_status list_tensors(list *l, const lyc_trainer *t, lyc_error *err)
{
    const size_t states = lyc_optimizer_state_count(t->optimizer);
    l->tensors = lyc_alloc_zero(2 * t->set.count + states + 1, sizeof *l->tensors);
    if (l->tensors == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < t->set.count; i++) {
        const lyc_trainable *row = &t->set.rows[i];
        const size_t size = (size_t)row->count * sizeof(float);
        LYC_TRY(add_values(l, t, row, err));
        if (t->has_ema) {
            add(l, "ema.", row->name, view_of(t->ema.averages[i], LYC_F32, row->shape, size));
        }
    }
    for (size_t i = 0; i < states; i++) {
        char name[NAME_SIZE];
        lyc_optimizer_state_name(name, sizeof name, t->optimizer, i);
        add(l, "", name, lyc_optimizer_state_at(t->optimizer, i));
    }
    add(l, "", "losses",
        view_of(t->losses, LYC_F64, LYC_SHAPE(t->steps_per_epoch), (size_t)t->steps_per_epoch * sizeof(double)));
    for (size_t i = 0; i < l->count; i++) {
        if (l->tensors[i].name == NULL) {
            return no_memory(err);
        }
    }
    return LYC_OK;
}

lyc_status lyc_trainer_save_state(lyc_trainer *t, const char *folder, lyc_error *err)
{
    list l = {0};
    json_t *facts = facts_of(t);
    lyc_status status = facts != NULL ? list_tensors(&l, t, err) : no_memory(err);
    if (status == LYC_OK) {
        status = lyc_state_save(folder, t->progress.step, l.tensors, l.count, facts, err);
    }
    json_decref(facts);
    lyc_free(l.tensors);
    lyc_arena_clear(&l.names);
    return status;
}

/* --- going on ------------------------------------------------------------------------------------------------------
 */

/* A tensor of one type, as numbers of another, which can be the same. */
static lyc_status take(void *out, lyc_dtype wanted, const lyc_safetensors *file, const char *prefix, const char *name,
                       lyc_dtype dtype, int64_t count, lyc_error *err)
{
    char full[NAME_SIZE];
    lyc_tensor_view view;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (!lyc_safetensors_find(&view, file, full) || view.dtype != dtype || lyc_shape_elements(&view.shape) != count) {
        return lyc_fail(err, LYC_E_FORMAT, "the state has no %s of %lld numbers of type %s", full, (long long)count,
                        lyc_dtype_name(dtype));
    }
    return lyc_dtype_convert_parallel(out, wanted, view.data, dtype, (size_t)count, err);
}

static lyc_status take_tensors(lyc_trainer *t, const lyc_safetensors *file, lyc_error *err)
{
    for (size_t i = 0; i < t->set.count; i++) {
        const lyc_trainable *row = &t->set.rows[i];
        LYC_TRY(take(row->value, LYC_F32, file, "param.", row->name, t->rounding.dtype, row->count, err));
        if (t->has_ema) {
            LYC_TRY(take(t->ema.averages[i], LYC_F32, file, "ema.", row->name, LYC_F32, row->count, err));
        }
    }
    LYC_TRY(lyc_optimizer_load(t->optimizer, file, err));
    return take(t->losses, LYC_F64, file, "", "losses", LYC_F64, t->steps_per_epoch, err);
}

static int64_t whole(const json_t *facts, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(facts, name));
}

static void take_facts(lyc_trainer *t, const lyc_state *state)
{
    const json_t *facts = lyc_state_facts(state);
    t->progress.step = t->resumed_at = lyc_state_step(state);
    t->progress.epoch = whole(facts, "epoch");
    t->position = (size_t)whole(facts, "position");
    t->batches = (uint32_t)whole(facts, "batches");
    t->progress.skipped = whole(facts, "skipped");
    t->bad_in_row = whole(facts, "bad_in_row");
    t->loss_count = whole(facts, "loss_count");
    t->progress.seconds = json_number_value(json_object_get(facts, "seconds"));
    if (t->scaler.used) {
        t->scaler.scale = json_number_value(json_object_get(facts, "loss_scale"));
        t->scaler.good_steps = whole(facts, "good_steps");
    }
    if (t->has_ema) {
        t->ema.updates = whole(facts, "ema_updates");
    }
}

static lyc_status check_facts(const json_t *facts, lyc_error *err)
{
    static const char *const counts[] = {"epoch",      "position",   "batches",   "skipped",
                                         "bad_in_row", "loss_count", "good_steps"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const json_t *value = json_object_get(facts, counts[i]);
        if (!json_is_integer(value) || json_integer_value(value) < 0) {
            return lyc_fail(err, LYC_E_FORMAT, "the state has no \"%s\"", counts[i]);
        }
    }
    if (!(json_number_value(json_object_get(facts, "loss_scale")) > 0)) {
        return lyc_fail(err, LYC_E_FORMAT, "the state has no \"loss_scale\" above 0");
    }
    return LYC_OK;
}

lyc_status lyc_trainer_resume(lyc_trainer *t, const char *folder, bool force, lyc_error *err)
{
    static const char *const none[] = {NULL};
    lyc_state *state = NULL;
    json_t *now = option_facts(t);
    lyc_status status = now != NULL ? lyc_state_open(&state, folder, err) : no_memory(err);
    if (status == LYC_OK) {
        const json_t *facts = lyc_state_facts(state);
        status = check_facts(facts, err);
        if (status == LYC_OK && !force) {
            status = lyc_state_compare("options", json_object_get(facts, "options"), now, none, err);
        }
        status = status == LYC_OK ? take_tensors(t, lyc_state_tensors(state), err) : status;
    }
    if (status == LYC_OK) {
        take_facts(t, state);
        t->loss_count = t->loss_count < t->steps_per_epoch ? t->loss_count : t->steps_per_epoch;
    }
    lyc_state_close(state);
    json_decref(now);
    return status;
}
