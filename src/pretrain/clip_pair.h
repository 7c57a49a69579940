/* clip_pair.h - CLIP, a picture tower and a text tower with one space for both, to be trained
 *
 *     u = vision(pixels) / |.|,  v = text(ids) / |.|,  logits = exp(logit_scale) u vT
 *     loss = (cross entropy along rows + along columns) / 2: the caption of a picture, the picture of a caption
 *
 * Radford et al. (arXiv 2103.00020). Files are those of transformers' CLIPModel: config.json, model.safetensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_CLIP_PAIR_H
#define LYC_PRETRAIN_CLIP_PAIR_H

#include <jansson.h>

#include "checkpoint/config.h"
#include "model/vit.h"
#include "pretrain/weights_file.h"
#include "train/trainable.h"

typedef struct lyc_clip_pair_config {
    lyc_vit_config vision;
    lyc_clip_text_config text;
} lyc_clip_pair_config;

/* From a CLIPModel's config.json; file is for messages. */
lyc_status lyc_clip_pair_config_read(lyc_clip_pair_config *out, const json_t *json, const char *file, lyc_error *err);

/* The rule by which CLIP's pictures are normalised: (x - mean) / deviation of pixels in [0,1]. */
extern const float lyc_clip_mean[3], lyc_clip_deviation[3];

/* pixels [n,s,s,3], normalised; ids LYC_INDEX [n,tokens]; eos LYC_INDEX [n] -> features [n,projection], not
 * normalised. */
lyc_value *lyc_clip_pair_vision(lyc_module *m, const lyc_clip_pair_config *config, lyc_value *pixels);
lyc_value *lyc_clip_pair_text(lyc_module *m, const lyc_clip_pair_config *config, lyc_value *ids, lyc_value *eos);

/* Losses [n] of features of pictures and their captions; labels LYC_INDEX [n]: 0, 1, ... */
lyc_value *lyc_clip_pair_loss(lyc_module *m, lyc_value *vision, lyc_value *text, lyc_value *labels);

/* All of it, with inputs that nobody feeds: what asks a source of new tensors for each one. */
void lyc_clip_pair_build(lyc_module *m, const lyc_clip_pair_config *config);

/* Rows of a component with the numbers of a file of transformers. LYC_E_FORMAT: a tensor is missing or has another
 * shape. */
lyc_status lyc_clip_pair_open(lyc_trainables *set, const char *component, const lyc_clip_pair_config *config,
                              const char *path, lyc_error *err);

/* Names in transformers' file (lyc_weights_namer). */
bool lyc_clip_pair_name(char out[LYC_WEIGHTS_NAME], const char *name);

/* The same for the text tower alone, as a model's text_encoder: without projections. */
bool lyc_clip_pair_text_name(char out[LYC_WEIGHTS_NAME], const char *name);

#endif
