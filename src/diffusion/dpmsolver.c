/* dpmsolver.c - DPM-Solver, multistep, over the noise
 *
 *     x = (alpha'/alpha) x - s' (e^h - 1) m - 1/2 s' (e^h - 1) D1                               order 2, midpoint
 *     x = (alpha'/alpha) x - s' (e^h - 1) m - s' ((e^h - 1)/h - 1) D1                           order 2, heun
 *                                           - s' ((e^h - 1 - h)/h^2 - 1/2) D2                   order 3
 *
 * arXiv 2206.00927 with the multistep form of arXiv 2211.01095. It needs a last sigma above 0: the smallest of the
 * table is taken instead of 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "diffusion/multistep.h"

static lyc_status arrange(lyc_sampling *s, lyc_error *err)
{
    (void)err;
    double *last = &s->timeline.sigmas[s->timeline.steps];
    *last = *last > 0 ? *last : s->schedule->sigmas[0];
    return LYC_OK;
}

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    const lyc_level from = lyc_level_of_sigma(sigma);
    const lyc_level to = lyc_level_of_sigma(next);
    lyc_sampling_epsilon(s, s->noise);
    lyc_blend(lyc_sampling_push(s), s->count, 1, &(lyc_term){1, s->noise});
    const int order = lyc_multistep_order(s);
    const double h = lyc_lambda(next) - lyc_lambda(sigma);
    const double growth = expm1(h); /* e^h - 1 */
    lyc_multistep_weights w = {.state = to.signal / from.signal, .d0 = -to.noise * growth};
    if (order == 2 && s->request.options.solver == LYC_SOLVER_MIDPOINT) {
        w.d1 = -0.5 * to.noise * growth;
    } else if (order > 1) {
        w.d1 = -to.noise * (growth / h - 1);
        w.d2 = -to.noise * ((growth - h) / (h * h) - 0.5);
    }
    const lyc_differences d = lyc_multistep_differences(s, order, h);
    lyc_multistep_step(s, order, &d, &w);
}

const lyc_sampler lyc_sampler_dpmsolver = {
    .name = "dpmsolver",
    .aliases = "dpm_solver",
    .summary = "multistep solver of order 2 over the noise",
    .source = "arXiv 2206.00927",
    .options = lyc_multistep_options,
    .timeline = LYC_TIMELINE_INTERVALS,
    .spacing = LYC_SPACING_LINSPACE,
    .history = LYC_MULTISTEP_ORDER,
    .arrange = arrange,
    .advance = advance,
};
