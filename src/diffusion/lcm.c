/* lcm.c - latent consistency models
 *
 *     den = c_out x0 + c_skip x,   c_skip = s^2 / (t'^2 + s^2),  c_out = t' / sqrt(t'^2 + s^2),  t' = 10 t,  s = 1/2
 *     x = sqrt(A) den + sqrt(1 - A) e            the last step returns den
 *
 * arXiv 2310.04378, appendix. Needs a model or an adapter that was distilled for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "diffusion/sampler.h"

static const double timestep_scaling = 10; /* LCMScheduler's standard */
static const double sigma_data = 0.5;

static void advance(lyc_sampling *s)
{
    const double t = lyc_sampling_call(s).timestep * timestep_scaling;
    const double power = t * t + sigma_data * sigma_data;
    const double skip = sigma_data * sigma_data / power;
    const double out = t / sqrt(power);
    if (s->step + 1 < s->timeline.steps) {
        const lyc_level to = lyc_schedule_level(s->schedule, (int)s->timeline.timesteps[s->step + 1]);
        lyc_sampling_draw(s);
        lyc_blend(s->x, s->count, 3,
                  (const lyc_term[]){{to.signal * out, s->x0}, {to.signal * skip, s->x}, {to.noise, s->noise}});
    } else {
        lyc_blend(s->x, s->count, 2, (const lyc_term[]){{out, s->x0}, {skip, s->x}});
    }
    s->step++;
}

static const lyc_option options[] = {
    {.name = "original-steps",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lyc_sampler_options, lcm_steps),
     .standard = "50",
     .min = 1,
     .max = 1000000,
     .help = "steps that the model was distilled on"},
    {0},
};

const lyc_sampler lyc_sampler_lcm = {
    .name = "lcm",
    .label = "LCM",
    .diffusers = "LCMScheduler",
    .summary = "few steps, for models and adapters distilled for it",
    .source = "arXiv 2310.04378",
    .options = options,
    .timeline = LYC_TIMELINE_LCM,
    .spacing = LYC_SPACING_LEADING,
    .random = lyc_sampling_always_random,
    .advance = advance,
};
