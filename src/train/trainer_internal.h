/* trainer_internal.h - shared by the files of the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAINER_INTERNAL_H
#define LYC_TRAIN_TRAINER_INTERNAL_H

#include "train/loss_scaler.h"
#include "train/movement.h"
#include "train/rounding.h"
#include "train/trainer.h"

/* What a batch is turned into: memory that is used again. */
typedef struct lyc_trainer_input {
    lyc_batch_noise noise;
    float *states, *pooled, *weights, *prior, *mask;
    int32_t *ids[2], *eos[2];
    int64_t capacity, image_capacity; /* samples; numbers of latents */
    lyc_step_input step;
} lyc_trainer_input;

struct lyc_trainer {
    lyc_train_model *model;
    lyc_network *network;
    lyc_trainer_options options;
    lyc_batch_source source;
    lyc_trainer_hooks hooks;

    lyc_trainables set;
    lyc_rounding rounding;
    lyc_loss_scaler scaler;
    lyc_train_step *step;
    bool text_in_graph;
    lyc_optimizer *optimizer;
    lyc_lr_schedule schedules[LYC_TRAIN_GROUPS];
    lyc_ema ema;
    bool has_ema;
    lyc_trainer_input input;

    int64_t steps_per_epoch;
    lyc_train_progress progress;
    size_t position;    /* batches of the epoch that are done */
    uint32_t batches;   /* in all: the number that random numbers depend on */
    double *losses;     /* [steps_per_epoch]: of the last epoch's worth of steps, by place in the epoch */
    int64_t loss_count; /* of them that are set */
    int64_t bad_in_row;
    bool was_still; /* it was said that nothing moves */
    bool finished;
    int64_t resumed_at; /* -1: a new run */

    lyc_movement movement;
    lyc_network_norms norms;
    double rates[LYC_TRAIN_GROUPS]; /* of the last step */
    lyc_train_log *log;
    lyc_event_file *events;
};

/* trainer_input.c: batch to input. weights are those of sums of losses: the share of the batch in the step is `share`.
 * timestep -1: drawn. */
lyc_status lyc_trainer_prepare(lyc_trainer *t, const lyc_trainer_batch *batch, uint64_t seed, uint32_t number,
                               int timestep, double share, lyc_error *err);
void lyc_trainer_input_clear(lyc_trainer_input *input);

/* trainer_step.c: a step of so many batches, made or left out. */
lyc_status lyc_trainer_make_step(lyc_trainer *t, size_t batches, lyc_error *err);

/* trainer_length.c: steps of an epoch and in all, and the schedules of the groups, which depend on them. */
lyc_status lyc_trainer_count_steps(lyc_trainer *t, lyc_error *err);
lyc_status lyc_trainer_make_schedules(lyc_trainer *t, lyc_error *err);

/* trainer_log.c */
lyc_status lyc_trainer_open_logs(lyc_trainer *t, lyc_error *err);
lyc_status lyc_trainer_measure(lyc_trainer *t, lyc_error *err);
lyc_status lyc_trainer_write_logs(lyc_trainer *t, lyc_error *err);
lyc_status lyc_trainer_flush_logs(lyc_trainer *t, lyc_error *err);
void lyc_trainer_warn(const lyc_trainer *t, const char *format, ...) LYC_PRINTF(2, 3);

#endif
