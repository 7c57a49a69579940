/* denoise.h - the loop: samplers of a batch of images, and the network that they ask
 *
 * All images of a batch have one sampler, one schedule and one set of conditions, so that they ask at the same time. A
 * call of the network computes all branches of all images at once: the unconditional one of every image first, then
 * each condition.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_DENOISE_H
#define LYC_DIFFUSION_DENOISE_H

#include "adapter/network.h"
#include "base/task.h"
#include "diffusion/sampler.h"
#include "diffusion/text_encoders.h"
#include "model/unet_runner.h"

/* One image. */
typedef struct lyc_denoise_image {
    lyc_sampling *sampling; /* begun */
    const float *extra;     /* channels behind the latents, [h,w,extra]: mask and masked picture; NULL: none */
    const float *kept;      /* with a mask: what is kept, [h,w,c], and the noise that it has on the way */
    const float *kept_noise;
} lyc_denoise_image;

typedef struct lyc_denoise_control {
    lyc_controlnet_runner *runner;
    const float *picture; /* [h f,w f,3] in [0,1] */
    double weight;
    double start, end; /* fractions of the steps */
    bool guess;
} lyc_denoise_control;

typedef struct lyc_denoise_request {
    lyc_unet_runner *unet;
    const lyc_unet_config *config;
    const lyc_conditions *conditions;
    lyc_network *network; /* adapters, told of each step; NULL: none */
    int64_t h, w;         /* of the latents */
    int64_t channels;
    double guidance_scale;
    double guidance_rescale;
    const float *mask;  /* [h,w,c], 1 where the picture changes; NULL: everywhere */
    const float *sizes; /* SDXL: the six numbers; else NULL */
    const lyc_denoise_control *controls;
    size_t control_count;

    /* Called after each call of the network, with the answer after guidance; NULL: not. */
    void (*observe)(void *context, int image, const lyc_sampling *sampling, const float *answer);
    void *observe_context;
} lyc_denoise_request;

/* Runs all samplers to their end. LYC_E_NUMERIC: a state is not finite; names step and channel. */
lyc_status lyc_denoise(const lyc_denoise_image *images, int count, const lyc_denoise_request *request,
                       lyc_progress *progress, const lyc_task *task, lyc_error *err);

#endif
