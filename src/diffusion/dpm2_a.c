/* dpm2_a.c - DPM2 with noise put back at every step ("ancestral")
 *
 * DPM2's step goes to `down` instead of the next sigma; up e is added after the second evaluation. No noise is drawn in
 * the step that ends at 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/ancestral.h"
#include "diffusion/dpm2.h"

static lyc_ancestral split(const lyc_sampling *s)
{
    return lyc_ancestral_split(lyc_sampling_sigma(s, s->step), lyc_sampling_sigma(s, s->step + 1),
                               s->request.options.eta);
}

static lyc_sampling_point call(const lyc_sampling *s)
{
    return lyc_dpm2_call(s, split(s).down);
}

static void advance(lyc_sampling *s)
{
    const lyc_ancestral to = split(s);
    if (s->stage == 0) {
        lyc_dpm2_first(s, to.down);
        return;
    }
    lyc_dpm2_second(s, to.down);
    lyc_sampling_draw(s);
    lyc_blend(s->x, s->count, 2, (const lyc_term[]){{1, s->x}, {to.up, s->noise}});
}

const lyc_sampler lyc_sampler_dpm2_a = {
    .name = "dpm2_a",
    .label = "DPM2 a",
    .diffusers = "KDPM2AncestralDiscreteScheduler",
    .aliases = "dpm2_ancestral",
    .summary = "DPM2 with noise put back at every step",
    .source = "k-diffusion",
    .options = lyc_ancestral_options,
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .round_karras = true,
    .second_call = true,
    .history = 1,
    .random = lyc_sampling_always_random,
    .call = call,
    .advance = advance,
};
