/* timeline.h - the timesteps and sigmas of a run of n steps
 *
 * Which n of the T timesteps are used is the spacing; Karras, exponential and beta sigmas are other choices, made among
 * sigmas and turned back into timesteps. What programs call by the same name differs in small ways that are visible in
 * pictures, so the rules depend on the sampler's family and on the style.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_TIMELINE_H
#define LYC_DIFFUSION_TIMELINE_H

#include "diffusion/schedule.h"

/* How a family of samplers chooses timesteps. */
typedef enum lyc_timeline_kind {
    LYC_TIMELINE_WHOLE,      /* whole timesteps: DDPM, DDIM, PNDM */
    LYC_TIMELINE_FRACTIONAL, /* fractional ones: samplers in sigma (Euler, Heun, ...) */
    LYC_TIMELINE_INTERVALS,  /* n of n + 1 points, the last left out: DPM-Solver, UniPC */
    LYC_TIMELINE_LCM         /* a part of the timesteps that the model was distilled on */
} lyc_timeline_kind;

typedef enum lyc_sigma_curve {
    LYC_CURVE_NONE,
    LYC_CURVE_KARRAS,      /* arXiv 2206.00364, equation 5, rho = 7 */
    LYC_CURVE_EXPONENTIAL, /* a straight line in ln sigma */
    LYC_CURVE_BETA,        /* quantiles of Beta(0.6, 0.6) (arXiv 2407.12173) */
    LYC_CURVE_COUNT
} lyc_sigma_curve;

/* "karras"; "" for none. */
const char *lyc_sigma_curve_name(lyc_sigma_curve curve);

typedef enum lyc_schedule_style {
    LYC_STYLE_DIFFUSERS,
    LYC_STYLE_A1111 /* as AUTOMATIC1111's web UI and k-diffusion: linspace, logarithmic interpolation, table ends */
} lyc_schedule_style;

typedef struct lyc_timeline_request {
    int steps;
    lyc_timeline_kind kind;
    lyc_spacing spacing;
    int steps_offset; /* of leading spacing */
    lyc_sigma_curve curve;
    bool round_karras;    /* timesteps of Karras sigmas are made whole (always with LYC_TIMELINE_INTERVALS) */
    bool sigma_min_final; /* the run ends at the smallest sigma of the table instead of 0 */
    bool log_linear; /* n + 1 sigmas, equally spaced in their logarithm over the whole table; timesteps as spaced */
    int lcm_steps;   /* of LYC_TIMELINE_LCM: the steps of distillation (50) */
    lyc_schedule_style style;
} lyc_timeline_request;

typedef struct lyc_timeline {
    int steps;             /* n: as many as timesteps; PNDM has one or nine more than were asked for */
    int requested;         /* the n that was asked for */
    double *timesteps;     /* [n], falling */
    double *sigmas;        /* [n + 1] */
    double initial_factor; /* of the noise that a run starts from, in the sampler's coordinate */
} lyc_timeline;

/* Fails for n < 1, n > T, and where the spacing has no n timesteps. */
lyc_status lyc_timeline_init(lyc_timeline *timeline, const lyc_schedule *schedule, const lyc_timeline_request *request,
                             lyc_error *err);
void lyc_timeline_clear(lyc_timeline *timeline);

/* Leaves the first steps out. */
void lyc_timeline_cut(lyc_timeline *timeline, int first);

/* Room for n timesteps in place of what there is. */
lyc_status lyc_timeline_resize(lyc_timeline *timeline, int steps, lyc_error *err);

#endif
