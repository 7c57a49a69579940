/* train_model.h - the model that a run trains: its networks, its schedule, texts as states or ids, pictures as latents
 *
 * Text encoders that do not learn are asked once for each caption; what they say is kept. They and the VAE have their
 * weights ready only while they are needed: lyc_train_model_rest gives that memory back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAIN_MODEL_H
#define LYC_TRAIN_TRAIN_MODEL_H

#include "adapter/network.h"
#include "diffusion/schedule.h"
#include "diffusion/text_encoders.h"
#include "model/vae_runner.h"
#include "train/step.h"

typedef struct lyc_train_model_options {
    const char *model; /* file or folder */
    const char *vae;   /* another one; NULL: the model's */
    lyc_precision precision;
    lyc_precision vae_precision;
    bool v_parameterization;
    bool zero_terminal_snr;
    int clip_skip;          /* from 1 */
    int chunks;             /* sequences of 75 tokens: max_token_length / 75 */
    bool weighted_captions; /* brackets in captions weigh words */
} lyc_train_model_options;

/* Members are to be read. */
typedef struct lyc_train_model {
    lyc_checkpoint *checkpoint;
    lyc_step_model networks;
    const lyc_component *vae;
    lyc_scheduler_config scheduler;
    lyc_schedule schedule;
    int factor;     /* pixels of a latent pixel */
    int channels;   /* of latents */
    int64_t tokens; /* states of a text */
    lyc_train_model_options options;
    lyc_text_encoders encoders;
    lyc_vae_runner *vae_runner; /* NULL while it rests */
    lyc_hashmap states;         /* caption to what the encoders say */
    lyc_inventory inventories[3];
    lyc_network_part parts[3]; /* text encoders, then the U-Net */
    lyc_selection_part selected[3];
    size_t part_count;
} lyc_train_model;

lyc_status lyc_train_model_open(lyc_train_model **out, const lyc_train_model_options *options, lyc_error *err);
void lyc_train_model_close(lyc_train_model *model);

/* States [n,tokens,width] and, of SDXL, pooled ones [n,width of those] (else NULL is enough) of captions. */
lyc_status lyc_train_model_states(float *states, float *pooled, lyc_train_model *model, const char *const *captions,
                                  int64_t n, lyc_error *err);

/* Ids [n,chunks,length] and rows of end tokens [n,chunks] for encoder `index`. */
lyc_status lyc_train_model_ids(int32_t *ids, int32_t *eos, const lyc_train_model *model, int index,
                               const char *const *captions, int64_t n, lyc_error *err);

/* Positions of a sequence of encoder `index`. */
int64_t lyc_train_model_length(const lyc_train_model *model, int index);

/* images [n,h,w,3] in [-1,1] -> moments [n,h/f,w/f,2c]. */
lyc_status lyc_train_model_encode(float *moments, lyc_train_model *model, const float *images, int64_t n, int64_t h,
                                  int64_t w, lyc_error *err);

/* Gives the memory of text encoders and VAE back until they are needed again; states of captions stay. */
lyc_status lyc_train_model_rest(lyc_train_model *model, lyc_error *err);

#endif
