/* heun.c - Heun's method in sigma
 *
 *     d = (y - D(y)) / sigma,   y' = y + d (sigma' - sigma),   d' = (y' - D(y')) / sigma'
 *     y += (d + d') / 2 (sigma' - sigma)           arXiv 2206.00364, algorithm 1; Euler's step where sigma' = 0
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "diffusion/sampler.h"

/* history: y and d of the first evaluation. */
static void first(lyc_sampling *s, double sigma, double next)
{
    float *y = s->history[0];
    float *d = s->history[1];
    memcpy(y, s->x, s->count * sizeof *y);
    lyc_blend(d, s->count, 2, (const lyc_term[]){{1 / sigma, s->x}, {-1 / sigma, s->x0}});
    lyc_blend(s->x, s->count, 2, (const lyc_term[]){{1, y}, {next - sigma, d}});
    if (next > 0) {
        s->stage = 1;
    } else {
        s->step++;
    }
}

static void second(lyc_sampling *s, double sigma, double next)
{
    const double half = (next - sigma) / 2;
    lyc_blend(
        s->x, s->count, 4,
        (const lyc_term[]){{1, s->history[0]}, {half, s->history[1]}, {half / next, s->x}, {-half / next, s->x0}});
    s->stage = 0;
    s->step++;
}

static lyc_sampling_point call(const lyc_sampling *s)
{
    const int at = s->step + s->stage; /* the second evaluation is at the next sigma */
    if (at == s->timeline.steps) {     /* where the run does not end at 0 */
        const double sigma = lyc_sampling_sigma(s, at);
        return (lyc_sampling_point){lyc_schedule_timestep(s->schedule, sigma), lyc_level_of_sigma(sigma)};
    }
    return (lyc_sampling_point){s->timeline.timesteps[at], lyc_level_of_sigma(lyc_sampling_sigma(s, at))};
}

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    (s->stage == 0 ? first : second)(s, sigma, next);
}

const lyc_sampler lyc_sampler_heun = {
    .name = "heun",
    .label = "Heun",
    .diffusers = "HeunDiscreteScheduler",
    .summary = "Heun's method, two evaluations a step",
    .source = "arXiv 2206.00364",
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .second_call = true,
    .history = 2,
    .call = call,
    .advance = advance,
};
