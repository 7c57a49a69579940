/* pndm.c - pseudo numerical methods for diffusion models
 *
 * arXiv 2202.09778: a linear multistep method over the noise (PLMS), whose steps are transfers between levels,
 *
 *     x' = sqrt(A / a) x - (A - a) e / (a sqrt(1 - A) + sqrt(a (1 - a) A))                         equation 11
 *
 * It starts either by evaluating the second timestep twice, which Stable Diffusion does, or with three Runge-Kutta
 * steps of four evaluations each (`runge_kutta`).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "diffusion/sampler.h"

enum {
    RUNGE_KUTTA_STEPS = 3,
    RUNGE_KUTTA_CALLS = 12,
    PLMS_ORDER = 4,
    /* history: the noise of the last four evaluations, then the state that a step starts from again, then a sum. */
    START = PLMS_ORDER,
    SUM = PLMS_ORDER + 1
};

/* T div n. */
static int stride(const lyc_sampling *s)
{
    return s->schedule->train_timesteps / s->timeline.requested;
}

/* t_1, t_2, t_2, t_3, ...; with one step t_1 alone. */
static lyc_status repeat_second(lyc_sampling *s, const double *spaced, int n, lyc_error *err)
{
    LYC_TRY(lyc_timeline_resize(&s->timeline, n > 1 ? n + 1 : 1, err));
    for (int i = 0; i < s->timeline.steps; i++) {
        s->timeline.timesteps[i] = spaced[i < 2 ? i : i - 1];
    }
    return LYC_OK;
}

/* t_i, t_{i+1} + h, t_{i+1} + h, t_{i+1} for the first three, then the rest one by one; h is half a stride. */
static lyc_status prepend_runge_kutta(lyc_sampling *s, const double *spaced, int n, lyc_error *err)
{
    if (n <= RUNGE_KUTTA_STEPS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps, the sampler pndm with Runge-Kutta steps needs at least %d", n,
                        RUNGE_KUTTA_STEPS + 1);
    }
    LYC_TRY(lyc_timeline_resize(&s->timeline, n - RUNGE_KUTTA_STEPS + RUNGE_KUTTA_CALLS, err));
    double *t = s->timeline.timesteps;
    for (int i = 0; i < RUNGE_KUTTA_STEPS; i++) {
        t[4 * i] = spaced[i];
        t[4 * i + 1] = t[4 * i + 2] = spaced[i + 1] + stride(s) / 2;
        t[4 * i + 3] = spaced[i + 1];
    }
    memcpy(t + RUNGE_KUTTA_CALLS, spaced + RUNGE_KUTTA_STEPS, (size_t)(n - RUNGE_KUTTA_STEPS) * sizeof *t);
    return LYC_OK;
}

static lyc_status arrange(lyc_sampling *s, lyc_error *err)
{
    lyc_timeline spaced = s->timeline;
    s->timeline = (lyc_timeline){.requested = spaced.requested, .initial_factor = spaced.initial_factor};
    const lyc_status status =
        (s->request.options.runge_kutta ? prepend_runge_kutta : repeat_second)(s, spaced.timesteps, spaced.steps, err);
    lyc_timeline_clear(&spaced);
    return status;
}

static lyc_level level_at(const lyc_sampling *s, int timestep)
{
    if (timestep < 0 && s->request.set_alpha_to_one) {
        return (lyc_level){1, 0};
    }
    const int last = s->schedule->train_timesteps - 1;
    return lyc_level_of_sigma(s->schedule->sigmas[timestep < 0 ? 0 : timestep > last ? last : timestep]);
}

/* s->x = the state at timestep `to`, from `start` at `from` along a sum of noises. */
static void transfer(lyc_sampling *s, const float *start, int from, int to, int terms, const lyc_term *term)
{
    const lyc_level a = level_at(s, from);
    const lyc_level A = level_at(s, to);
    const double change =
        (A.signal * A.signal - a.signal * a.signal) / (a.signal * a.signal * A.noise + a.signal * a.noise * A.signal);
    lyc_term all[1 + PLMS_ORDER] = {{A.signal / a.signal, start}};
    for (int i = 0; i < terms; i++) {
        all[1 + i] = (lyc_term){-change * term[i].factor, term[i].values};
    }
    lyc_blend(s->x, s->count, 1 + terms, all);
}

/* A history of noises of its own: the two tensors behind it stay where they are. */
static float *push_noise(lyc_sampling *s)
{
    float *last = s->history[PLMS_ORDER - 1];
    memmove(&s->history[1], &s->history[0], (PLMS_ORDER - 1) * sizeof *s->history);
    s->history[0] = last;
    s->memory += s->memory < PLMS_ORDER;
    return last;
}

static void runge_kutta(lyc_sampling *s)
{
    static const double weights[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
    const int part = s->step % 4;
    const int begin = (int)s->timeline.timesteps[s->step - part];
    const int to = (int)s->timeline.timesteps[s->step] - (part % 2 == 0 ? stride(s) / 2 : 0);
    float *sum = s->history[SUM];
    float *e = part == 0 ? push_noise(s) : s->noise;
    lyc_sampling_epsilon(s, e);
    if (part == 0) {
        memcpy(s->history[START], s->x, s->count * sizeof *s->x);
        lyc_blend(sum, s->count, 1, &(lyc_term){weights[0], e});
    } else {
        lyc_blend(sum, s->count, 2, (const lyc_term[]){{1, sum}, {weights[part], e}});
    }
    transfer(s, s->history[START], begin, to, 1, &(lyc_term){1, part == 3 ? sum : e});
    s->step++;
}

static void multistep(lyc_sampling *s)
{
    static const double weights[PLMS_ORDER][PLMS_ORDER] = {
        {1},
        {3.0 / 2, -1.0 / 2},
        {23.0 / 12, -16.0 / 12, 5.0 / 12},
        {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24},
    };
    const int t = (int)s->timeline.timesteps[s->step];
    lyc_term terms[PLMS_ORDER];
    lyc_sampling_epsilon(s, push_noise(s));
    for (int i = 0; i < s->memory; i++) {
        terms[i] = (lyc_term){weights[s->memory - 1][i], s->history[i]};
    }
    if (s->calls == 1) {
        memcpy(s->history[START], s->x, s->count * sizeof *s->x);
    }
    transfer(s, s->x, t, t - stride(s), s->memory, terms);
    s->step++;
}

/* The second evaluation: the first step again, from its start, with the mean of both noises. */
static void repeat_first(lyc_sampling *s)
{
    const int t = (int)s->timeline.timesteps[s->step];
    lyc_sampling_epsilon(s, s->noise);
    transfer(s, s->history[START], t + stride(s), t, 2, (const lyc_term[]){{0.5, s->noise}, {0.5, s->history[0]}});
    s->step++;
}

static void advance(lyc_sampling *s)
{
    if (s->request.options.runge_kutta && s->step < RUNGE_KUTTA_CALLS) {
        runge_kutta(s);
    } else if (s->calls == 2 && !s->request.options.runge_kutta) {
        repeat_first(s);
    } else {
        multistep(s);
    }
}

static const lyc_option options[] = {
    {.name = "runge-kutta",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lyc_sampler_options, runge_kutta),
     .standard = "no",
     .help = "start with three Runge-Kutta steps of four evaluations"},
    {0},
};

const lyc_sampler lyc_sampler_pndm = {
    .name = "pndm",
    .label = "PLMS",
    .diffusers = "PNDMScheduler",
    .aliases = "plms",
    .summary = "linear multistep method over the noise",
    .source = "arXiv 2202.09778",
    .options = options,
    .timeline = LYC_TIMELINE_WHOLE,
    .spacing = LYC_SPACING_LEADING,
    .history = PLMS_ORDER + 2,
    .arrange = arrange,
    .advance = advance,
};
