/* ddpm.c - denoising diffusion probabilistic models
 *
 *     x = sqrt(A) b / (1 - a) x0 + sqrt(k) (1 - A) / (1 - a) x + sqrt((1 - A) / (1 - a) b) e,   k = a / A, b = 1 - k
 *
 * arXiv 2006.11239, equations 6 and 7. A is a at the run's next timestep, and 1 behind its last. No noise at timestep
 * 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "diffusion/sampler.h"

static const double smallest_variance = 1e-20; /* as in diffusers, which takes its logarithm elsewhere */

static void advance(lyc_sampling *s)
{
    const lyc_sampling_point now = lyc_sampling_call(s);
    const bool last = s->step + 1 == s->timeline.steps;
    const lyc_level to =
        last ? (lyc_level){1, 0} : lyc_schedule_level(s->schedule, (int)s->timeline.timesteps[s->step + 1]);
    const double root_k = now.level.signal / to.signal;
    const double b = 1 - root_k * root_k;
    const double rest = now.level.noise * now.level.noise; /* 1 - a */
    const double left = to.noise * to.noise / rest;
    double deviation = 0;
    if (now.timestep > 0) {
        deviation = sqrt(fmax(left * b, smallest_variance));
        lyc_sampling_draw(s);
    }
    lyc_blend(s->x, s->count, 3,
              (const lyc_term[]){{to.signal * b / rest, s->x0}, {root_k * left, s->x}, {deviation, s->noise}});
    s->step++;
}

const lyc_sampler lyc_sampler_ddpm = {
    .name = "ddpm",
    .diffusers = "DDPMScheduler",
    .summary = "the random steps that diffusion models were trained for",
    .source = "arXiv 2006.11239",
    .timeline = LYC_TIMELINE_WHOLE,
    .spacing = LYC_SPACING_LEADING,
    .random = lyc_sampling_always_random,
    .advance = advance,
};
