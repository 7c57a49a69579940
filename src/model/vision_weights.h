/* vision_weights.h - weights of vision transformers and CLIP's text towers under one set of names, whatever the file
 *
 * Text towers have the names of transformers (clip_text.h). Those of pictures: patch, class_token, positions,
 * registers, pre_norm, blocks.N.{norm1, attn.q, attn.k, attn.v, attn.out, scale1, norm2, mlp.fc1, mlp.fc2, mlp.gate,
 * mlp.up, scale2}, norm, pool_norm, projection, head. In files: those of DINOv2's hub and timm, of transformers
 * (DINOv2, CLIP), of OpenAI's CLIP and OpenCLIP. Stacked q, k, v and transposed projections are views of the file's
 * bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VISION_WEIGHTS_H
#define LYC_MODEL_VISION_WEIGHTS_H

#include "lycoris/safetensors.h"
#include "model/module.h"

typedef enum lyc_vision_layout {
    LYC_VISION_HUB,               /* DINOv2 as published by its authors; timm */
    LYC_VISION_DINO_TRANSFORMERS, /* Dinov2Model, Dinov2WithRegistersModel */
    LYC_VISION_CLIP_TRANSFORMERS, /* CLIPModel, CLIPVisionModelWithProjection */
    LYC_VISION_OPENCLIP,          /* visual.* of OpenAI's CLIP and OpenCLIP */
    LYC_VISION_TEXT_TRANSFORMERS, /* CLIPModel, CLIPTextModel, CLIPTextModelWithProjection */
    LYC_VISION_TEXT_OPENCLIP      /* the text tower of OpenAI's CLIP and OpenCLIP, also under text.* */
} lyc_vision_layout;

typedef struct lyc_vision_weights {
    const lyc_safetensors *file; /* borrowed */
    const char *path;            /* borrowed, for messages */
    char root[64];               /* in front of every key */
    char prefix[64];             /* root, and what stands before the keys of the tower */
    lyc_vision_layout layout;
    int chunks; /* blocks.<chunk>.<index> of training checkpoints: how many chunks; 0: plain */
} lyc_vision_weights;

/* Recognises the layout of a picture tower. root: what every key starts with beside what the layouts allow (""
 * usually). LYC_E_FORMAT when no layout fits. */
lyc_status lyc_vision_weights_init(lyc_vision_weights *w, const lyc_safetensors *file, const char *path,
                                   const char *root, lyc_error *err);

/* The same for the text tower of a CLIP. */
lyc_status lyc_text_weights_init(lyc_vision_weights *w, const lyc_safetensors *file, const char *path, const char *root,
                                 lyc_error *err);

/* A tensor by its name here ("blocks.0.attn.q.weight"); leading extents of 1 of tokens and positions are left out. */
bool lyc_vision_weights_find(lyc_weight_view *out, const lyc_vision_weights *w, const char *name);

/* The name that a tensor ("blocks.0.attn.q.weight") has in a file of a layout that stores it whole, with what stands
 * before the keys of a tower where a file has both ("vision_model."). False: there is none. */
bool lyc_vision_weights_name(char *out, size_t size, lyc_vision_layout layout, const char *name);

/* lyc_vision_weights_find for a module. Borrows w. */
lyc_weight_source lyc_vision_weights_source(const lyc_vision_weights *w);

#endif
