/* text_to_image.c - whole runs from a prompt to a picture, with a small model
 *
 * Members: model (a diffusers folder), prompt, negative_prompt, steps, guidance_scale, height, width, scheduler
 * (class), scheduler_config, initial_latents_seed_torch_cpu. Tensors, pictures [n,c,h,w]: prompt_embeds,
 * negative_prompt_embeds, timesteps, initial_latents, latents_after_each_step, final_latents,
 * decoded_image_minus1_to_1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "compare_tensor.h"
#include "diffusion/pipeline.h"
#include "diffusion/start.h"
#include "kind.h"
#include "scheduler_options.h"
#include "timelines.h"

/* Latents after each call, [calls,h,w,c], as the network's coordinates of the sampler have them. */
typedef struct record {
    float *states;
    size_t calls, capacity, size;
} record;

static void observe(void *context, int image, const lyc_sampling *s, const float *answer)
{
    record *r = context;
    (void)image;
    (void)answer;
    if (r->calls < r->capacity) {
        memcpy(r->states + r->calls * r->size, s->x, r->size * sizeof *r->states);
    }
    r->calls++;
}

/* n pictures [h,w,c] to [c,h,w]. */
static float *turned(const float *in, size_t n, size_t pixels, size_t c)
{
    float *out = lyc_alloc_zero(n * pixels, c * sizeof *out);
    for (size_t i = 0; out != NULL && i < n * pixels * c; i++) {
        out[i / (pixels * c) * pixels * c + i % c * pixels + i / c % pixels] = in[i];
    }
    return out;
}

static lyc_status compare_picture(lyc_result *result, lyc_case *c, const char *name, const float *values, size_t n,
                                  size_t pixels, size_t channels, lyc_error *err)
{
    float *values_turned = turned(values, n, pixels, channels);
    if (values_turned == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", name);
    }
    const lyc_status status = lyc_compare_named(result, c, name, values_turned, LYC_F32, n * pixels * channels, err);
    lyc_free(values_turned);
    return status;
}

static double number(const lyc_case *c, const char *name)
{
    return json_number_value(json_object_get(c->json, name));
}

static lyc_generate_options options_of(const lyc_case *c)
{
    lyc_generate_options o = LYC_GENERATE_DEFAULT;
    o.prompt = lyc_case_text(c, "prompt");
    o.negative = lyc_case_text(c, "negative_prompt");
    o.prompt_style = LYC_PROMPTS_PLAIN;
    o.width = (int)number(c, "width");
    o.height = (int)number(c, "height");
    o.steps = (int)number(c, "steps");
    o.guidance_scale = number(c, "guidance_scale");
    o.guidance_rescale = number(c, "guidance_rescale");
    o.seed = (int64_t)number(c, "initial_latents_seed_torch_cpu");
    return o;
}

static lyc_status open_pipeline(lyc_pipeline **out, const lyc_case *c, lyc_error *err)
{
    char path[4096];
    const char *model = lyc_case_text(c, "model");
    if (model == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"model\"");
    }
    LYC_TRY(lyc_case_path(path, sizeof path, c, model, err));
    return lyc_pipeline_open(out, &(lyc_pipeline_options){.model = path}, err);
}

/* The branches of the prompts: negative first. */
static lyc_status compare_texts(lyc_result *result, lyc_case *c, lyc_pipeline *p, const lyc_generation *g,
                                lyc_error *err)
{
    const lyc_conditions *conditions;
    LYC_TRY(lyc_pipeline_conditions(&conditions, p, &g->text, &(lyc_adapter_uses){0}, err));
    const size_t size = conditions->tokens * conditions->width;
    if (conditions->guided) {
        LYC_TRY(lyc_compare_named(result, c, "negative_prompt_embeds", conditions->states, LYC_F32, size, err));
    }
    const float *prompt = conditions->states + (conditions->guided ? size : 0);
    return lyc_compare_named(result, c, "prompt_embeds", prompt, LYC_F32, size, err);
}

/* Noise times the sampler's first factor is what the reference starts from. */
static lyc_status compare_start(lyc_result *result, lyc_case *c, lyc_pipeline *p, const lyc_generation *g,
                                lyc_error *err)
{
    lyc_start start;
    const lyc_start_pictures none = {0};
    LYC_TRY(lyc_start_init(&start, p, g, &none, 0, err));
    const lyc_status status = compare_picture(result, c, "initial_latents", start.initial, 1, (size_t)(g->h * g->w),
                                              (size_t)p->vae_config->latent_channels, err);
    lyc_start_clear(&start);
    return status;
}

static lyc_status compare_timesteps(lyc_result *result, lyc_case *c, const lyc_generation *g, lyc_error *err)
{
    lyc_schedule schedule;
    lyc_numbers timesteps = {0};
    LYC_TRY(lyc_schedule_init(&schedule, &g->scheduler, err));
    lyc_status status = lyc_call_timesteps(&timesteps, g->sampler, &schedule, &g->sampling, err);
    if (status == LYC_OK) {
        status = lyc_compare_named(result, c, "timesteps", timesteps.values, LYC_F64, timesteps.count, err);
    }
    lyc_free(timesteps.values);
    lyc_schedule_clear(&schedule);
    return status;
}

/* The picture is in 8 bits a channel: its own rounding comes to the tolerance. */
static lyc_status compare_decoded(lyc_result *result, lyc_case *c, const lyc_picture *picture, lyc_error *err)
{
    const size_t n = (size_t)picture->width * (size_t)picture->height * 3;
    const char *name = "decoded_image_minus1_to_1";
    float *want;
    lyc_tensor_view view;
    lyc_status status = lyc_case_floats(&want, &view, c, name, err);
    float *got = lyc_alloc_zero(n, sizeof *got);
    for (size_t i = 0; got != NULL && i < n; i++) {
        got[i % 3 * (n / 3) + i / 3] = (float)picture->data[i] / 127.5f - 1;
    }
    if (status == LYC_OK && got != NULL) {
        for (size_t i = 0; i < n && (int64_t)(n * 4) == (int64_t)view.size_bytes; i++) {
            const double clamped = fmin(fmax((double)want[i], -1), 1);
            lyc_compare_number(result, name, (double)got[i], clamped,
                               (lyc_tolerance){c->absolute_tolerance + 0.5 / 127.5, c->relative_tolerance});
        }
    }
    lyc_free(got);
    lyc_free(want);
    return status;
}

static lyc_status generate(lyc_result *result, lyc_case *c, lyc_pipeline *p, const lyc_scheduler_case *scheduler,
                           lyc_error *err)
{
    const lyc_generate_options options = options_of(c);
    lyc_generation g;
    lyc_generated picture = {0};
    LYC_TRY(lyc_generation_init(&g, p, &options, err));
    g.sampler = scheduler->sampler;
    g.scheduler = scheduler->config;
    g.sampling = scheduler->request;
    g.sampling.steps = options.steps;
    record r = {.size = (size_t)(g.h * g.w) * (size_t)p->vae_config->latent_channels,
                .capacity = 2 * (size_t)options.steps + 16};
    r.states = lyc_alloc_zero(r.capacity, r.size * sizeof *r.states);
    if (r.states == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the latents of every step");
    }
    g.observe = observe;
    g.observe_context = &r;
    const size_t pixels = (size_t)(g.h * g.w);
    const size_t channels = (size_t)p->vae_config->latent_channels;
    lyc_status status;
    if ((status = compare_texts(result, c, p, &g, err)) == LYC_OK &&
        (status = compare_start(result, c, p, &g, err)) == LYC_OK &&
        (status = compare_timesteps(result, c, &g, err)) == LYC_OK &&
        (status = lyc_generation_run(&picture, p, &g, NULL, err)) == LYC_OK &&
        (status = compare_picture(result, c, "latents_after_each_step", r.states, r.calls, pixels, channels, err)) ==
            LYC_OK &&
        (status = compare_picture(result, c, "final_latents", r.states + (r.calls - 1) * r.size, 1, pixels, channels,
                                  err)) == LYC_OK) {
        status = compare_decoded(result, c, &picture.picture, err);
    }
    lyc_generated_clear(&picture);
    lyc_free(r.states);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_pipeline *pipeline = NULL;
    lyc_scheduler_case scheduler = {0};
    const char *class_name = lyc_case_text(c, "scheduler");
    if (class_name == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no member \"scheduler\"");
    }
    lyc_status status =
        lyc_scheduler_case_init(&scheduler, class_name, json_object_get(c->json, "scheduler_config"), err);
    status = status == LYC_OK ? open_pipeline(&pipeline, c, err) : status;
    status = status == LYC_OK ? generate(result, c, pipeline, &scheduler, err) : status;
    lyc_pipeline_close(pipeline);
    lyc_scheduler_case_clear(&scheduler);
    return status;
}

const lyc_kind lyc_kind_text_to_image = {.name = "text_to_image", .run = run};
