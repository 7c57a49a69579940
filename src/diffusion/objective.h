/* objective.h - what a diffusion model is trained to predict, on which noise, and how timesteps are weighted
 *
 * Arrays of images are [n,h,w,c] and f32. Random numbers come from the caller, so that a step can be made again. The
 * loss between prediction and target is lyc_sample_loss of the graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_OBJECTIVE_H
#define LYC_DIFFUSION_OBJECTIVE_H

#include <stddef.h>

#include "diffusion/schedule.h"

typedef struct lyc_latent_shape {
    size_t n, h, w, c;
} lyc_latent_shape;

/* --- noise --- */

/* noise += offset[i,c] * draw[i,c] for every image and channel. offset: [n,c]; draw: normal numbers [n,c]. */
void lyc_noise_add_offset(float *noise, const lyc_latent_shape *shape, const float *offset, const float *draw);

/* The offset adapted to how bright a channel is: max(0, offset + scale |mean of the channel|), into out [n,c]. */
void lyc_noise_adapt_offset(float *out, const float *latents, const lyc_latent_shape *shape, double offset,
                            double scale);

/* One level of pyramid noise: noise += factor * draw [n,h,w,c of level], bilinearly resized. */
void lyc_noise_add_level(float *noise, const lyc_latent_shape *shape, const float *draw, size_t level_h, size_t level_w,
                         double factor);

/* Side of a level: max(1, floor(side / ratio^level)). */
size_t lyc_noise_level_side(size_t side, double ratio, int level);

/* Divides by the standard deviation of all numbers (unbiased), as pyramid noise ends. */
void lyc_noise_normalise(float *noise, size_t count);

/* noise + strength * draw: what is added to the input where the target keeps the noise itself. */
void lyc_noise_perturb(float *out, const float *noise, const float *draw, size_t count, double strength);

/* --- input and target of one image --- */

/* signal z + noise n, and signal n - noise z. */
void lyc_add_noise(float *out, const float *latents, const float *noise, size_t count, lyc_level level);
void lyc_velocity(float *out, const float *latents, const float *noise, size_t count, lyc_level level);

/* --- parameter of the Huber losses for one image --- */

typedef enum lyc_huber_schedule { LYC_HUBER_CONSTANT, LYC_HUBER_EXPONENTIAL, LYC_HUBER_SNR } lyc_huber_schedule;

double lyc_huber_c(lyc_huber_schedule kind, double c, double scale, int timestep, const lyc_schedule *schedule);

/* --- weights of the loss by timestep; snr = a / (1 - a) --- */

double lyc_min_snr_weight(double snr, double gamma, lyc_prediction prediction);

/* Debiased estimation (arXiv 2310.08442). */
double lyc_debiased_weight(double snr, lyc_prediction prediction);

/* A loss over velocities as strong as one over noise; dividing by it does the opposite. */
double lyc_velocity_as_noise_weight(double snr);

#endif
