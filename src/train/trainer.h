/* trainer.h - the loop of a training
 *
 *     lyc_trainer_new(&trainer, model, network, &options, &source, &hooks, err);
 *     lyc_trainer_resume(trainer, folder, err);               where a run goes on
 *     lyc_trainer_run(trainer, err);
 *
 * A step is `gradient_accumulation_steps` batches, or what is left of the epoch; then gradients are clipped, the
 * optimiser steps, and whatever has its turn is done: EMA, max norm, logs, validation, samples, files, states. A run
 * that goes on from a state gives the same bits as one that was not interrupted: random numbers depend on seed and
 * batch, and everything else that later steps depend on is in the state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAINER_H
#define LYC_TRAIN_TRAINER_H

#include "lycoris/train.h"
#include "train/batch_noise.h"
#include "train/ema.h"
#include "train/event_file.h"
#include "train/lr_schedule.h"
#include "train/train_log.h"
#include "train/train_model.h"

/* A batch as the U-Net's side sees it; what belongs to pictures is done. */
typedef struct lyc_trainer_batch {
    int64_t n, h, w;
    const float *latents;        /* [n,h,w,c], as the U-Net takes them */
    const char *const *captions; /* [n] */
    const float *mask;           /* [n,h,w] of the loss; NULL: ones */
    const float *weights;        /* [n] of regularisation; NULL: ones */
    const float *sizes;          /* SDXL: [n,6] */
    const bool *preserve;        /* [n]: the target is what the model without adapters predicts; NULL: none */
    double network_multiplier;   /* 0: 1 */
} lyc_trainer_batch;

/* Where batches come from: those of an epoch depend on the source and the epoch (from 1) alone. */
typedef struct lyc_batch_source {
    size_t (*count)(void *context, int64_t epoch, bool validation);
    /* Goes to batch `first` of an epoch; step: the optimiser steps that were made, for captions that warm up. */
    lyc_status (*begin)(void *context, int64_t epoch, bool validation, size_t first, int64_t step, lyc_error *err);
    /* *out is valid until the next call. Training goes on where it was when validation is done. */
    lyc_status (*next)(const lyc_trainer_batch **out, void *context, bool validation, lyc_error *err);
    void *context;
    uint64_t fingerprint; /* of all that batches are made of */
} lyc_batch_source;

typedef struct lyc_trainer_options {
    uint64_t seed;
    int64_t max_train_steps;
    int64_t max_train_epochs; /* above 0: instead of the steps */
    int64_t gradient_accumulation_steps;
    double max_grad_norm;
    lyc_batch_noise_options noise;
    lyc_loss_kind loss;
    bool masked_loss;
    bool native_unet, native_text[2]; /* whole components instead of adapters */
    size_t memory_bytes;              /* 0: no bound */

    const char *optimizer; /* NULL: AdamW */
    const char *const *optimizer_args;
    size_t optimizer_arg_count;
    lyc_lr_request schedule; /* total_steps and base_rate are set by the trainer */
    lyc_trainable_rates rates;
    bool full_bf16, full_fp16; /* trained numbers are of that type (rounding.h); neither: f32 */
    bool stochastic_rounding;
    bool loss_scaling;         /* as with fp16 (loss_scaler.h) */
    double scale_weight_norms; /* 0: off */
    double ema_decay;          /* 0: off */
    int64_t ema_update_interval;

    int64_t save_every_n_steps, save_every_n_epochs;         /* 0: never */
    int64_t validate_every_n_steps, validate_every_n_epochs; /* both 0: every epoch, when there is something */
    int64_t max_validation_steps;                            /* batches; 0: all */
    uint64_t validation_seed;
    bool sample_at_first;
    int64_t sample_every_n_steps, sample_every_n_epochs;

    const char *state_folder;    /* NULL: no states */
    int64_t state_every_steps;   /* 0: with every file */
    const char *log_path;        /* of the CSV and JSON lines, without ending; NULL: none */
    const char *event_folder;    /* of TensorBoard; NULL: none */
    int64_t measure_every_steps; /* how far weights moved; 0: at the first step and with every file */
} lyc_trainer_options;

typedef enum lyc_trainer_event {
    LYC_TRAINER_AT_STEP,
    LYC_TRAINER_AT_EPOCH,
    LYC_TRAINER_AT_END,
    LYC_TRAINER_AT_STOP /* by request: a state alone */
} lyc_trainer_event;

typedef struct lyc_trainer lyc_trainer;

/* All may be NULL. Weights are those to be used (EMA, schedule-free) while save and sample are called. */
typedef struct lyc_trainer_hooks {
    lyc_status (*save)(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err);
    lyc_status (*sample)(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err);
    /* Instead of state_folder: saves a state where it wants to, or none. */
    lyc_status (*state)(void *context, lyc_trainer *trainer, lyc_trainer_event event, lyc_error *err);
    void (*report)(void *context, const lyc_train_progress *progress);
    void (*warn)(void *context, const char *text);
    bool (*stop)(void *context); /* asked after each step: true saves the state and ends the run */
    void *context;
} lyc_trainer_hooks;

/* network: its member 0 is trained; NULL with native training. Borrows everything. LYC_E_ARGUMENT: options that make
 * no sense, all at once. */
lyc_status lyc_trainer_new(lyc_trainer **out, lyc_train_model *model, lyc_network *network,
                           const lyc_trainer_options *options, const lyc_batch_source *source,
                           const lyc_trainer_hooks *hooks, lyc_error *err);
void lyc_trainer_free(lyc_trainer *trainer);

/* Goes on from the state in a folder. LYC_E_ARGUMENT: of other data or options (unless forced), with the differences.
 */
lyc_status lyc_trainer_resume(lyc_trainer *trainer, const char *folder, bool force, lyc_error *err);

/* A state as it is between steps. */
lyc_status lyc_trainer_save_state(lyc_trainer *trainer, const char *folder, lyc_error *err);

/* Another length, before the run and before a resume. */
lyc_status lyc_trainer_set_steps(lyc_trainer *trainer, int64_t steps, lyc_error *err);

/* Seconds that losses and gradients of a batch take, the second time; nothing of the run changes. */
lyc_status lyc_trainer_time_step(double *seconds, lyc_trainer *trainer, const lyc_trainer_batch *batch, lyc_error *err);

/* LYC_OK also when it was stopped by request: lyc_trainer_finished tells. */
lyc_status lyc_trainer_run(lyc_trainer *trainer, lyc_error *err);
bool lyc_trainer_finished(const lyc_trainer *trainer);

int64_t lyc_trainer_steps_per_epoch(const lyc_trainer *trainer);
const lyc_train_progress *lyc_trainer_progress_get(const lyc_trainer *trainer);
const lyc_trainables *lyc_trainer_trainables(const lyc_trainer *trainer);

/* Adds a picture to the event file, if there is one. */
lyc_status lyc_trainer_log_picture(lyc_trainer *trainer, const char *tag, const void *png, size_t size, int width,
                                   int height, lyc_error *err);

/* Bytes of the networks' packed weights, arenas and sums. */
size_t lyc_trainer_bytes(const lyc_trainer *trainer);

#endif
