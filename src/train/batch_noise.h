/* batch_noise.h - what a batch of latents is trained on: noise, timesteps, input, target, weights
 *
 * Every number depends on (seed, purpose, step, sample) alone, so that nothing has to be saved to go on, and a batch is
 * the same whatever was drawn before it. The formulas are those of diffusion/objective.h; here is their order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_BATCH_NOISE_H
#define LYC_TRAIN_BATCH_NOISE_H

#include "diffusion/objective.h"

/* Names as in sd-scripts. LYC_BATCH_NOISE_DEFAULT is plain training; numbers that are 0 switch a thing off. */
typedef struct lyc_batch_noise_options {
    double noise_offset;
    bool noise_offset_random_strength;
    double adaptive_noise_scale; /* may be negative */
    int multires_noise_iterations;
    double multires_noise_discount;
    double ip_noise_gamma;
    bool ip_noise_gamma_random_strength;
    int min_timestep; /* [min,max); equal: that one */
    int max_timestep; /* 0: all */

    double min_snr_gamma;
    bool scale_v_pred_loss_like_noise_pred;
    double v_pred_like_loss;
    bool debiased_estimation_loss;

    lyc_huber_schedule huber_schedule;
    double huber_c;
    double huber_scale;
} lyc_batch_noise_options;

#define LYC_BATCH_NOISE_DEFAULT                                                                                        \
    ((lyc_batch_noise_options){                                                                                        \
        .multires_noise_discount = 0.3, .huber_schedule = LYC_HUBER_SNR, .huber_c = 0.1, .huber_scale = 1.0})

/* LYC_E_ARGUMENT: options that contradict each other, or the model. All that is wrong at once. */
lyc_status lyc_batch_noise_check(const lyc_batch_noise_options *options, const lyc_schedule *schedule,
                                 lyc_prediction prediction, lyc_error *err);

typedef struct lyc_batch_noise_request {
    const lyc_batch_noise_options *options;
    const lyc_schedule *schedule;
    lyc_prediction prediction;
    uint64_t seed;
    uint32_t step;         /* of batches, not of the optimiser: every batch has numbers of its own */
    uint32_t first_sample; /* of the whole batch, when processes share it */
    int timestep;          /* of all samples; -1: drawn */
    lyc_latent_shape shape;
    const float *latents; /* [n,h,w,c], scaled */
} lyc_batch_noise_request;

/* What a step takes. {0} is empty; the memory is used again by the next draw. */
typedef struct lyc_batch_noise {
    float *noise;     /* [n,h,w,c] */
    float *noisy;     /* what the U-Net sees */
    float *target;    /* what it should predict */
    float *timesteps; /* [n] */
    float *weights;   /* [n]: of the samples' losses, by timestep */
    float *huber;     /* [n]: c of the Huber losses */
    float *scratch;
    size_t capacity;       /* elements of the images */
    size_t batch_capacity; /* samples */
} lyc_batch_noise;

lyc_status lyc_batch_noise_draw(lyc_batch_noise *out, const lyc_batch_noise_request *request, lyc_error *err);
void lyc_batch_noise_clear(lyc_batch_noise *noise);

/* The timestep of validation number k of `count`: the inner ones of count + 2 that are evenly spaced over the range,
 * with four of 0 to 1000: 200, 400, 600, 800. */
int lyc_validation_timestep(const lyc_batch_noise_options *options, const lyc_schedule *schedule, int k, int count);

#endif
