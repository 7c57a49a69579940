/* schedule.h - the noise schedule that a model was trained with
 *
 *     x_t = sqrt(a_t) z + sqrt(1 - a_t) n        DDPM (arXiv 2006.11239), equation 4
 *
 * a_t is the product of 1 - beta up to t. Two coordinates are in use: "VP" is x_t itself, "VE" is x_t / sqrt(a_t) =
 * z + sigma n with sigma = sqrt((1 - a_t) / a_t). The table is f32, as the reference libraries have it; everything that
 * follows from it is computed in double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_SCHEDULE_H
#define LYC_DIFFUSION_SCHEDULE_H

#include "base/error.h"
#include "checkpoint/config.h"

typedef struct lyc_schedule {
    int train_timesteps; /* T */
    float *betas;
    float *alphas;      /* a_t, cumulative; the last is 0 with zero terminal SNR */
    double *sigmas;     /* finite: where a_t is 0, that of a = 2^-24 */
    double *log_sigmas; /* rising */
    bool squared_cos;
} lyc_schedule;

/* How much of a picture and how much noise there is at a time: sqrt(a), sqrt(1 - a). */
typedef struct lyc_level {
    double signal;
    double noise;
} lyc_level;

/* Fails on numbers that make no schedule (betas outside [0, 1), no timesteps), naming them. */
lyc_status lyc_schedule_init(lyc_schedule *schedule, const lyc_scheduler_config *config, lyc_error *err);
void lyc_schedule_clear(lyc_schedule *schedule);

/* a_t and what follows from it, at a whole timestep in [0, T). */
lyc_level lyc_schedule_level(const lyc_schedule *schedule, int timestep);
double lyc_schedule_snr(const lyc_schedule *schedule, int timestep);

/* The level of a sigma, 0 included. */
lyc_level lyc_level_of_sigma(double sigma);

/* sigma at a timestep that may be fractional: by linear interpolation, as diffusers does, or of its logarithm, as
 * k-diffusion does. */
double lyc_schedule_sigma(const lyc_schedule *schedule, double timestep);
double lyc_schedule_sigma_log(const lyc_schedule *schedule, double timestep);

/* The timestep of a sigma, by interpolating its logarithm; within [0, T - 1]. */
double lyc_schedule_timestep(const lyc_schedule *schedule, double sigma);

#endif
