/* pipeline.h - a model ready to make pictures, and one request in every detail
 *
 * lyc_generation_init turns a public request into what is done: sampler, timesteps, sizes, texts; it finds everything
 * that is wrong with it. lyc_generation_run does it. Between the two, tests replace details.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_PIPELINE_H
#define LYC_DIFFUSION_PIPELINE_H

#include "checkpoint/checkpoint.h"
#include "diffusion/adapters.h"
#include "diffusion/denoise.h"
#include "diffusion/img2img.h"
#include "lycoris/generate.h"
#include "model/vae_runner.h"

/* A ControlNet that the pipeline was opened with. */
typedef struct lyc_pipeline_control {
    lyc_component *component;
    lyc_controlnet_runner *runner; /* NULL until it is first used */
} lyc_pipeline_control;

struct lyc_pipeline {
    lyc_checkpoint *checkpoint;
    const lyc_unet_config *unet_config;
    const lyc_vae_config *vae_config;
    lyc_scheduler_config scheduler;
    lyc_runner_options runner;  /* of networks that no adapter is for */
    lyc_runner_options adapted; /* the same with adapters */
    lyc_pipeline_adapters adapters;
    uint64_t vae_limit_bytes;
    int factor; /* pixels of a latent pixel, along one side */

    lyc_text_encoders text;
    lyc_unet_runner *unet;
    lyc_vae_runner *vae;
    lyc_pipeline_control *controls;
    size_t control_count;

    const lyc_sampler *sampler; /* where a request names none */
    lyc_sigma_curve curve;
    char sampler_name[64];
    char *model_name; /* of the file, without folder and ending */
    char *model_file; /* NULL: a folder */
    char model_hash[11];

    lyc_conditions conditions; /* of the last request, and its text in one piece */
    char *conditions_key;
};

/* A request in every detail. Pointers are those of the options. */
typedef struct lyc_generation {
    const lyc_generate_options *options;
    int width, height;
    int64_t h, w; /* of the latents */
    const lyc_sampler *sampler;
    lyc_scheduler_config scheduler;
    lyc_sampling_request sampling; /* without noise */
    lyc_text_request text;
    int64_t seed;
    float sizes[6];
    lyc_adapter_uses adapters;

    /* lyc_denoise_request.observe; tests look in here. */
    void (*observe)(void *context, int image, const lyc_sampling *sampling, const float *answer);
    void *observe_context;
} lyc_generation;

lyc_status lyc_generation_init(lyc_generation *generation, lyc_pipeline *pipeline, const lyc_generate_options *options,
                               lyc_error *err);

/* As lyc_pipeline_generate. */
lyc_status lyc_generation_run(lyc_generated *out, lyc_pipeline *pipeline, const lyc_generation *generation,
                              const lyc_task *task, lyc_error *err);

/* Other adapters than the pipeline's own for all that is made from now on, at the strengths that they have; the runners
 * of U-Net and text encoders begin anew. The network stays until the pipeline is closed. Embeddings
 * that were added are gone. */
struct lyc_network;
lyc_status lyc_pipeline_attach(lyc_pipeline *pipeline, struct lyc_network *network, lyc_error *err);

/* States of the request's texts, with its adapters, whose strengths are set; borrowed until another request asks. */
lyc_status lyc_pipeline_conditions(const lyc_conditions **out, lyc_pipeline *pipeline, const lyc_text_request *request,
                                   const lyc_adapter_uses *adapters, lyc_error *err);

/* The text of generation parameters for image k, released with lyc_free. */
lyc_status lyc_generation_parameters(char **out, lyc_pipeline *pipeline, const lyc_generation *generation, int image,
                                     lyc_error *err);

#endif
