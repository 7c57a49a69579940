/* denoise.c - the loop: samplers of a batch of images, and the network that they ask
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/denoise.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "diffusion/guidance.h"
#include "model/controlnet.h"

enum { MAX_BRANCHES = LYC_PROMPT_MAX_CONDITIONS + 1 };

/* Memory of a batch; rows are branches times images, branch by branch. */
typedef struct batch {
    const lyc_denoise_request *request;
    const lyc_denoise_image *images;
    int count;
    size_t rows;
    size_t size;       /* numbers of one image's latents */
    size_t input_size; /* with the channels behind them */
    lyc_unet_text *text;
    uint64_t revision;            /* of the adapters that the text was made with */
    lyc_unet_text **control_text; /* of each ControlNet */
    lyc_unet_control control;
    lyc_unet_control one; /* of a ControlNet in guess mode, before its unconditional rows are taken out */
    float *pictures;      /* of a ControlNet, for every row */
    float *latents;       /* [rows,h,w,in] */
    float *answers;       /* [rows,h,w,c] */
    float *guided;        /* [h,w,c] */
    float *timesteps;     /* [rows] */
    float *pooled;        /* [rows,pooled width] */
    float *sizes;         /* [rows,6] */
    float *guidance;      /* [rows,time_cond_dim] */
} batch;

/* Repeats what every branch has for every image: rows of `width` numbers. */
static float *repeat(const batch *b, const float *branches, size_t width)
{
    float *out = lyc_alloc_zero(b->rows, width * sizeof *out);
    for (size_t row = 0; out != NULL && row < b->rows; row++) {
        memcpy(out + row * width, branches + row / (size_t)b->count * width, width * sizeof *out);
    }
    return out;
}

/* What the U-Net makes of the texts alone: once for all steps, unless adapters change on the way. */
static lyc_status set_text(batch *b, lyc_error *err)
{
    const lyc_conditions *c = b->request->conditions;
    float *states = repeat(b, c->states, c->tokens * c->width);
    if (states == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the states of %zu prompts", b->rows);
    }
    lyc_unet_text_free(b->text);
    b->text = NULL;
    b->revision = b->request->network != NULL ? lyc_network_revision(b->request->network) : 0;
    lyc_status status =
        lyc_unet_text_new(&b->text, b->request->unet, states, (int64_t)b->rows, (int64_t)c->tokens, err);
    for (size_t i = 0;
         status == LYC_OK && b->control_text != NULL && b->control_text[i] == NULL && i < b->request->control_count;
         i++) {
        status = lyc_controlnet_text_new(&b->control_text[i], b->request->controls[i].runner, states, (int64_t)b->rows,
                                         (int64_t)c->tokens, err);
    }
    lyc_free(states);
    return status;
}

/* How the guidance scale enters models that were distilled with it: sines and cosines of 1000 (w - 1). */
static void embed_guidance(float *out, int width, double scale)
{
    const int half = width / 2;
    for (int i = 0; i < half; i++) {
        const double angle = 1000 * (scale - 1) * exp(-log(10000) * i / (half > 1 ? half - 1 : 1));
        out[i] = (float)sin(angle);
        out[half + i] = (float)cos(angle);
    }
}

static lyc_status set_constants(batch *b, lyc_error *err)
{
    const lyc_denoise_request *r = b->request;
    const lyc_conditions *c = r->conditions;
    if (c->pooled != NULL) {
        b->pooled = repeat(b, c->pooled, c->pooled_width);
        b->sizes = lyc_alloc_zero(b->rows, 6 * sizeof *b->sizes);
        if (b->pooled == NULL || b->sizes == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the conditions of %zu prompts", b->rows);
        }
        for (size_t row = 0; row < b->rows; row++) {
            memcpy(b->sizes + row * 6, r->sizes, 6 * sizeof *b->sizes);
        }
    }
    if (r->config->time_cond_dim > 0) {
        const size_t width = (size_t)r->config->time_cond_dim;
        b->guidance = lyc_alloc_zero(b->rows, width * sizeof *b->guidance);
        if (b->guidance == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the guidance of %zu prompts", b->rows);
        }
        for (size_t row = 0; row < b->rows; row++) {
            embed_guidance(b->guidance + row * width, (int)width, r->guidance_scale);
        }
    }
    return LYC_OK;
}

static lyc_status set_controls(batch *b, lyc_error *err)
{
    const lyc_denoise_request *r = b->request;
    if (r->control_count == 0) {
        return LYC_OK;
    }
    b->control_text = lyc_alloc_zero(r->control_count, sizeof(lyc_unet_text *));
    if (b->control_text == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu ControlNets", r->control_count);
    }
    LYC_TRY(lyc_unet_control_init(&b->control, r->config, (int64_t)b->rows, r->h, r->w, err));
    return lyc_unet_control_init(&b->one, r->config, (int64_t)b->rows, r->h, r->w, err);
}

static lyc_status init(batch *b, const lyc_denoise_image *images, int count, const lyc_denoise_request *r,
                       lyc_error *err)
{
    size_t numbers;
    *b = (batch){.request = r, .images = images, .count = count};
    b->rows = r->conditions->branches * (size_t)count;
    b->size = (size_t)(r->h * r->w * r->channels);
    b->input_size = (size_t)(r->h * r->w) * (size_t)r->config->in_channels;
    if (lyc_size_mul(&numbers, b->rows, b->input_size)) {
        b->latents = lyc_alloc_zero(numbers, sizeof *b->latents);
        b->answers = lyc_alloc_zero(b->rows, b->size * sizeof *b->answers);
        b->guided = lyc_alloc_zero(b->size, sizeof *b->guided);
        b->timesteps = lyc_alloc_zero(b->rows, sizeof *b->timesteps);
    }
    if (b->latents == NULL || b->answers == NULL || b->guided == NULL || b->timesteps == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the latents of %d images", count);
    }
    LYC_TRY(set_constants(b, err));
    return set_controls(b, err);
}

static void clear(batch *b)
{
    for (size_t i = 0; b->control_text != NULL && i < b->request->control_count; i++) {
        lyc_unet_text_free(b->control_text[i]);
    }
    lyc_free(b->control_text);
    lyc_unet_text_free(b->text);
    lyc_unet_control_clear(&b->control);
    lyc_unet_control_clear(&b->one);
    lyc_free(b->pictures);
    lyc_free(b->latents);
    lyc_free(b->answers);
    lyc_free(b->guided);
    lyc_free(b->timesteps);
    lyc_free(b->pooled);
    lyc_free(b->sizes);
    lyc_free(b->guidance);
}

/* The network's input of every image, and a copy for each branch. */
static void set_input(batch *b)
{
    const size_t channels = (size_t)b->request->channels;
    const size_t in = (size_t)b->request->config->in_channels;
    for (int i = 0; i < b->count; i++) {
        const lyc_denoise_image *image = &b->images[i];
        float *first = b->latents + (size_t)i * b->input_size;
        const double timestep = lyc_sampling_input(image->sampling, b->guided);
        for (size_t k = 0; k < b->input_size; k++) {
            const size_t pixel = k / in;
            const size_t c = k % in;
            first[k] =
                c < channels ? b->guided[pixel * channels + c] : image->extra[pixel * (in - channels) + c - channels];
        }
        for (size_t row = (size_t)i; row < b->rows; row += (size_t)b->count) {
            b->timesteps[row] = (float)timestep;
            if (row != (size_t)i) {
                memcpy(b->latents + row * b->input_size, first, b->input_size * sizeof *first);
            }
        }
    }
}

/* --- ControlNets --- */

static bool is_active(const lyc_denoise_control *c, const lyc_sampling *s)
{
    const double n = s->timeline.steps;
    const double end = c->end > 0 ? c->end : 1;
    return !(s->step / n < c->start || (s->step + 1) / n > end);
}

/* Zeros in the unconditional rows. */
static void take_out_unconditional(const batch *b, lyc_unet_control *control)
{
    const size_t rows = b->request->conditions->guided ? (size_t)b->count : 0;
    for (int i = 0; i <= control->count; i++) {
        const lyc_shape *shape = i < control->count ? &control->shapes[i] : &control->mid_shape;
        float *values = i < control->count ? control->skips[i] : control->mid;
        const size_t row = (size_t)(shape->dims[1] * shape->dims[2] * shape->dims[3]);
        memset(values, 0, rows * row * sizeof *values);
    }
}

static void add_control(lyc_unet_control *sum, const lyc_unet_control *part)
{
    for (int i = 0; i <= sum->count; i++) {
        const lyc_shape *shape = i < sum->count ? &sum->shapes[i] : &sum->mid_shape;
        float *to = i < sum->count ? sum->skips[i] : sum->mid;
        const float *from = i < sum->count ? part->skips[i] : part->mid;
        const size_t n = (size_t)(shape->dims[0] * shape->dims[1] * shape->dims[2] * shape->dims[3]);
        for (size_t k = 0; k < n; k++) {
            to[k] += from[k];
        }
    }
}

/* Guess mode trusts deep levels more: weights from 0.1 to 1. */
static void set_weights(float *weights, const lyc_denoise_control *c, int count)
{
    for (int k = 0; k <= count; k++) {
        const double guess = count > 0 ? pow(10, -1 + (double)k / count) : 1;
        weights[k] = (float)(c->weight * (c->guess ? guess : 1));
    }
}

static lyc_status apply_control(batch *b, size_t index, const lyc_unet_call *call, lyc_error *err)
{
    const lyc_denoise_control *c = &b->request->controls[index];
    float weights[LYC_UNET_MAX_SKIPS + 1];
    const int64_t f = lyc_controlnet_factor(b->request->config);
    const size_t picture = (size_t)(call->h * f * call->w * f * 3);
    lyc_unet_call own = *call;
    own.text = b->control_text[index];
    lyc_free(b->pictures);
    b->pictures = lyc_alloc_zero(b->rows, picture * sizeof *b->pictures);
    if (b->pictures == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the picture of a ControlNet");
    }
    for (size_t row = 0; row < b->rows; row++) {
        memcpy(b->pictures + row * picture, c->picture, picture * sizeof *b->pictures);
    }
    set_weights(weights, c, b->control.count);
    lyc_unet_control_zero(&b->one);
    LYC_TRY(lyc_controlnet_runner_add(&b->one, c->runner, &own, b->pictures, weights, err));
    if (c->guess) {
        take_out_unconditional(b, &b->one);
    }
    add_control(&b->control, &b->one);
    return LYC_OK;
}

static lyc_status apply_controls(const lyc_unet_control **control, batch *b, const lyc_unet_call *call, lyc_error *err)
{
    *control = NULL;
    for (size_t i = 0; i < b->request->control_count; i++) {
        if (!is_active(&b->request->controls[i], b->images[0].sampling)) {
            continue;
        }
        if (*control == NULL) {
            lyc_unet_control_zero(&b->control);
            *control = &b->control;
        }
        LYC_TRY(apply_control(b, i, call, err));
    }
    return LYC_OK;
}

/* --- one call --- */

/* Step ranges and ranks by timestep; texts are made anew where that changes what they are multiplied with. */
static lyc_status tell_adapters(batch *b, lyc_error *err)
{
    lyc_network *network = b->request->network;
    const lyc_sampling *s = b->images[0].sampling;
    if (network != NULL) {
        lyc_network_set_step(network, s->step, s->timeline.steps);
        lyc_network_set_timesteps(network, b->timesteps, 1, 0);
    }
    const bool is_new = b->text == NULL || (network != NULL && lyc_network_revision(network) != b->revision);
    return is_new ? set_text(b, err) : LYC_OK;
}

static lyc_status ask(batch *b, lyc_error *err)
{
    set_input(b);
    LYC_TRY(tell_adapters(b, err));
    lyc_unet_call call = {
        .n = (int64_t)b->rows,
        .h = b->request->h,
        .w = b->request->w,
        .latents = b->latents,
        .timesteps = b->timesteps,
        .text = b->text,
        .pooled = b->pooled,
        .sizes = b->sizes,
        .guidance = b->guidance,
    };
    const lyc_unet_control *control;
    LYC_TRY(apply_controls(&control, b, &call, err));
    call.control = control;
    return lyc_unet_runner_forward(b->answers, b->request->unet, &call, err);
}

static const float *guide(batch *b, int image)
{
    const lyc_conditions *c = b->request->conditions;
    const float *answers[MAX_BRANCHES];
    for (size_t k = 0; k < c->branches; k++) {
        answers[k] = b->answers + (k * (size_t)b->count + (size_t)image) * b->size;
    }
    if (!c->guided) {
        return answers[0];
    }
    lyc_guide(
        b->guided,
        &(lyc_guidance){b->request->guidance_scale, b->request->guidance_rescale, (int)c->branches - 1, c->weights},
        answers, b->size);
    return b->guided;
}

static lyc_status check_finite(const batch *b, int image, int step, lyc_error *err)
{
    const lyc_sampling *s = b->images[image].sampling;
    for (size_t i = 0; i < s->count; i++) {
        if (!isfinite(s->x[i])) {
            return lyc_fail(err, LYC_E_NUMERIC, "the latents are not finite after step %d of %d: channel %d", step + 1,
                            s->timeline.steps, (int)(i % (size_t)b->request->channels));
        }
    }
    return LYC_OK;
}

static lyc_status advance(batch *b, int image, lyc_error *err)
{
    const lyc_denoise_image *at = &b->images[image];
    const float *answer = guide(b, image);
    const int step = at->sampling->step;
    lyc_sampling_advance(at->sampling, answer);
    LYC_TRY(check_finite(b, image, step, err));
    if (b->request->mask != NULL && at->kept != NULL) {
        lyc_sampling_keep(at->sampling, b->request->mask, at->kept, at->kept_noise);
    }
    if (b->request->observe != NULL) {
        b->request->observe(b->request->observe_context, image, at->sampling, answer);
    }
    return LYC_OK;
}

lyc_status lyc_denoise(const lyc_denoise_image *images, int count, const lyc_denoise_request *request,
                       lyc_progress *progress, const lyc_task *task, lyc_error *err)
{
    batch b;
    lyc_status status = init(&b, images, count, request, err);
    while (status == LYC_OK && !lyc_sampling_done(images[0].sampling)) {
        status = lyc_task_check(task, err);
        status = status == LYC_OK ? ask(&b, err) : status;
        for (int i = 0; status == LYC_OK && i < count; i++) {
            status = advance(&b, i, err);
        }
        if (status == LYC_OK) {
            lyc_progress_add(progress, count);
        }
    }
    clear(&b);
    return status;
}
