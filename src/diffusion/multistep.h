/* multistep.h - what DPM-Solver's multistep samplers share: which order a step has, and its weights
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_MULTISTEP_H
#define LYC_DIFFUSION_MULTISTEP_H

#include "diffusion/sampler.h"

enum { LYC_MULTISTEP_ORDER = 3 };

/* How the second order is made of differences (arXiv 2211.01095, section 4): index of the option "solver". */
enum { LYC_SOLVER_MIDPOINT, LYC_SOLVER_HEUN };

/* ln signal - ln noise: -ln sigma. Infinite at sigma 0. */
double lyc_lambda(double sigma);

/* The order of the current step, out of history[0] (newest, of this step) and what lies behind it. */
int lyc_multistep_order(const lyc_sampling *s);

/* Divided differences over the history: D1 and D2 as weights of history[0..2]; order 1: all 0. */
typedef struct lyc_differences {
    double first[LYC_MULTISTEP_ORDER];
    double second[LYC_MULTISTEP_ORDER];
} lyc_differences;

/* h: the step's extent in lambda. */
lyc_differences lyc_multistep_differences(const lyc_sampling *s, int order, double h);

/* s->x = state * s->x + sum_k (d0 [k = 0] + d1 first_k + d2 second_k) history[k] + noise * s->noise (0: none). */
typedef struct lyc_multistep_weights {
    double state, d0, d1, d2, noise;
} lyc_multistep_weights;
void lyc_multistep_step(lyc_sampling *s, int order, const lyc_differences *differences,
                        const lyc_multistep_weights *weights);

/* Weights of DPM-Solver++ over the picture, for a step from `from` to `to` (0: the end); noise 0. */
lyc_multistep_weights lyc_multistep_picture(double from, double to, int order, int solver);

extern const lyc_option_choice lyc_multistep_solvers[];
extern const lyc_option lyc_multistep_options[];

#endif
