/* dpmpp_sde.c - DPM-Solver++ with noise, two evaluations a step
 *
 *     T = -ln sigma, middle at T + h/2.  (down, up) of (sigma, middle):
 *     y2 = (down/sigma) y - (down/sigma - 1) D + up e1,   D2 = D(y2, middle)
 *     (down, up) of (sigma, sigma'):  y = (down/sigma) y - (down/sigma - 1) D2 + up e2        Euler's step to sigma' =
 * 0
 *
 * k-diffusion's sampler with eta 1 and r 1/2, which leaves the factor of D at 0. e1 and e2 are increments of one
 * Brownian motion over [middle, sigma] and [sigma', sigma], so that they are correlated: two independent draws give the
 * parts. The distribution is the same as with a Brownian tree, the pictures are others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "diffusion/ancestral.h"
#include "diffusion/sampler.h"

static double middle(const lyc_sampling *s)
{
    return sqrt(lyc_sampling_sigma(s, s->step) * lyc_sampling_sigma(s, s->step + 1));
}

static lyc_sampling_point call(const lyc_sampling *s)
{
    if (s->stage == 0) {
        return (lyc_sampling_point){s->timeline.timesteps[s->step], lyc_level_of_sigma(lyc_sampling_sigma(s, s->step))};
    }
    return (lyc_sampling_point){lyc_schedule_timestep(s->schedule, middle(s)), lyc_level_of_sigma(middle(s))};
}

/* history: y, and the first draw. */
static void first(lyc_sampling *s, double sigma)
{
    const lyc_ancestral to = lyc_ancestral_split(sigma, middle(s), s->request.options.eta);
    const double kept = to.down / sigma;
    memcpy(s->history[0], s->x, s->count * sizeof *s->x);
    lyc_sampling_draw(s);
    memcpy(s->history[1], s->noise, s->count * sizeof *s->noise);
    lyc_blend(s->x, s->count, 3, (const lyc_term[]){{kept, s->x}, {1 - kept, s->x0}, {to.up, s->noise}});
    s->stage = 1;
}

static void second(lyc_sampling *s, double sigma, double next)
{
    const lyc_ancestral to = lyc_ancestral_split(sigma, next, s->request.options.eta);
    const double kept = to.down / sigma;
    const double above = sqrt((sigma - middle(s)) / (sigma - next));
    const double below = sqrt((middle(s) - next) / (sigma - next));
    lyc_sampling_draw(s);
    lyc_blend(s->x, s->count, 4,
              (const lyc_term[]){
                  {kept, s->history[0]}, {1 - kept, s->x0}, {to.up * above, s->history[1]}, {to.up * below, s->noise}});
    s->stage = 0;
    s->step++;
}

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    if (s->stage == 1) {
        second(s, sigma, next);
    } else if (next > 0) {
        first(s, sigma);
    } else {
        memcpy(s->x, s->x0, s->count * sizeof *s->x);
        s->step++;
    }
}

const lyc_sampler lyc_sampler_dpmpp_sde = {
    .name = "dpm++_sde",
    .label = "DPM++ SDE",
    .diffusers = "DPMSolverSDEScheduler",
    .aliases = "dpmpp_sde",
    .summary = "solver of order 2 with noise, two evaluations a step",
    .source = "k-diffusion",
    .options = lyc_ancestral_options,
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .second_call = true,
    .history = 2,
    .random = lyc_sampling_always_random,
    .call = call,
    .advance = advance,
};
