/* vit.h - vision transformers as a graph: CLIP's picture tower, DINOv2, taggers
 *
 *     tokens = [class token, registers, patches] + positions;  blocks of pre-norm attention and MLP;  norm
 *
 * Dosovitskiy et al. (arXiv 2010.11929), Radford et al. (2103.00020), Oquab et al. (2304.07193), Darcet et al.
 * (2309.16588).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VIT_H
#define LYC_MODEL_VIT_H

#include "model/vision_weights.h"

enum { LYC_VIT_MAX_BLOCKS = 128, LYC_VIT_ACTIVATION_UNKNOWN = -1 };

typedef struct lyc_vit_config {
    int channels, patch, width, heads, blocks;
    int mlp;  /* width of the hidden layer; of a gated one, of each half */
    int grid; /* patches along one side for which there are positions */
    bool class_token;
    int registers; /* tokens behind the class token without positions */
    bool patch_bias;
    bool pre_norm; /* a norm in front of the blocks (CLIP) */
    bool layer_scale;
    bool gated;      /* SwiGLU (DINOv2 g) */
    bool gate_apart; /* its gate and value are two matrices */
    int activation;  /* lyc_activation of the MLP; unknown in CLIP: weights do not tell quick GELU from GELU */
    float eps;
    int projection; /* CLIP: width of the feature; 0: none */
    int classes;    /* of a tagger; 0: none */
    bool pool_norm; /* the mean comes before the norm (fc_norm) */

    /* How positions become those of another grid: bicubic.h. resample false: another grid is an error. */
    bool resample;
    float coefficient;
    bool antialias;
    float offset;
} lyc_vit_config;

/* From the shapes of the file. What these do not tell is as usual for the layout: heads of 64 channels (80 and 104 in
 * the towers of OpenCLIP H and bigG), eps 1e-6 (CLIP 1e-5), GELU (CLIP: unknown, the caller says it), positions
 * resampled as the layout's own code does. A configuration that the caller has goes over it; lyc_vit_config_check
 * afterwards. */
lyc_status lyc_vit_config_infer(lyc_vit_config *config, const lyc_vision_weights *weights, lyc_error *err);
lyc_status lyc_vit_config_check(const lyc_vit_config *config, lyc_error *err);

typedef struct lyc_vit_output {
    int state_count;
    lyc_value *states[LYC_VIT_MAX_BLOCKS + 1]; /* [n,tokens,width]: before the first block, after each block */
    lyc_value *positions;                      /* [tokens without registers,width], as added */
    lyc_value *tokens;                         /* states behind the final norm; with pool_norm the last state */
    lyc_value *patches;                        /* tokens of the patches alone: [n,h w,width] */
    lyc_value *feature; /* class token behind the norm (CLIP: projected), or the mean of all tokens: [n,width] */
    lyc_value *logits;  /* [n,classes]; NULL: no head */
} lyc_vit_output;

/* pixels [n,h,w,channels], normalised; h and w are multiples of the patch. m->source: lyc_vision_weights_source. */
void lyc_vit_forward(lyc_vit_output *out, lyc_module *m, const lyc_vit_config *config, lyc_value *pixels);

#endif
