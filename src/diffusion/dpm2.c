/* dpm2.c - DPM2: the midpoint method in ln sigma
 *
 *     m = sqrt(sigma sigma'),  y2 = y + (y - D(y)) / sigma (m - sigma)
 *     y += (y2 - D(y2)) / m (sigma' - sigma)                              Euler's step where sigma' = 0
 *
 * arXiv 2206.00364, section 3, with the midpoint; k-diffusion calls it DPM2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/dpm2.h"

#include <math.h>
#include <string.h>

double lyc_dpm2_middle(double sigma, double down)
{
    return sqrt(sigma * down);
}

lyc_sampling_point lyc_dpm2_call(const lyc_sampling *s, double down)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    if (s->stage == 0) {
        return (lyc_sampling_point){s->timeline.timesteps[s->step], lyc_level_of_sigma(sigma)};
    }
    const double middle = lyc_dpm2_middle(sigma, down);
    return (lyc_sampling_point){lyc_schedule_timestep(s->schedule, middle), lyc_level_of_sigma(middle)};
}

void lyc_dpm2_first(lyc_sampling *s, double down)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double to = down > 0 ? lyc_dpm2_middle(sigma, down) : 0;
    const double r = (to - sigma) / sigma;
    memcpy(s->history[0], s->x, s->count * sizeof *s->x);
    lyc_blend(s->x, s->count, 2, (const lyc_term[]){{1 + r, s->x}, {-r, s->x0}});
    if (down > 0) {
        s->stage = 1;
    } else {
        s->step++;
    }
}

void lyc_dpm2_second(lyc_sampling *s, double down)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double r = (down - sigma) / lyc_dpm2_middle(sigma, down);
    lyc_blend(s->x, s->count, 3, (const lyc_term[]){{1, s->history[0]}, {r, s->x}, {-r, s->x0}});
    s->stage = 0;
    s->step++;
}

static lyc_sampling_point call(const lyc_sampling *s)
{
    return lyc_dpm2_call(s, lyc_sampling_sigma(s, s->step + 1));
}

static void advance(lyc_sampling *s)
{
    (s->stage == 0 ? lyc_dpm2_first : lyc_dpm2_second)(s, lyc_sampling_sigma(s, s->step + 1));
}

const lyc_sampler lyc_sampler_dpm2 = {
    .name = "dpm2",
    .label = "DPM2",
    .diffusers = "KDPM2DiscreteScheduler",
    .summary = "midpoint method in ln sigma, two evaluations a step",
    .source = "arXiv 2206.00364",
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .round_karras = true,
    .second_call = true,
    .history = 1,
    .call = call,
    .advance = advance,
};
