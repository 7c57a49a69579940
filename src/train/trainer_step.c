/* trainer_step.c - a step of the loop: batches, gradients, new weights
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "train/gradient_clip.h"
#include "train/trainer_internal.h"

enum { MAX_BAD_IN_ROW = 20 };

/* A step that is not made: the optimiser's steps, which schedules of rates go by, stay where they are. */
static lyc_status skip_step(lyc_trainer *t, const char *reason, lyc_error *err)
{
    t->progress.skipped++;
    t->bad_in_row++;
    lyc_loss_scaler_update(&t->scaler, false);
    lyc_trainer_warn(t, "step %lld is left out: %s", (long long)t->progress.step + 1, reason);
    return t->bad_in_row < MAX_BAD_IN_ROW
               ? LYC_OK
               : lyc_fail(err, LYC_E_NUMERIC, "%d steps in a row were left out: %s", (int)MAX_BAD_IN_ROW, reason);
}

/* Says where a number that is not finite was born. */
static lyc_status skip_bad_step(lyc_trainer *t, const char *gradient, lyc_error *err)
{
    lyc_error reason = {0};
    if (lyc_train_step_explain(t->step, &t->input.step, &reason) != LYC_E_NUMERIC) {
        snprintf(reason.message, sizeof reason.message, "the %s%s is not finite",
                 gradient != NULL ? "gradient of " : "loss", gradient != NULL ? gradient : "");
    }
    return skip_step(t, reason.message, err);
}

/* Gradients that fp16 has no place for: the next steps have half the scale. */
static lyc_status skip_large_step(lyc_trainer *t, lyc_error *err)
{
    char reason[128];
    snprintf(reason, sizeof reason, "gradients times the loss scale %g are too large for fp16; it is halved",
             t->scaler.scale);
    return skip_step(t, reason, err);
}

/* The batches of one step; *loss is their mean, not finite when a number is not. */
static lyc_status run_batches(double *loss, lyc_trainer *t, size_t count, lyc_error *err)
{
    const double share = 1.0 / (double)t->options.gradient_accumulation_steps;
    bool finite = true;
    *loss = 0;
    lyc_train_step_begin(t->step);
    for (size_t i = 0; i < count; i++) {
        lyc_step_result result = {.finite = false};
        const lyc_trainer_batch *batch = NULL;
        LYC_TRY(t->source.next(&batch, t->source.context, false, err));
        if (batch == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "epoch %lld ended early", (long long)t->progress.epoch);
        }
        t->position++;
        t->batches++;
        if (finite) { /* a step is left out as a whole */
            LYC_TRY(lyc_trainer_prepare(t, batch, t->options.seed, t->batches, -1, share * t->scaler.scale, err));
            const lyc_status status = lyc_train_step_run(&result, t->step, &t->input.step, i + 1 < count, err);
            if (status != LYC_OK && status != LYC_E_NUMERIC) {
                return status;
            }
            finite = status == LYC_OK && result.finite;
            *loss += result.loss / (share * t->scaler.scale) / (double)count;
        }
    }
    *loss = finite ? *loss : (double)NAN;
    return LYC_OK;
}

/* From gradients to new weights. */
static lyc_status update(lyc_trainer *t, lyc_error *err)
{
    lyc_gradient_norm norm;
    lyc_gradient_norm_compute(&norm, t->set.rows, t->set.count, 1 / t->scaler.scale);
    t->progress.gradient_norm = norm.norm;
    if (norm.not_finite != NULL || !isfinite(norm.norm)) {
        return skip_bad_step(t, norm.not_finite != NULL ? norm.not_finite : "all weights", err);
    }
    if (!lyc_loss_scaler_fits(&t->scaler, t->set.rows, t->set.count)) {
        return skip_large_step(t, err);
    }
    t->bad_in_row = 0;
    for (int i = 0; i < t->set.group_count; i++) {
        t->rates[i] =
            t->set.groups[i].rate * lyc_lr_schedule_factor(&t->schedules[i], lyc_optimizer_steps(t->optimizer));
    }
    lyc_optimizer_set_scale(t->optimizer, lyc_gradient_clip(norm.norm, t->options.max_grad_norm) / t->scaler.scale);
    LYC_TRY(lyc_optimizer_step(t->optimizer, t->rates, err));
    if (t->options.scale_weight_norms > 0 && t->network != NULL) {
        LYC_TRY(lyc_network_max_norm(&t->norms, t->network, t->options.scale_weight_norms, err));
    }
    lyc_loss_scaler_update(&t->scaler, true);
    lyc_rounding_step(&t->rounding, t->set.rows, t->set.count, t->progress.step);
    if (t->has_ema) {
        lyc_ema_update(&t->ema, t->progress.step + 1);
    }
    return LYC_OK;
}

/* The mean over the last epoch's worth of steps: a step replaces the one of the epoch before at its place. */
static void average(lyc_trainer *t, double loss)
{
    const int64_t place = t->progress.step % t->steps_per_epoch;
    double sum = 0;
    t->losses[place] = loss;
    t->loss_count = place >= t->loss_count ? place + 1 : t->loss_count;
    for (int64_t i = 0; i < t->loss_count; i++) {
        sum += t->losses[i];
    }
    t->progress.average_loss = sum / (double)t->loss_count;
}

lyc_status lyc_trainer_make_step(lyc_trainer *t, size_t batches, lyc_error *err)
{
    double loss;
    const double start = lyc_clock_s();
    LYC_TRY(run_batches(&loss, t, batches, err));
    if (isnan(loss)) {
        LYC_TRY(skip_bad_step(t, NULL, err));
    } else {
        LYC_TRY(update(t, err));
        average(t, loss);
    }
    t->progress.loss = loss;
    t->progress.step++;
    t->progress.seconds += lyc_clock_s() - start;
    return LYC_OK;
}
