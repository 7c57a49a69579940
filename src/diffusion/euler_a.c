/* euler_a.c - Euler's method with noise put back at every step ("ancestral")
 *
 *     y += (y - D) / sigma (down - sigma) + up e
 *
 * Noise is drawn in the last step too, where its factor is 0: the generator has moved on, as in other programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/ancestral.h"
#include "diffusion/sampler.h"

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const lyc_ancestral to = lyc_ancestral_split(sigma, lyc_sampling_sigma(s, s->step + 1), s->request.options.eta);
    const double r = (to.down - sigma) / sigma;
    lyc_sampling_draw(s);
    lyc_blend(s->x, s->count, 3, (const lyc_term[]){{1 + r, s->x}, {-r, s->x0}, {to.up, s->noise}});
    s->step++;
}

const lyc_sampler lyc_sampler_euler_a = {
    .name = "euler_a",
    .label = "Euler a",
    .diffusers = "EulerAncestralDiscreteScheduler",
    .aliases = "euler_ancestral",
    .summary = "Euler's method with noise put back at every step",
    .source = "k-diffusion",
    .options = lyc_ancestral_options,
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .random = lyc_sampling_always_random,
    .advance = advance,
};
