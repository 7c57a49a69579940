/* euler.c - Euler's method in sigma
 *
 *     y += (y - D) / sigma (sigma' - sigma)        arXiv 2206.00364, algorithm 2 without churn
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/sampler.h"

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double r = (lyc_sampling_sigma(s, s->step + 1) - sigma) / sigma;
    lyc_blend(s->x, s->count, 2, (const lyc_term[]){{1 + r, s->x}, {-r, s->x0}});
    s->step++;
}

const lyc_sampler lyc_sampler_euler = {
    .name = "euler",
    .label = "Euler",
    .diffusers = "EulerDiscreteScheduler",
    .summary = "Euler's method",
    .source = "arXiv 2206.00364",
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .advance = advance,
};
