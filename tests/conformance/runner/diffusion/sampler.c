/* sampler.c - whole runs of samplers with an analytic network
 *
 * Members: scheduler (diffusers' class), scheduler_options, steps, step_options ({"eta": 1.0}). Tensors, [.., c, h, w]:
 * initial_noise, init_noise_sigma, initial_sample, step_noise (what the sampler drew, in order), and per call of the
 * network timesteps, model_outputs, samples_after_each_step; sigmas.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "analytic_network.h"
#include "base/memory.h"
#include "compare_tensor.h"
#include "kind.h"
#include "scheduler_options.h"
#include "tensor/shape.h"
#include "timelines.h"

/* Noise as it was recorded; beyond its end there is none. */
typedef struct recording {
    float *values;
    size_t count;
    size_t next;
    bool exhausted;
} recording;

static void play(void *context, float *out, size_t n)
{
    recording *r = context;
    if (n > r->count - r->next) {
        r->exhausted = true;
        memset(out, 0, n * sizeof *out);
        return;
    }
    memcpy(out, r->values + r->next, n * sizeof *out);
    r->next += n;
}

typedef struct trial {
    lyc_scheduler_case scheduler;
    lyc_schedule schedule;
    lyc_analytic_network network;
    lyc_sampling sampling;
    recording noise;
    float *start;   /* initial noise */
    float *outputs; /* per call */
    float *states;
    size_t count; /* numbers of the state */
    size_t calls;
    lyc_tensor_view shape;
} trial;

static lyc_status read_noise(trial *t, lyc_case *c, lyc_error *err)
{
    const lyc_safetensors *file;
    lyc_tensor_view view;
    LYC_TRY(lyc_case_floats(&t->start, &t->shape, c, "initial_noise", err));
    t->count = (size_t)lyc_shape_elements(&t->shape.shape);
    LYC_TRY(lyc_case_open(&file, c, err));
    if (lyc_safetensors_find(&view, file, "step_noise")) {
        LYC_TRY(lyc_case_floats(&t->noise.values, &view, c, "step_noise", err));
        t->noise.count = (size_t)lyc_shape_elements(&view.shape);
    }
    return LYC_OK;
}

static lyc_status set_up(trial *t, lyc_case *c, lyc_error *err)
{
    const char *scheduler = lyc_case_text(c, "scheduler");
    if (scheduler == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"scheduler\"");
    }
    LYC_TRY(lyc_scheduler_case_init(&t->scheduler, scheduler, json_object_get(c->json, "scheduler_options"), err));
    lyc_sampling_request *r = &t->scheduler.request;
    const json_t *eta = json_object_get(json_object_get(c->json, "step_options"), "eta");
    r->options.eta = json_is_number(eta) ? json_number_value(eta) : r->options.eta;
    r->steps = (int)json_integer_value(json_object_get(c->json, "steps"));
    r->noise = play;
    r->noise_context = &t->noise;
    LYC_TRY(lyc_analytic_network_open(&t->network, c, err));
    LYC_TRY(read_noise(t, c, err));
    LYC_TRY(lyc_schedule_init(&t->schedule, &t->scheduler.config, err));
    return lyc_sampling_init(&t->sampling, t->scheduler.sampler, &t->schedule, r, t->count, err);
}

static lyc_status sample(trial *t, lyc_error *err)
{
    lyc_sampling *s = &t->sampling;
    const size_t images = (size_t)t->shape.shape.dims[0];
    const size_t pixels = t->count / images / (size_t)t->network.channels;
    float *input = lyc_alloc_zero(t->count, sizeof *input);
    lyc_sampling_begin(s, t->start);
    const size_t calls = (size_t)lyc_sampling_calls_left(s);
    t->outputs = lyc_alloc_zero(calls * t->count, sizeof *t->outputs);
    t->states = lyc_alloc_zero(calls * t->count, sizeof *t->states);
    if (input == NULL || t->outputs == NULL || t->states == NULL) {
        lyc_free(input);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a run");
    }
    for (; !lyc_sampling_done(s) && t->calls < calls; t->calls++) {
        float *output = t->outputs + t->calls * t->count;
        const double timestep = lyc_sampling_input(s, input);
        lyc_analytic_network_run(&t->network, output, input, images, pixels, timestep);
        lyc_sampling_advance(s, output);
        memcpy(t->states + t->calls * t->count, s->x, t->count * sizeof *s->x);
    }
    lyc_free(input);
    return LYC_OK;
}

static lyc_status compare(lyc_result *result, trial *t, lyc_case *c, lyc_error *err)
{
    lyc_numbers timesteps = {0};
    lyc_numbers sigmas = {0};
    lyc_status status;
    if ((status = lyc_call_timesteps(&timesteps, t->scheduler.sampler, &t->schedule, &t->scheduler.request, err)) ==
            LYC_OK &&
        (status = lyc_compare_named(result, c, "timesteps", timesteps.values, LYC_F64, timesteps.count, err)) ==
            LYC_OK &&
        (status = lyc_scheduler_sigmas(&sigmas, &t->sampling, err)) == LYC_OK &&
        (status = lyc_compare_named(result, c, "sigmas", sigmas.values, LYC_F64, sigmas.count, err)) == LYC_OK &&
        (status = lyc_compare_named(result, c, "init_noise_sigma", &t->sampling.timeline.initial_factor, LYC_F64, 1,
                                    err)) == LYC_OK &&
        (status = lyc_compare_named(result, c, "model_outputs", t->outputs, LYC_F32, t->calls * t->count, err)) ==
            LYC_OK) {
        status = lyc_compare_named(result, c, "samples_after_each_step", t->states, LYC_F32, t->calls * t->count, err);
    }
    lyc_free(timesteps.values);
    lyc_free(sigmas.values);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    trial t = {0};
    lyc_status status = set_up(&t, c, err);
    status = status == LYC_OK ? sample(&t, err) : status;
    status = status == LYC_OK ? compare(result, &t, c, err) : status;
    if (status == LYC_OK && (t.noise.exhausted || t.noise.next != t.noise.count)) {
        lyc_result_complain(result, "%zu of %zu recorded numbers of noise were drawn%s", t.noise.next, t.noise.count,
                            t.noise.exhausted ? ", and then more" : "");
    }
    lyc_sampling_clear(&t.sampling);
    lyc_schedule_clear(&t.schedule);
    lyc_scheduler_case_clear(&t.scheduler);
    lyc_free(t.noise.values);
    lyc_free(t.start);
    lyc_free(t.outputs);
    lyc_free(t.states);
    return status;
}

const lyc_kind lyc_kind_sampler = {.name = "sampler", .folder = "diffusion", .prefix = "sampler", .run = run};
