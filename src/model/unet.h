/* unet.h - the U-Net of Stable Diffusion 1.x, 2.x and XL as a graph
 *
 * Keys and values of cross attention depend on the text alone: lyc_unet_context computes them once for a prompt and
 * lyc_unet_forward takes them, so that a sampling step does not. Training joins both in one graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_UNET_H
#define LYC_MODEL_UNET_H

#include "model/module.h"

enum { LYC_UNET_MAX_CROSS = 128, LYC_UNET_MAX_SKIPS = 64 };

/* Keys and values of every cross attention, in the order of the forward pass: [n,tokens,channels]. */
typedef struct lyc_unet_keys {
    int count;
    lyc_value *k[LYC_UNET_MAX_CROSS];
    lyc_value *v[LYC_UNET_MAX_CROSS];
} lyc_unet_keys;

/* states [n,tokens,cross_dim]. */
void lyc_unet_context(lyc_unet_keys *keys, lyc_module *m, const lyc_unet_config *config, lyc_value *states);

/* The same shapes as graph inputs named "<layer>.k", "<layer>.v", to be bound to results of another plan. */
void lyc_unet_key_inputs(lyc_unet_keys *keys, lyc_graph *g, const lyc_unet_config *config, int64_t n, int64_t tokens);

/* The same for the down path and the mid block alone (ControlNet). */
void lyc_unet_context_down(lyc_unet_keys *keys, lyc_module *m, const lyc_unet_config *config, lyc_value *states);
void lyc_unet_key_inputs_down(lyc_unet_keys *keys, lyc_graph *g, const lyc_unet_config *config, int64_t n,
                              int64_t tokens);

typedef struct lyc_unet_inputs {
    lyc_value *latents;   /* [n,h,w,in_channels] */
    lyc_value *timesteps; /* LYC_FLOAT [n]; may be fractional */
    const lyc_unet_keys *keys;
    lyc_value *pooled;   /* SDXL: [n,pooled_dim]; else NULL */
    lyc_value *sizes;    /* SDXL: LYC_FLOAT [n,6]: original h, w, crop top, left, target h, w; else NULL */
    lyc_value *guidance; /* LCM models with time_cond: [n,time_cond_dim]; else NULL */
    int skip_count;      /* ControlNet residuals in push order; 0: none */
    lyc_value *skips[LYC_UNET_MAX_SKIPS];
    lyc_value *mid; /* ControlNet residual behind the mid block; NULL: none */
} lyc_unet_inputs;

/* -> [n,h,w,out_channels] */
lyc_value *lyc_unet_forward(lyc_module *m, const lyc_unet_config *config, const lyc_unet_inputs *in);

#endif
