/* ddim.c - denoising diffusion implicit models
 *
 *     x = sqrt(A) x0 + sqrt(1 - A - s^2) noise + s e,   s = eta sqrt((1 - A) / (1 - a) (1 - a / A))
 *
 * arXiv 2010.02502, equation 12. A is a at the timestep t - T div n, whatever the spacing; behind the first timestep it
 * is 1, or a_0 as Stable Diffusion has it. Noise is drawn only where eta is above 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "diffusion/sampler.h"

static bool is_random(const lyc_sampler_options *options)
{
    return options->eta > 0;
}

static lyc_level previous(const lyc_sampling *s, double timestep)
{
    const int to = (int)timestep - s->schedule->train_timesteps / s->timeline.requested;
    if (to < 0 && s->request.set_alpha_to_one) {
        return (lyc_level){1, 0};
    }
    return lyc_schedule_level(s->schedule, to < 0 ? 0 : to);
}

static void advance(lyc_sampling *s)
{
    const lyc_sampling_point now = lyc_sampling_call(s);
    const lyc_level to = previous(s, now.timestep);
    const double ratio = now.level.signal / to.signal;
    const double deviation = to.noise / now.level.noise * sqrt(fmax(1 - ratio * ratio, 0));
    const double put_back = s->request.options.eta * deviation;
    const double kept = sqrt(fmax(to.noise * to.noise - put_back * put_back, 0));
    float *noise = s->history[0];
    lyc_sampling_epsilon(s, noise);
    if (put_back > 0 || is_random(&s->request.options)) {
        lyc_sampling_draw(s);
    }
    lyc_blend(s->x, s->count, 3, (const lyc_term[]){{to.signal, s->x0}, {kept, noise}, {put_back, s->noise}});
    s->step++;
}

static const lyc_option options[] = {
    {.name = "eta",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(lyc_sampler_options, eta),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "amount of noise put back at a step; 1 is DDPM's"},
    {0},
};

const lyc_sampler lyc_sampler_ddim = {
    .name = "ddim",
    .label = "DDIM",
    .diffusers = "DDIMScheduler",
    .summary = "implicit steps, deterministic with eta 0",
    .source = "arXiv 2010.02502",
    .options = options,
    .timeline = LYC_TIMELINE_WHOLE,
    .spacing = LYC_SPACING_LEADING,
    .history = 1,
    .random = is_random,
    .advance = advance,
};
