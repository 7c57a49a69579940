/* trainer.c - the loop: batches to steps, steps to epochs, and what has its turn after each
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "backend/cpu/default.h"
#include "base/memory.h"
#include "base/string.h"
#include "train/trainer_internal.h"

enum { VALIDATION_TIMESTEPS = 4 };

/* --- a new trainer -------------------------------------------------------------------------------------------------
 */

static lyc_status check_options(const lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    lyc_strbuf text = {0};
    if (o->gradient_accumulation_steps < 1) {
        lyc_strbuf_format(&text, "gradient_accumulation_steps %lld: expected 1 or more; ",
                          (long long)o->gradient_accumulation_steps);
    }
    if (o->max_train_epochs < 1 && o->max_train_steps < 1) {
        lyc_strbuf_format(&text, "max_train_steps %lld: expected 1 or more; ", (long long)o->max_train_steps);
    }
    if (!(o->max_grad_norm >= 0)) {
        lyc_strbuf_format(&text, "max_grad_norm %g: expected 0 (off) or more; ", o->max_grad_norm);
    }
    if (o->full_bf16 && o->full_fp16) {
        lyc_strbuf_append(&text, "full_bf16 and full_fp16: one of them; ");
    }
    if (t->network == NULL && !o->native_unet && !o->native_text[0] && !o->native_text[1]) {
        lyc_strbuf_append(&text, "nothing is trained: neither adapters nor a whole network; ");
    }
    lyc_status status = lyc_strbuf_check(&text, "what is wrong with options", err);
    if (status == LYC_OK && text.length > 0) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "%.*s", (int)text.length - 2, text.text);
    }
    lyc_strbuf_clear(&text);
    LYC_TRY(status);
    return lyc_batch_noise_check(&o->noise, &t->model->schedule, t->model->scheduler.prediction, err);
}

static lyc_status find_trainables(lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    if (t->network != NULL) {
        LYC_TRY(lyc_trainables_add_network(&t->set, t->network, 0, &o->rates, err));
    }
    for (int i = 0; t->network == NULL && i < t->model->encoders.count; i++) {
        if (o->native_text[i]) {
            LYC_TRY(lyc_trainables_add_component(&t->set, t->model->networks.text[i], o->rates.text[i], err));
        }
    }
    if (t->network == NULL && o->native_unet) {
        LYC_TRY(lyc_trainables_add_component(&t->set, t->model->networks.unet, o->rates.unet, err));
    }
    for (int i = 0; i < t->set.group_count; i++) {
        t->text_in_graph = t->text_in_graph || strcmp(t->set.groups[i].component, "unet") != 0;
    }
    return t->set.count > 0 ? LYC_OK : lyc_fail(err, LYC_E_ARGUMENT, "nothing is trained");
}

/* Before the optimiser is made: some keep the start values. */
static void start_precision(lyc_trainer *t)
{
    const lyc_trainer_options *o = &t->options;
    t->rounding = (lyc_rounding){.dtype = o->full_bf16   ? LYC_BF16
                                          : o->full_fp16 ? LYC_F16
                                                         : LYC_F32,
                                 .stochastic = o->stochastic_rounding,
                                 .seed = o->seed};
    lyc_rounding_nearest(&t->rounding, t->set.rows, t->set.count);
    t->scaler = lyc_loss_scaler_start(o->loss_scaling);
}

static lyc_status make_optimizer(lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    LYC_TRY(lyc_optimizer_new(&t->optimizer, o->optimizer != NULL ? o->optimizer : "AdamW", o->optimizer_args,
                              o->optimizer_arg_count, t->set.rows, t->set.count, err));
    LYC_TRY(lyc_trainer_make_schedules(t, err));
    if (o->ema_decay > 0) {
        t->has_ema = true;
        return lyc_ema_init(&t->ema, t->set.rows, t->set.count, o->ema_decay,
                            o->ema_update_interval > 0 ? o->ema_update_interval : 1, err);
    }
    return LYC_OK;
}

static lyc_status make_step(lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    const lyc_step_options options = {
        .backend = lyc_backend_default(),
        .precision = t->model->options.precision,
        .budget_bytes = o->memory_bytes,
        .optimiser_bytes_per_param = (size_t)ceil(lyc_optimizer_bytes_per_number(lyc_optimizer_entry_of(t->optimizer))),
        .loss = o->loss,
        .trainables = &t->set,
        .network = t->network,
        .native_unet = o->native_unet,
        .native_text = {o->native_text[0], o->native_text[1]},
        .text_in_graph = t->text_in_graph,
        .clip_skip = t->model->options.clip_skip,
        .with_mask = o->masked_loss,
    };
    return lyc_train_step_new(&t->step, &t->model->networks, &options, err);
}

static lyc_status prepare(lyc_trainer *t, lyc_error *err)
{
    LYC_TRY(check_options(t, err));
    LYC_TRY(lyc_trainer_count_steps(t, err));
    LYC_TRY(find_trainables(t, err));
    start_precision(t);
    LYC_TRY(make_optimizer(t, err));
    return make_step(t, err);
}

lyc_status lyc_trainer_new(lyc_trainer **out, lyc_train_model *model, lyc_network *network,
                           const lyc_trainer_options *options, const lyc_batch_source *source,
                           const lyc_trainer_hooks *hooks, lyc_error *err)
{
    lyc_trainer *t = lyc_alloc_zero(1, sizeof *t);
    if (t == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training");
    }
    t->model = model;
    t->network = network;
    t->options = *options;
    t->source = *source;
    t->hooks = hooks != NULL ? *hooks : (lyc_trainer_hooks){0};
    t->resumed_at = -1;
    t->progress.epoch = 1;
    t->progress.validation_loss = t->progress.movement = (double)NAN;
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        t->movement.groups[i] = (double)NAN;
    }
    const lyc_status status = prepare(t, err);
    if (status != LYC_OK) {
        lyc_trainer_free(t);
        return status;
    }
    *out = t;
    return LYC_OK;
}

void lyc_trainer_free(lyc_trainer *t)
{
    if (t == NULL) {
        return;
    }
    lyc_train_step_free(t->step);
    lyc_optimizer_free(t->optimizer);
    if (t->has_ema) {
        lyc_ema_clear(&t->ema);
    }
    lyc_trainables_clear(&t->set);
    lyc_trainer_input_clear(&t->input);
    lyc_train_log_close(t->log);
    lyc_event_file_close(t->events);
    lyc_free(t->losses);
    lyc_free(t);
}

/* --- what has its turn ---------------------------------------------------------------------------------------------
 */

static bool has_turn(int64_t at, int64_t every)
{
    return every > 0 && at % every == 0;
}

/* The weights that are to be used, and back. */
static void use_weights(lyc_trainer *t, bool use)
{
    if (use) {
        lyc_optimizer_evaluate(t->optimizer);
    }
    if (t->has_ema) {
        lyc_ema_swap(&t->ema);
    }
    if (!use) {
        lyc_optimizer_train(t->optimizer); /* back to the last bit of f32 or so, and so to the number of 16 bits */
        lyc_rounding_nearest(&t->rounding, t->set.rows, t->set.count);
    }
    if (use && t->network != NULL) {
        lyc_network_set_use(t->network, LYC_NETWORK_EXCHANGEABLE);
        lyc_network_set_strength(t->network, 0, 1, 1);
    }
}

static lyc_status call_hook(lyc_trainer *t,
                            lyc_status (*hook)(void *context, lyc_trainer *trainer, lyc_trainer_event event,
                                               lyc_error *err),
                            lyc_trainer_event event, lyc_error *err)
{
    if (hook == NULL) {
        return LYC_OK;
    }
    use_weights(t, true);
    const lyc_status status = hook(t->hooks.context, t, event, err);
    use_weights(t, false);
    return status;
}

/* The loss on noise and timesteps that are always the same. */
static lyc_status validate(lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    const size_t all = t->source.count(t->source.context, 1, true);
    const size_t limit = o->max_validation_steps > 0 ? (size_t)o->max_validation_steps : all;
    const uint64_t seed = o->validation_seed != 0 ? o->validation_seed : o->seed;
    const size_t count = all < limit ? all : limit;
    double sum = 0;
    double samples = 0;
    LYC_TRY(t->source.begin(t->source.context, 1, true, 0, t->progress.step, err));
    for (size_t i = 0; i < count; i++) {
        const lyc_trainer_batch *batch = NULL;
        LYC_TRY(t->source.next(&batch, t->source.context, true, err));
        for (int k = 0; batch != NULL && k < VALIDATION_TIMESTEPS; k++) {
            lyc_step_result result;
            const int at = lyc_validation_timestep(&o->noise, &t->model->schedule, k, VALIDATION_TIMESTEPS);
            LYC_TRY(lyc_trainer_prepare(t, batch, seed, (uint32_t)i, at, 1, err));
            LYC_TRY(lyc_train_step_measure(&result, t->step, &t->input.step, err));
            sum += result.loss * (double)batch->n;
            samples += (double)batch->n;
        }
    }
    t->progress.validation_loss = samples > 0 ? sum / samples : (double)NAN;
    return LYC_OK;
}

static lyc_status validate_with(lyc_trainer *t, lyc_error *err)
{
    if (t->source.count(t->source.context, 1, true) == 0) {
        return LYC_OK;
    }
    use_weights(t, true);
    const lyc_status status = validate(t, err);
    use_weights(t, false);
    return status;
}

static lyc_status save_state(lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    LYC_TRY(lyc_trainer_flush_logs(t, err));
    if (t->hooks.state != NULL) {
        return t->hooks.state(t->hooks.context, t, event, err);
    }
    const bool wanted = t->options.state_every_steps == 0 || event >= LYC_TRAINER_AT_END;
    return t->options.state_folder != NULL && wanted ? lyc_trainer_save_state(t, t->options.state_folder, err) : LYC_OK;
}

/* A file, and with it a state. */
static lyc_status save(lyc_trainer *t, lyc_trainer_event event, lyc_error *err)
{
    double norms[LYC_TRAIN_GROUPS];
    lyc_trainables_norms(norms, &t->set);
    for (int i = 0; i < t->set.group_count; i++) {
        if (!isfinite(norms[i])) {
            return lyc_fail(err, LYC_E_NUMERIC, "weights of the %s are not finite: nothing is saved",
                            t->set.groups[i].component);
        }
    }
    LYC_TRY(call_hook(t, t->hooks.save, event, err));
    return save_state(t, event, err);
}

static lyc_status after_step(lyc_trainer *t, bool epoch_ended, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    const lyc_train_progress *p = &t->progress;
    const bool last = p->step >= p->total_steps;
    const int64_t epoch = p->epoch;
    const bool by_epoch = o->validate_every_n_steps == 0;
    const int64_t validate_epochs = o->validate_every_n_epochs > 0 ? o->validate_every_n_epochs : 1;
    const bool saves = has_turn(p->step, o->save_every_n_steps);
    const bool saves_epoch = epoch_ended && has_turn(epoch, o->save_every_n_epochs) && !last;
    t->progress.validation_loss = (double)NAN;
    t->progress.movement = (double)NAN;
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        t->movement.groups[i] = (double)NAN;
    }
    if (last || has_turn(p->step, o->validate_every_n_steps) ||
        (by_epoch && epoch_ended && has_turn(epoch, validate_epochs))) {
        LYC_TRY(validate_with(t, err));
    }
    if (has_turn(p->step, o->measure_every_steps) || p->step == 1 || last || saves || saves_epoch) {
        LYC_TRY(lyc_trainer_measure(t, err));
    }
    LYC_TRY(lyc_trainer_write_logs(t, err));
    if (t->hooks.report != NULL) {
        t->hooks.report(t->hooks.context, p);
    }
    const bool samples_by_epoch = o->sample_every_n_epochs > 0;
    if (samples_by_epoch ? epoch_ended && has_turn(epoch, o->sample_every_n_epochs)
                         : has_turn(p->step, o->sample_every_n_steps)) {
        LYC_TRY(call_hook(t, t->hooks.sample, samples_by_epoch ? LYC_TRAINER_AT_EPOCH : LYC_TRAINER_AT_STEP, err));
    }
    if (saves && !last) {
        LYC_TRY(save(t, LYC_TRAINER_AT_STEP, err));
    }
    return saves_epoch ? save(t, LYC_TRAINER_AT_EPOCH, err) : LYC_OK;
}

/* --- the loop ------------------------------------------------------------------------------------------------------
 */

/* One epoch from where it is; *stopped: by request. */
static lyc_status run_epoch(bool *stopped, lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    const size_t count = t->source.count(t->source.context, t->progress.epoch, false);
    LYC_TRY(t->source.begin(t->source.context, t->progress.epoch, false, t->position, t->progress.step, err));
    while (t->position < count && t->progress.step < t->progress.total_steps && !*stopped) {
        const size_t left = count - t->position;
        const size_t wanted = (size_t)o->gradient_accumulation_steps;
        LYC_TRY(lyc_trainer_make_step(t, wanted < left ? wanted : left, err));
        const bool ended = t->position >= count;
        if (ended) { /* a state goes on with the next epoch */
            t->position = 0;
        }
        LYC_TRY(after_step(t, ended, err));
        t->progress.epoch += ended && t->progress.step < t->progress.total_steps;
        if (o->state_folder != NULL && has_turn(t->progress.step, o->state_every_steps)) {
            LYC_TRY(lyc_trainer_flush_logs(t, err));
            LYC_TRY(lyc_trainer_save_state(t, o->state_folder, err));
        }
        *stopped = t->hooks.stop != NULL && t->hooks.stop(t->hooks.context);
        if (ended) {
            break;
        }
    }
    return LYC_OK;
}

static lyc_status finish(lyc_trainer *t, bool stopped, lyc_error *err)
{
    t->finished = t->progress.step >= t->progress.total_steps;
    if (t->finished) {
        return save(t, LYC_TRAINER_AT_END, err);
    }
    return stopped ? save_state(t, LYC_TRAINER_AT_STOP, err) : lyc_trainer_flush_logs(t, err);
}

lyc_status lyc_trainer_run(lyc_trainer *t, lyc_error *err)
{
    bool stopped = false;
    LYC_TRY(lyc_trainer_open_logs(t, err));
    if (t->options.sample_at_first && t->progress.step == 0) {
        LYC_TRY(call_hook(t, t->hooks.sample, LYC_TRAINER_AT_STEP, err));
    }
    while (t->progress.step < t->progress.total_steps && !stopped) {
        LYC_TRY(run_epoch(&stopped, t, err));
    }
    return finish(t, stopped, err);
}

bool lyc_trainer_finished(const lyc_trainer *t)
{
    return t->finished;
}

int64_t lyc_trainer_steps_per_epoch(const lyc_trainer *t)
{
    return t->steps_per_epoch;
}

const lyc_train_progress *lyc_trainer_progress_get(const lyc_trainer *t)
{
    return &t->progress;
}

const lyc_trainables *lyc_trainer_trainables(const lyc_trainer *t)
{
    return &t->set;
}

size_t lyc_trainer_bytes(const lyc_trainer *t)
{
    return lyc_train_step_bytes(t->step);
}
