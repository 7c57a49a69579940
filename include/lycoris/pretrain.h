/* pretrain.h - models from nothing: a new model of any size, and what trains its parts before `train` can
 *
 *     lyc_new_model_options new = {.config = "config", .captions = "captions.txt", .model = "model"};
 *     lyc_new_model(NULL, &new, &err);                                   random weights, in the layout of diffusers
 *     lyc_pretrain_options options = {.model = "model", .image_dir = "pictures", .steps = 2000, ...};
 *     lyc_pretrain(LYC_PRETRAIN_AUTOENCODER, &options, NULL, &err);
 *     lyc_pretrain(LYC_PRETRAIN_CONTRASTIVE, &options, NULL, &err);
 *
 * Then the U-Net learns by lyc_training (lycoris/train.h) with `train native`, as that of any other model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_PRETRAIN_H
#define LYCORIS_PRETRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lycoris/task.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Texts are borrowed for the call. */
typedef struct lyc_new_model_options {
    const char *config; /* a folder of diffusers without weights: model_index.json, <component>/config.json, ...; clip/
                           is a CLIPModel, whose text tower is also the text encoder */
    const char *captions; /* a text file: the vocabulary is the part of CLIP's that its words need; NULL: all of it */
    const char *model;    /* the folder to write, which must not exist */
    int64_t frequent;     /* merges that are kept beside those that captions need */
    uint64_t seed;
} lyc_new_model_options;

typedef struct lyc_new_model_report {
    int64_t parameters[8]; /* of each component, in the order of `components` */
    const char *components[8];
    int component_count;
    int64_t vocabulary; /* tokens */
} lyc_new_model_report;

/* Writes the folder with start values in f32. report may be NULL. LYC_E_ARGUMENT, LYC_E_IO, LYC_E_FORMAT: something is
 * wrong with the configuration: nothing is written; LYC_E_OUTPUT. */
LYC_API lyc_status lyc_new_model(lyc_new_model_report *report, const lyc_new_model_options *options, lyc_error *err);

typedef enum lyc_pretrain_stage {
    LYC_PRETRAIN_AUTOENCODER, /* pictures to latents and back */
    LYC_PRETRAIN_CONTRASTIVE  /* pictures and captions in one space; gives the text encoder */
} lyc_pretrain_stage;

typedef struct lyc_pretrain_progress {
    int64_t step, steps;
    double loss;         /* average over the last hundred steps */
    double quality;      /* on pictures that are not trained: dB of the autoencoder, share of captions that are ranked
                            first; NaN: not measured after this step */
    double quality_five; /* share of captions among the first five; NaN: likewise, or of the autoencoder */
    double seconds;
} lyc_pretrain_progress;

typedef struct lyc_pretrain_options {
    const char *model;     /* the folder; the component is written into it when the run ends */
    const char *image_dir; /* pictures, with captions beside them */
    int64_t resolution;    /* pixels of a side */
    int64_t steps;
    int64_t batch_size;
    int64_t crop;         /* autoencoder: pixels of a side of crops for three quarters of the steps; 0: none */
    double learning_rate; /* falls by a cosine after a warm-up of 2% of the steps */
    double weight_decay;
    double ema_decay;        /* 0: none */
    double kl_weight;        /* autoencoder */
    double validation_split; /* part of the pictures that is not trained */
    int64_t measure_every;   /* steps between two measurements; 0: at the end */
    int64_t state_every;     /* steps between two states, which a later call goes on from; 0: at the end */
    const char *state;       /* their folder; NULL: none, and a run starts anew */
    const char *log;         /* of CSV and JSON lines, without ending; NULL: none */
    bool half;               /* weights are written as fp16 */
    uint64_t seed;
    void (*report)(void *context, const lyc_pretrain_progress *progress); /* after each step; NULL */
    bool (*stop)(void *context);                                          /* true: save a state and end; NULL */
    void *context;
} lyc_pretrain_options;

/* LYC_OK also when it was stopped: *finished tells. task: reading pictures; may be NULL. */
LYC_API lyc_status lyc_pretrain(bool *finished, lyc_pretrain_stage stage, const lyc_pretrain_options *options,
                                const lyc_task *task, lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
