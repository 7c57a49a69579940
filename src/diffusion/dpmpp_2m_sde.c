/* dpmpp_2m_sde.c - SDE-DPM-Solver++, multistep, of orders 1 to 3
 *
 *     x = (s'/s) e^-h x + alpha' (1 - e^-2h) D + 1/2 alpha' (1 - e^-2h) D1 + s' sqrt(1 - e^-2h) e        midpoint
 *     with alpha' ((1 - e^-2h)/(-2h) + 1) D1                                                             heun
 *     and  + alpha' ((1 - e^-2h - 2h)/(2h)^2 - 1/2) D2                                                   order 3
 *
 * arXiv 2211.01095, section 5 and algorithm 5. Noise is drawn in the last step too, where its factor is 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "diffusion/multistep.h"

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    const lyc_level from = lyc_level_of_sigma(sigma);
    const lyc_level to = lyc_level_of_sigma(next);
    memcpy(lyc_sampling_push(s), s->x0, s->count * sizeof *s->x0);
    const int order = lyc_multistep_order(s);
    const double h = lyc_lambda(next) - lyc_lambda(sigma);
    const double gain = next > 0 ? -expm1(-2 * h) : 1; /* 1 - e^-2h */
    lyc_multistep_weights w = {
        .state = next > 0 ? to.noise / from.noise * exp(-h) : 0,
        .d0 = to.signal * gain,
        .noise = to.noise * sqrt(gain),
    };
    if (order == 2 && s->request.options.solver == LYC_SOLVER_MIDPOINT) {
        w.d1 = 0.5 * to.signal * gain;
    } else if (order > 1) {
        w.d1 = to.signal * (gain / (-2 * h) + 1);
        w.d2 = to.signal * ((gain - 2 * h) / (4 * h * h) - 0.5);
    }
    lyc_sampling_draw(s);
    const lyc_differences d = lyc_multistep_differences(s, order, h);
    lyc_multistep_step(s, order, &d, &w);
}

const lyc_sampler lyc_sampler_dpmpp_2m_sde = {
    .name = "dpm++_2m_sde",
    .label = "DPM++ 2M SDE",
    .aliases = "sde-dpmsolver++ dpmpp_2m_sde",
    .summary = "multistep solver of order 2 with noise put back",
    .source = "arXiv 2211.01095",
    .options = lyc_multistep_options,
    .timeline = LYC_TIMELINE_INTERVALS,
    .spacing = LYC_SPACING_LINSPACE,
    .history = LYC_MULTISTEP_ORDER,
    .random = lyc_sampling_always_random,
    .advance = advance,
};
