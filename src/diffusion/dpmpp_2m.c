/* dpmpp_2m.c - DPM-Solver++, multistep, of orders 1 to 3
 *
 *     x = (s'/s) x - alpha' (e^-h - 1) D - 1/2 alpha' (e^-h - 1) D1                             order 2, midpoint
 *     x = (s'/s) x - alpha' (e^-h - 1) D + alpha' ((e^-h - 1)/h + 1) D1                         order 2, heun
 *                                        - alpha' ((e^-h - 1 + h)/h^2 - 1/2) D2                 order 3
 *
 * arXiv 2211.01095, algorithm 2. alpha, s: signal and noise; h: the difference of lambda = ln alpha - ln s. Where the
 * run ends at sigma 0, h is infinite and the last step of order 1 returns D.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "diffusion/multistep.h"

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    memcpy(lyc_sampling_push(s), s->x0, s->count * sizeof *s->x0);
    const int order = lyc_multistep_order(s);
    const lyc_multistep_weights w = lyc_multistep_picture(sigma, next, order, s->request.options.solver);
    const lyc_differences d = lyc_multistep_differences(s, order, lyc_lambda(next) - lyc_lambda(sigma));
    lyc_multistep_step(s, order, &d, &w);
}

const lyc_sampler lyc_sampler_dpmpp_2m = {
    .name = "dpm++_2m",
    .label = "DPM++ 2M",
    .diffusers = "DPMSolverMultistepScheduler",
    .aliases = "dpmsolver++ dpmpp_2m",
    .summary = "multistep solver of order 2 over the picture",
    .source = "arXiv 2211.01095",
    .options = lyc_multistep_options,
    .timeline = LYC_TIMELINE_INTERVALS,
    .spacing = LYC_SPACING_LINSPACE,
    .history = LYC_MULTISTEP_ORDER,
    .advance = advance,
};
