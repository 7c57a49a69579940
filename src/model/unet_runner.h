/* unet_runner.h - a U-Net in use: keys and values once for a prompt, then one call for each step
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_UNET_RUNNER_H
#define LYC_MODEL_UNET_RUNNER_H

#include "model/runner.h"
#include "model/unet.h"

typedef struct lyc_unet_runner lyc_unet_runner;

lyc_status lyc_unet_runner_new(lyc_unet_runner **out, const lyc_component *unet, const lyc_runner_options *options,
                               lyc_error *err);
void lyc_unet_runner_free(lyc_unet_runner *runner);

/* Keys and values of all cross attentions for n prompts; they belong to the runner's weights and adapters. */
typedef struct lyc_unet_text lyc_unet_text;

/* states [n,tokens,cross_dim]. */
lyc_status lyc_unet_text_new(lyc_unet_text **out, lyc_unet_runner *runner, const float *states, int64_t n,
                             int64_t tokens, lyc_error *err);
void lyc_unet_text_free(lyc_unet_text *text);
size_t lyc_unet_text_bytes(const lyc_unet_text *text);

/* Residuals of ControlNets for one shape of latents (lyc_controlnet_runner_add); several add up. */
typedef struct lyc_unet_control {
    int64_t n, h, w;
    int count; /* of skips, in push order */
    lyc_shape shapes[LYC_UNET_MAX_SKIPS];
    float *skips[LYC_UNET_MAX_SKIPS];
    lyc_shape mid_shape;
    float *mid;
    float *memory; /* of them all */
} lyc_unet_control;

/* Zeros, of the shapes that the U-Net's skips have for latents [n,h,w]. */
lyc_status lyc_unet_control_init(lyc_unet_control *control, const lyc_unet_config *config, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err);
void lyc_unet_control_zero(lyc_unet_control *control);
void lyc_unet_control_clear(lyc_unet_control *control);

typedef struct lyc_unet_call {
    int64_t n, h, w;
    const float *latents;            /* [n,h,w,in_channels] */
    const float *timesteps;          /* [n]; may be fractional */
    const lyc_unet_text *text;       /* of n prompts */
    const float *pooled;             /* SDXL: [n,addition_input_dim - 6 addition_time_dim]; else NULL */
    const float *sizes;              /* SDXL: [n,6]; else NULL */
    const float *guidance;           /* LCM models: [n,time_cond_dim]; else NULL */
    const lyc_unet_control *control; /* NULL: none */
} lyc_unet_call;

/* out [n,h,w,out_channels]. */
lyc_status lyc_unet_runner_forward(float *out, lyc_unet_runner *runner, const lyc_unet_call *call, lyc_error *err);

/* Bytes of packed weights and of the arena. */
size_t lyc_unet_runner_bytes(const lyc_unet_runner *runner);

/* A ControlNet in use; a lyc_unet_text for it comes from its own weights. */
typedef struct lyc_controlnet_runner lyc_controlnet_runner;

lyc_status lyc_controlnet_runner_new(lyc_controlnet_runner **out, const lyc_component *controlnet,
                                     const lyc_runner_options *options, lyc_error *err);
void lyc_controlnet_runner_free(lyc_controlnet_runner *runner);

lyc_status lyc_controlnet_text_new(lyc_unet_text **out, lyc_controlnet_runner *runner, const float *states, int64_t n,
                                   int64_t tokens, lyc_error *err);

/* control += weights * residuals; weights has control->count + 1 entries, the last one for the mid block (guess mode
 * weights them differently). picture [n,h f,w f,3], RGB in [0,1], f = 8 in published models; call->control is not
 * looked at. */
lyc_status lyc_controlnet_runner_add(lyc_unet_control *control, lyc_controlnet_runner *runner,
                                     const lyc_unet_call *call, const float *picture, const float *weights,
                                     lyc_error *err);

#endif
