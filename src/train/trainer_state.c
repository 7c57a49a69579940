/* trainer_state.c - the state of a run: written, and gone on from
 *
 * Tensors: those of state_weights.h, and "losses" of the running average. Facts: where the run is, what it was started
 * with. Saved between steps, when sums of gradients are empty.
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
#include "train/state_weights.h"
#include "train/trainer_internal.h"

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

lyc_status lyc_trainer_save_state(lyc_trainer *t, const char *folder, lyc_error *err)
{
    lyc_state_list list = {0};
    json_t *facts = facts_of(t);
    const lyc_tensor_view losses = {.dtype = LYC_F64,
                                    .shape = LYC_SHAPE(t->steps_per_epoch),
                                    .data = t->losses,
                                    .size_bytes = (size_t)t->steps_per_epoch * sizeof(double)};
    lyc_status status = facts != NULL ? lyc_state_list_weights(&list, &t->set, t->rounding.dtype, t->optimizer,
                                                               t->has_ema ? &t->ema : NULL, err)
                                      : no_memory(err);
    status = status == LYC_OK ? lyc_state_list_add(&list, "", "losses", &losses, err) : status;
    if (status == LYC_OK) {
        status = lyc_state_save(folder, t->progress.step, list.tensors, list.count, facts, err);
    }
    json_decref(facts);
    lyc_state_list_clear(&list);
    return status;
}

/* --- going on ------------------------------------------------------------------------------------------------------
 */

static lyc_status take_tensors(lyc_trainer *t, const lyc_safetensors *file, lyc_error *err)
{
    LYC_TRY(lyc_state_take_weights(&t->set, t->rounding.dtype, t->optimizer, t->has_ema ? &t->ema : NULL, file, err));
    return lyc_state_take(t->losses, file, "", "losses", LYC_F64, t->steps_per_epoch, err);
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
