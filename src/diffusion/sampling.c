/* sampling.c - a run of a sampler: memory, coordinates, what a prediction means
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "diffusion/sampler.h"

lyc_status lyc_sampling_request_init(lyc_sampling_request *r, const lyc_sampler *sampler,
                                     const lyc_scheduler_config *config, lyc_error *err)
{
    *r = (lyc_sampling_request){.spacing = sampler->spacing};
    if (config != NULL) {
        r->prediction = config->prediction;
        r->spacing = config->spacing_told ? config->spacing : sampler->spacing;
        r->steps_offset = config->steps_offset;
        r->set_alpha_to_one = config->set_alpha_to_one;
        r->sigma_min_final = config->sigma_min_final;
        r->clip_range = config->clip_sample ? config->clip_sample_range : 0;
    }
    return sampler->options != NULL ? lyc_option_reset(&r->options, sampler->options, err) : LYC_OK;
}

static lyc_status allocate(lyc_sampling *s, lyc_error *err)
{
    size_t numbers;
    const size_t tensors = 3 + (size_t)s->sampler->history; /* x, x0, noise */
    const size_t aligned = (s->count + 15) / 16 * 16;
    s->block = lyc_size_mul(&numbers, aligned, tensors) ? lyc_alloc_zero(numbers, sizeof *s->block) : NULL;
    if (s->block == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the %zu numbers of a sampler", s->count);
    }
    s->x = s->block;
    s->x0 = s->block + aligned;
    s->noise = s->block + 2 * aligned;
    for (int i = 0; i < s->sampler->history; i++) {
        s->history[i] = s->block + (size_t)(3 + i) * aligned;
    }
    return LYC_OK;
}

static lyc_status check(const lyc_sampler *sampler, const lyc_sampling_request *request, lyc_error *err)
{
    assert(sampler->history <= LYC_SAMPLER_HISTORY);
    assert(request->first >= 0 && request->first <= request->steps);
    assert(request->noise != NULL || sampler->random == NULL || !sampler->random(&request->options));
    if (request->curve != LYC_CURVE_NONE && sampler->timeline != LYC_TIMELINE_FRACTIONAL &&
        sampler->timeline != LYC_TIMELINE_INTERVALS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s sigmas are not defined for the sampler %s",
                        lyc_sigma_curve_name(request->curve), sampler->name);
    }
    return LYC_OK;
}

static lyc_status arrange(lyc_sampling *s, lyc_error *err)
{
    const lyc_sampling_request *r = &s->request;
    LYC_TRY(lyc_timeline_init(&s->timeline, s->schedule,
                              &(lyc_timeline_request){.steps = r->steps,
                                                      .kind = s->sampler->timeline,
                                                      .spacing = r->spacing,
                                                      .steps_offset = r->steps_offset,
                                                      .curve = r->curve,
                                                      .round_karras = s->sampler->round_karras,
                                                      .sigma_min_final = r->sigma_min_final,
                                                      .log_linear = r->log_linear,
                                                      .lcm_steps = (int)r->options.lcm_steps,
                                                      .style = r->style},
                              err));
    lyc_timeline_cut(&s->timeline, r->first);
    if (r->first == r->steps) {
        return LYC_OK;
    }
    if (s->sampler->arrange != NULL) {
        LYC_TRY(s->sampler->arrange(s, err));
    }
    /* Nothing of the picture is left at zero terminal SNR: it cannot be computed from the noise. */
    if (lyc_sampling_call(s).level.signal <= 0 && r->prediction == LYC_PREDICTION_EPSILON) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "the sampler %s cannot start at zero terminal SNR with a model that predicts noise",
                        s->sampler->name);
    }
    return LYC_OK;
}

lyc_status lyc_sampling_init(lyc_sampling *s, const lyc_sampler *sampler, const lyc_schedule *schedule,
                             const lyc_sampling_request *request, size_t count, lyc_error *err)
{
    *s = (lyc_sampling){.sampler = sampler, .schedule = schedule, .request = *request, .count = count};
    lyc_status status = check(sampler, request, err);
    status = status == LYC_OK ? arrange(s, err) : status;
    status = status == LYC_OK ? allocate(s, err) : status;
    if (status != LYC_OK) {
        lyc_sampling_clear(s);
    }
    return status;
}

void lyc_sampling_clear(lyc_sampling *s)
{
    lyc_timeline_clear(&s->timeline);
    lyc_free(s->block);
    *s = (lyc_sampling){0};
}

void lyc_blend(float *out, size_t count, int terms, const lyc_term *term)
{
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (int k = 0; k < terms; k++) {
            sum += term[k].factor * (double)term[k].values[i];
        }
        out[i] = (float)sum;
    }
}

static void start(lyc_sampling *s)
{
    s->step = 0;
    s->stage = 0;
    s->calls = 0;
    s->memory = 0;
}

void lyc_sampling_begin(lyc_sampling *s, const float *noise)
{
    start(s);
    lyc_blend(s->x, s->count, 1, &(lyc_term){s->timeline.initial_factor, noise});
}

void lyc_sampling_begin_at(lyc_sampling *s, const float *latents, const float *noise)
{
    start(s);
    if (lyc_sampling_done(s)) {
        memcpy(s->x, latents, s->count * sizeof *latents);
        return;
    }
    const lyc_level level = lyc_sampling_call(s).level;
    const double scale = s->sampler->sigma_state ? 1 / level.signal : 1;
    lyc_blend(s->x, s->count, 2, (const lyc_term[]){{scale * level.signal, latents}, {scale * level.noise, noise}});
}

bool lyc_sampling_done(const lyc_sampling *s)
{
    return s->step >= s->timeline.steps;
}

double lyc_sampling_sigma(const lyc_sampling *s, int step)
{
    return s->timeline.sigmas[step];
}

lyc_sampling_point lyc_sampling_call(const lyc_sampling *s)
{
    if (s->sampler->call != NULL) {
        return s->sampler->call(s);
    }
    const double timestep = s->timeline.timesteps[s->step];
    const bool whole = s->sampler->timeline == LYC_TIMELINE_WHOLE || s->sampler->timeline == LYC_TIMELINE_LCM;
    return (lyc_sampling_point){timestep, whole ? lyc_schedule_level(s->schedule, (int)timestep)
                                                : lyc_level_of_sigma(s->timeline.sigmas[s->step])};
}

double lyc_sampling_input(const lyc_sampling *s, float *input)
{
    const lyc_sampling_point call = lyc_sampling_call(s);
    lyc_blend(input, s->count, 1, &(lyc_term){s->sampler->sigma_state ? call.level.signal : 1, s->x});
    return call.timestep;
}

/* A quantity that follows from the state and the answer: state * x + output * m. */
typedef struct meaning {
    double state;
    double output;
} meaning;

/* x and m are in VP: x = signal z + noise n, v = signal n - noise z. */
static meaning picture(lyc_prediction prediction, lyc_level level)
{
    switch (prediction) {
    case LYC_PREDICTION_EPSILON:
        return (meaning){1 / level.signal, -level.noise / level.signal};
    case LYC_PREDICTION_V:
        return (meaning){level.signal, -level.noise};
    case LYC_PREDICTION_SAMPLE:
        return (meaning){0, 1};
    }
    return (meaning){0, 0};
}

static meaning noise(lyc_prediction prediction, lyc_level level)
{
    switch (prediction) {
    case LYC_PREDICTION_EPSILON:
        return (meaning){0, 1};
    case LYC_PREDICTION_V:
        return (meaning){level.noise, level.signal};
    case LYC_PREDICTION_SAMPLE:
        return (meaning){1 / level.noise, -level.signal / level.noise};
    }
    return (meaning){0, 0};
}

static void apply(const lyc_sampling *s, float *out, meaning of, lyc_level level)
{
    const double to_vp = s->sampler->sigma_state ? level.signal : 1;
    lyc_blend(out, s->count, 2, (const lyc_term[]){{of.state * to_vp, s->x}, {of.output, s->output}});
}

void lyc_sampling_epsilon(const lyc_sampling *s, float *out)
{
    const lyc_level level = lyc_sampling_call(s).level;
    apply(s, out, noise(s->request.prediction, level), level);
}

static void clip(float *x, size_t count, float range)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = fminf(fmaxf(x[i], -range), range);
    }
}

void lyc_sampling_advance(lyc_sampling *s, const float *output)
{
    assert(!lyc_sampling_done(s));
    const lyc_level level = lyc_sampling_call(s).level;
    s->output = output;
    apply(s, s->x0, picture(s->request.prediction, level), level);
    if (s->request.clip_range > 0) {
        clip(s->x0, s->count, (float)s->request.clip_range);
    }
    s->calls++;
    s->sampler->advance(s);
    s->output = NULL;
}

lyc_level lyc_sampling_level(const lyc_sampling *s)
{
    return lyc_sampling_done(s) ? lyc_level_of_sigma(s->timeline.sigmas[s->timeline.steps])
                                : lyc_sampling_call(s).level;
}

void lyc_sampling_latents(const lyc_sampling *s, float *latents)
{
    const double to_vp = s->sampler->sigma_state ? lyc_sampling_level(s).signal : 1;
    lyc_blend(latents, s->count, 1, &(lyc_term){to_vp, s->x});
}

int lyc_sampling_calls_left(const lyc_sampling *s)
{
    const int steps = s->timeline.steps - s->step;
    if (!s->sampler->second_call || steps == 0) {
        return steps;
    }
    const bool ends_at_zero = s->timeline.sigmas[s->timeline.steps] <= 0;
    return 2 * steps - (ends_at_zero ? 1 : 0) - s->stage;
}

void lyc_sampling_keep(lyc_sampling *s, const float *mask, const float *latents, const float *drawn)
{
    const lyc_level level = lyc_sampling_done(s) ? (lyc_level){1, 0} : lyc_sampling_level(s);
    const double scale = s->sampler->sigma_state ? 1 / level.signal : 1;
    for (size_t i = 0; i < s->count; i++) {
        const double outside = scale * (level.signal * (double)latents[i] + level.noise * (double)drawn[i]);
        s->x[i] = (float)((double)mask[i] * (double)s->x[i] + (1 - (double)mask[i]) * outside);
    }
}

bool lyc_sampling_always_random(const lyc_sampler_options *options)
{
    (void)options;
    return true;
}

void lyc_sampling_draw(lyc_sampling *s)
{
    s->request.noise(s->request.noise_context, s->noise, s->count);
}

float *lyc_sampling_push(lyc_sampling *s)
{
    const int n = s->sampler->history;
    float *last = s->history[n - 1];
    memmove(&s->history[1], &s->history[0], (size_t)(n - 1) * sizeof *s->history);
    s->history[0] = last;
    s->memory += s->memory < n;
    return last;
}
