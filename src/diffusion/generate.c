/* generate.c - a request from its texts to its pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "diffusion/start.h"
#include "image/image.h"
#include "image/resample.h"
#include "model/controlnet.h"

/* A request at work. */
typedef struct work {
    lyc_pipeline *pipeline;
    const lyc_generation *generation;
    const lyc_conditions *conditions;
    lyc_schedule schedule;
    lyc_start_pictures pictures;
    lyc_denoise_control *controls;
    lyc_progress progress;
    const lyc_task *task;
    int first; /* image of the batch */
} work;

/* --- ControlNets --- */

static lyc_status set_control(lyc_denoise_control *out, work *w, const lyc_control *c, lyc_error *err)
{
    const lyc_generation *g = w->generation;
    lyc_pipeline_control *control = &w->pipeline->controls[c->controlnet];
    const int factor = lyc_controlnet_factor(w->pipeline->unet_config);
    const int width = (int)g->w * factor;
    const int height = (int)g->h * factor;
    const lyc_image given = {c->picture->width, c->picture->height, c->picture->channels, c->picture->data};
    lyc_image covered = {0};
    if (control->runner == NULL) {
        LYC_TRY(lyc_controlnet_runner_new(&control->runner, control->component, &w->pipeline->runner, err));
    }
    LYC_TRY(lyc_image_cover(&covered, &given, width, height, err));
    float *picture = lyc_alloc_zero((size_t)width * (size_t)height, 3 * sizeof *picture);
    if (picture != NULL) {
        lyc_image_to_unit(picture, &covered);
    }
    lyc_image_clear(&covered);
    *out = (lyc_denoise_control){control->runner, picture, c->weight, c->start, c->end, c->guess};
    return picture != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for the picture of a ControlNet");
}

static lyc_status set_controls(work *w, lyc_error *err)
{
    const lyc_generate_options *o = w->generation->options;
    if (o->control_count == 0) {
        return LYC_OK;
    }
    w->controls = lyc_alloc_zero(o->control_count, sizeof *w->controls);
    if (w->controls == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu ControlNets", o->control_count);
    }
    for (size_t i = 0; i < o->control_count; i++) {
        LYC_TRY(set_control(&w->controls[i], w, &o->controls[i], err));
    }
    return LYC_OK;
}

static void clear_controls(work *w)
{
    for (size_t i = 0; w->controls != NULL && i < w->generation->options->control_count; i++) {
        lyc_free((void *)w->controls[i].picture);
    }
    lyc_free(w->controls);
}

/* --- one batch --- */

/* One image of a batch. */
typedef struct canvas {
    lyc_start start;
    lyc_sampling sampling;
} canvas;

static lyc_status begin(canvas *c, work *w, int image, lyc_error *err)
{
    const lyc_generation *g = w->generation;
    const size_t count = (size_t)(g->h * g->w) * (size_t)w->pipeline->vae_config->latent_channels;
    lyc_sampling_request request = g->sampling;
    LYC_TRY(lyc_start_init(&c->start, w->pipeline, g, &w->pictures, image, err));
    request.noise = lyc_image_noise_draw;
    request.noise_context = c->start.drawn_from;
    LYC_TRY(lyc_sampling_init(&c->sampling, g->sampler, &w->schedule, &request, count, err));
    /* An inpainting model sees the picture in its own channels: at full strength it starts from noise. */
    if (c->start.latents != NULL && !(c->start.extra != NULL && g->sampling.first == 0)) {
        lyc_sampling_begin_at(&c->sampling, c->start.latents, c->start.initial);
    } else {
        lyc_sampling_begin(&c->sampling, c->start.initial);
    }
    return LYC_OK;
}

/* Rows of the map are the latent channels: what a rough picture needs of them (the widely used map of SD 1.x). */
static const double preview_map[4][3] = {
    {0.298, 0.207, 0.208}, {0.187, 0.286, 0.173}, {-0.158, 0.189, 0.264}, {-0.184, -0.271, -0.473}};

static void show_preview(work *w, int image, const lyc_sampling *s)
{
    const lyc_generation *g = w->generation;
    const size_t pixels = (size_t)(g->h * g->w);
    lyc_picture picture = {(int)g->w, (int)g->h, 3, lyc_alloc(pixels * 3)};
    if (picture.data == NULL) {
        return; /* a preview is not worth an error */
    }
    for (size_t i = 0; i < pixels * 3; i++) {
        double sum = 0;
        for (size_t c = 0; c < 4; c++) {
            sum += preview_map[c][i % 3] * (double)s->x0[i / 3 * 4 + c];
        }
        picture.data[i] = (unsigned char)lrint(fmin(fmax(sum / 2 + 0.5, 0), 1) * 255);
    }
    g->options->preview(g->options->preview_context, image, s->step, &picture);
    lyc_free(picture.data);
}

static void observe(void *context, int image, const lyc_sampling *s, const float *answer)
{
    work *w = context;
    const lyc_generation *g = w->generation;
    const lyc_generate_options *o = g->options;
    if (g->observe != NULL) {
        g->observe(g->observe_context, w->first + image, s, answer);
    }
    if (o->preview != NULL && o->preview_every > 0 && w->pipeline->vae_config->latent_channels == 4 &&
        (s->step % o->preview_every == 0 || lyc_sampling_done(s)) && s->stage == 0) {
        show_preview(w, w->first + image, s);
    }
}

static lyc_status denoise(canvas *canvases, work *w, int count, lyc_error *err)
{
    const lyc_generation *g = w->generation;
    lyc_denoise_image *images = lyc_alloc_zero((size_t)count, sizeof *images);
    if (images == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %d images", count);
    }
    for (int i = 0; i < count; i++) {
        const lyc_start *s = &canvases[i].start;
        images[i] = (lyc_denoise_image){&canvases[i].sampling, s->extra, s->latents, s->initial};
    }
    const lyc_denoise_request request = {
        .unet = w->pipeline->unet,
        .config = w->pipeline->unet_config,
        .conditions = w->conditions,
        .network = w->pipeline->adapted.network,
        .h = g->h,
        .w = g->w,
        .channels = w->pipeline->vae_config->latent_channels,
        .guidance_scale = g->options->guidance_scale,
        .guidance_rescale = g->options->guidance_rescale,
        .mask = w->pictures.masked_moments == NULL ? w->pictures.mask : NULL,
        .sizes = g->sizes,
        .controls = w->controls,
        .control_count = g->options->control_count,
        .observe = observe,
        .observe_context = w,
    };
    const lyc_status status = lyc_denoise(images, count, &request, &w->progress, w->task, err);
    lyc_free(images);
    return status;
}

/* --- pictures --- */

static lyc_status check_finite(const float *x, size_t n, lyc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return lyc_fail(err, LYC_E_NUMERIC, "the decoded picture is not finite: channel %zu", i % 3);
        }
    }
    return LYC_OK;
}

static lyc_status decode(lyc_picture *out, work *w, const lyc_sampling *s, lyc_error *err)
{
    const lyc_generation *g = w->generation;
    const size_t numbers = (size_t)g->width * (size_t)g->height * 3;
    float *latents = lyc_alloc_zero(s->count, sizeof *latents);
    float *pixels = lyc_alloc_zero(numbers, sizeof *pixels);
    lyc_image image = {0};
    lyc_status status = latents != NULL && pixels != NULL
                            ? LYC_OK
                            : lyc_fail(err, LYC_E_MEMORY, "no memory for a picture of %zu numbers", numbers);
    if (status != LYC_OK) {
        goto done;
    }
    lyc_sampling_latents(s, latents);
    if ((status = lyc_vae_runner_decode(pixels, w->pipeline->vae, latents, 1, g->h, g->w, err)) != LYC_OK ||
        (status = check_finite(pixels, numbers, err)) != LYC_OK ||
        (status = lyc_image_init(&image, g->width, g->height, 3, err)) != LYC_OK) {
        goto done;
    }
    lyc_image_from_signed(&image, pixels);
    *out = (lyc_picture){image.width, image.height, image.channels, image.data};
done:
    lyc_free(latents);
    lyc_free(pixels);
    return status;
}

static lyc_status finish(lyc_generated *out, work *w, const canvas *c, int image, lyc_error *err)
{
    LYC_TRY(decode(&out->picture, w, &c->sampling, err));
    out->seed = w->generation->seed + image;
    return lyc_generation_parameters(&out->parameters, w->pipeline, w->generation, image, err);
}

static lyc_status run_batch(lyc_generated *out, work *w, int count, lyc_error *err)
{
    canvas *canvases = lyc_alloc_zero((size_t)count, sizeof *canvases);
    lyc_status status = canvases != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for %d images", count);
    for (int i = 0; status == LYC_OK && i < count; i++) {
        status = begin(&canvases[i], w, w->first + i, err);
        if (status == LYC_OK && w->first == 0 && i == 0) {
            const int64_t calls = lyc_sampling_calls_left(&canvases[0].sampling);
            lyc_task_begin(&w->progress, w->task, "steps", "it", calls * w->generation->options->count);
        }
    }
    status = status == LYC_OK ? denoise(canvases, w, count, err) : status;
    for (int i = 0; status == LYC_OK && i < count; i++) {
        status = finish(&out[i], w, &canvases[i], w->first + i, err);
    }
    for (int i = 0; canvases != NULL && i < count; i++) {
        lyc_sampling_clear(&canvases[i].sampling);
        lyc_start_clear(&canvases[i].start);
    }
    lyc_free(canvases);
    return status;
}

static lyc_status run(lyc_generated *out, work *w, lyc_error *err)
{
    const lyc_generation *g = w->generation;
    LYC_TRY(lyc_task_check(w->task, err));
    if (w->pipeline->adapted.network == w->pipeline->adapters.network) {
        lyc_adapter_uses_apply(&g->adapters, &w->pipeline->adapters);
    }
    LYC_TRY(lyc_pipeline_conditions(&w->conditions, w->pipeline, &g->text, &g->adapters, err));
    if (w->conditions->dropped_tokens > 0) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL, "%zu tokens of the prompts found no place",
                      w->conditions->dropped_tokens);
    }
    LYC_TRY(lyc_schedule_init(&w->schedule, &g->scheduler, err));
    LYC_TRY(lyc_start_pictures_init(&w->pictures, w->pipeline, g, err));
    LYC_TRY(set_controls(w, err));
    for (w->first = 0; w->first < g->options->count; w->first += g->options->batch) {
        const int left = g->options->count - w->first;
        LYC_TRY(run_batch(out + w->first, w, left < g->options->batch ? left : g->options->batch, err));
    }
    lyc_progress_finish(&w->progress);
    return lyc_checkpoint_check(w->pipeline->checkpoint, err);
}

lyc_status lyc_generation_run(lyc_generated *out, lyc_pipeline *p, const lyc_generation *g, const lyc_task *task,
                              lyc_error *err)
{
    work w = {.pipeline = p, .generation = g, .task = task};
    const lyc_status status = run(out, &w, err);
    clear_controls(&w);
    lyc_start_pictures_clear(&w.pictures);
    lyc_schedule_clear(&w.schedule);
    return status;
}

lyc_status lyc_pipeline_generate(lyc_generated *out, lyc_pipeline *p, const lyc_generate_options *options,
                                 const lyc_task *task, lyc_error *err)
{
    lyc_generation g;
    LYC_TRY(lyc_generation_init(&g, p, options, err));
    return lyc_generation_run(out, p, &g, task, err);
}

void lyc_generated_clear(lyc_generated *generated)
{
    lyc_picture_clear(&generated->picture);
    lyc_free(generated->parameters);
    *generated = (lyc_generated){0};
}

bool lyc_sampler_describe(lyc_sampler_info *out, size_t index)
{
    size_t count = 0;
    while (lyc_samplers[count] != NULL) {
        count++;
    }
    if (index >= count) {
        return false;
    }
    const lyc_sampler *s = lyc_samplers[index];
    *out = (lyc_sampler_info){
        .name = s->name,
        .label = s->label,
        .diffusers = s->diffusers,
        .aliases = s->aliases,
        .summary = s->summary,
        .source = s->source,
        .options = s->options,
        .curves = s->timeline == LYC_TIMELINE_FRACTIONAL || s->timeline == LYC_TIMELINE_INTERVALS,
        .random = s->random != NULL,
    };
    return true;
}
