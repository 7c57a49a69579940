/* trainer_length.c - how many steps a run has, and how long one takes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"
#include "base/memory.h"
#include "train/trainer_internal.h"

lyc_status lyc_trainer_count_steps(lyc_trainer *t, lyc_error *err)
{
    const lyc_trainer_options *o = &t->options;
    const int64_t batches = (int64_t)t->source.count(t->source.context, 1, false);
    if (batches < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "there are no batches to train on");
    }
    t->steps_per_epoch = (batches + o->gradient_accumulation_steps - 1) / o->gradient_accumulation_steps;
    t->progress.total_steps = o->max_train_epochs > 0 ? o->max_train_epochs * t->steps_per_epoch : o->max_train_steps;
    t->progress.epochs = (t->progress.total_steps + t->steps_per_epoch - 1) / t->steps_per_epoch;
    lyc_free(t->losses);
    t->losses = lyc_alloc_zero((size_t)t->steps_per_epoch, sizeof *t->losses);
    return t->losses != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a training");
}

lyc_status lyc_trainer_make_schedules(lyc_trainer *t, lyc_error *err)
{
    for (int i = 0; i < t->set.group_count; i++) {
        lyc_lr_request request = t->options.schedule;
        request.total_steps = t->progress.total_steps;
        request.base_rate = t->set.groups[i].rate;
        LYC_TRY(lyc_lr_schedule_init(&t->schedules[i], &request, err));
    }
    return LYC_OK;
}

lyc_status lyc_trainer_set_steps(lyc_trainer *t, int64_t steps, lyc_error *err)
{
    t->options.max_train_steps = steps;
    t->options.max_train_epochs = 0;
    LYC_TRY(lyc_trainer_count_steps(t, err));
    return lyc_trainer_make_schedules(t, err);
}

lyc_status lyc_trainer_time_step(double *seconds, lyc_trainer *t, const lyc_trainer_batch *batch, lyc_error *err)
{
    for (int turn = 0; turn < 2; turn++) { /* the first one plans and packs */
        lyc_step_result result;
        const double start = lyc_clock_s();
        lyc_train_step_begin(t->step);
        LYC_TRY(lyc_trainer_prepare(t, batch, t->options.seed, 0, -1, 1, err));
        LYC_TRY(lyc_train_step_run(&result, t->step, &t->input.step, false, err));
        *seconds = (lyc_clock_s() - start) * (double)t->options.gradient_accumulation_steps;
    }
    lyc_train_step_begin(t->step);
    return LYC_OK;
}
