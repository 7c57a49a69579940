/* config.h - what the networks of a model are, from their config.json or inferred from the shapes of a single file
 *
 * Nothing here is wired to one model: levels, channels, heads, depths and widths are numbers. Fields have the names of
 * diffusers where these are not misleading (there, `attention_head_dim` is the number of heads).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_CONFIG_H
#define LYC_CHECKPOINT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum { LYC_MAX_LEVELS = 8 };

/* U-Net (UNet2DConditionModel). Levels count from the latent resolution; those of the up path are stored in the same
 * order, not in that of up_blocks. */
typedef struct lyc_unet_config {
    int in_channels, out_channels;
    int level_count;
    int channels[LYC_MAX_LEVELS];
    int layers[LYC_MAX_LEVELS]; /* ResBlocks of a down level; the up level has one more */
    bool attention_down[LYC_MAX_LEVELS];
    bool attention_up[LYC_MAX_LEVELS];
    int heads[LYC_MAX_LEVELS];
    int depth[LYC_MAX_LEVELS]; /* BasicTransformerBlocks in a transformer, down path */
    int depth_up[LYC_MAX_LEVELS];
    int cross_dim[LYC_MAX_LEVELS]; /* width of the text states */
    int mid_heads, mid_depth, mid_cross_dim;
    bool linear_projection; /* proj_in, proj_out: Linear instead of a 1x1 convolution */
    int norm_groups;
    float norm_eps; /* of ResBlocks and the output; transformers have 1e-6 */
    bool flip_sin_to_cos;
    float freq_shift;
    bool center_input;
    int downsample_padding;
    float mid_block_scale;  /* divisor of ResBlock outputs in the mid block */
    bool upcast_attention;  /* scores in f32 also in half precision (they always are here) */
    int addition_time_dim;  /* SDXL: width of one micro-condition's embedding; 0: none */
    int addition_input_dim; /* SDXL: pooled text and micro-conditions together */
    int time_cond_dim;      /* LCM models: width of the guidance embedding; 0: none */
    int sample_size;        /* default latent size; 0: not told */

    /* ControlNet alone: the encoder of the condition image. Each step but the last halves the size. */
    int hint_in_channels;
    int hint_level_count;
    int hint_channels[LYC_MAX_LEVELS]; /* 16, 32, 96, 256 */
} lyc_unet_config;

/* AutoencoderKL. */
typedef struct lyc_vae_config {
    int in_channels, out_channels, latent_channels;
    int level_count;
    int channels[LYC_MAX_LEVELS];
    int layers; /* ResBlocks of an encoder level; the decoder's have one more */
    int norm_groups;
    float scaling_factor, shift_factor; /* latent = (z - shift) * scaling */
    bool force_upcast;
    bool mid_attention;
    bool quant_conv, post_quant_conv;
    int sample_size;
} lyc_vae_config;

/* CLIP text tower (transformers and OpenCLIP). */
typedef struct lyc_clip_text_config {
    int vocab_size, hidden_size, intermediate_size, layers, heads, max_positions;
    bool quick_gelu; /* else the exact GELU */
    float norm_eps;
    int projection_dim; /* of text_projection; 0: the file has none */
    bool penultimate;   /* SD 2.x single file: the last layer of the file is not part of `layers` */
} lyc_clip_text_config;

typedef enum lyc_prediction { LYC_PREDICTION_EPSILON, LYC_PREDICTION_V, LYC_PREDICTION_SAMPLE } lyc_prediction;
typedef enum lyc_beta_schedule { LYC_BETA_SCALED_LINEAR, LYC_BETA_LINEAR, LYC_BETA_SQUARED_COS } lyc_beta_schedule;
typedef enum lyc_spacing { LYC_SPACING_LEADING, LYC_SPACING_LINSPACE, LYC_SPACING_TRAILING } lyc_spacing;

/* scheduler_config.json. */
typedef struct lyc_scheduler_config {
    char class_name[64]; /* "PNDMScheduler"; "" when there is no file */
    int train_timesteps;
    double beta_start, beta_end;
    lyc_beta_schedule beta_schedule;
    const double *trained_betas; /* train_timesteps of them, borrowed; NULL: by formula */
    lyc_prediction prediction;
    bool prediction_told; /* the file says it; else it is an assumption */
    lyc_spacing spacing;
    bool spacing_told;
    int steps_offset;
    bool set_alpha_to_one;
    bool rescale_zero_snr;
    bool clip_sample;
    double clip_sample_range;
    bool sigma_min_final;                  /* final_sigmas_type "sigma_min" */
    bool karras, exponential, beta_sigmas; /* use_karras_sigmas, ... */
} lyc_scheduler_config;

#endif
