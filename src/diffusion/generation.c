/* generation.c - a request in every detail, and everything that can be wrong with it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/string.h"
#include "diffusion/pipeline.h"
#include "image/image.h"
#include "tensor/random.h"

enum { SMALLEST_SIDE = 64, MAX_COUNT = 1 << 20 };

/* --- numbers --- */

/* A row of the table of ranges. */
typedef struct range {
    const char *name;
    double value;
    double min, max;
} range;

static lyc_status check_numbers(const lyc_generate_options *o, lyc_error *err)
{
    const range ranges[] = {
        {"count", o->count, 1, MAX_COUNT},
        {"batch", o->batch, 1, 4096},
        {"guidance scale", o->guidance_scale, 0, 1e6},
        {"guidance rescale", o->guidance_rescale, 0, 1},
        {"strength", o->strength, 0, 1},
        {"variation strength", o->variation_strength, 0, 1},
        {"prompt parts", o->prompt_parts, 1, LYC_SEQUENCE_MAX},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (!(ranges[i].value >= ranges[i].min && ranges[i].value <= ranges[i].max)) {
            char value[LYC_NUMBER];
            char min[LYC_NUMBER];
            char max[LYC_NUMBER];
            return lyc_fail(err, LYC_E_ARGUMENT, "%s is %s, expected %s to %s", ranges[i].name,
                            lyc_number_format(value, ranges[i].value), lyc_number_format(min, ranges[i].min),
                            lyc_number_format(max, ranges[i].max));
        }
    }
    return LYC_OK;
}

/* What sides are multiples of. */
static int side_multiple(const lyc_pipeline *p)
{
    return p->factor > 8 ? p->factor : 8;
}

void lyc_pipeline_size(int *width, int *height, const lyc_pipeline *p, const lyc_generate_options *o)
{
    lyc_pipeline_info info;
    const int multiple = side_multiple(p);
    lyc_pipeline_describe(&info, p);
    *width = (o->width > 0 ? o->width : info.width) / multiple * multiple;
    *height = (o->height > 0 ? o->height : info.height) / multiple * multiple;
}

static lyc_status set_side(int *out, const char *name, int wanted, int standard, int multiple, lyc_error *err)
{
    const int side = wanted > 0 ? wanted : standard;
    if (wanted < 0 || side < SMALLEST_SIDE || side > LYC_IMAGE_MAX_SIDE) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s is %d, expected %d to %d", name, wanted != 0 ? wanted : side,
                        SMALLEST_SIDE, LYC_IMAGE_MAX_SIDE);
    }
    *out = side / multiple * multiple;
    if (*out != side) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL, "%s %d is rounded down to %d, a multiple of %d", name, side, *out,
                      multiple);
    }
    return LYC_OK;
}

static lyc_status set_size(lyc_generation *g, const lyc_pipeline *p, lyc_error *err)
{
    lyc_pipeline_info info;
    const lyc_generate_options *o = g->options;
    const int multiple = side_multiple(p);
    lyc_pipeline_describe(&info, p);
    LYC_TRY(set_side(&g->width, "width", o->width, info.width, multiple, err));
    LYC_TRY(set_side(&g->height, "height", o->height, info.height, multiple, err));
    if ((int64_t)g->width * g->height > LYC_IMAGE_MAX_PIXELS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a picture of %d x %d pixels, expected at most %d", g->width, g->height,
                        LYC_IMAGE_MAX_PIXELS);
    }
    g->w = g->width / p->factor;
    g->h = g->height / p->factor;
    const float sizes[6] = {(float)(o->original_height > 0 ? o->original_height : g->height),
                            (float)(o->original_width > 0 ? o->original_width : g->width),
                            (float)o->crop_top,
                            (float)o->crop_left,
                            (float)(o->target_height > 0 ? o->target_height : g->height),
                            (float)(o->target_width > 0 ? o->target_width : g->width)};
    memcpy(g->sizes, sizes, sizeof sizes);
    return LYC_OK;
}

/* --- pictures that are given --- */

static lyc_status check_picture(const lyc_picture *picture, const char *what, bool colour, lyc_error *err)
{
    if (picture->data == NULL || picture->width < 1 || picture->height < 1 ||
        (picture->channels != 1 && picture->channels != 3)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s is no picture", what);
    }
    if (picture->channels != (colour ? 3 : 1)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s has %d channels, expected %d", what, picture->channels,
                        colour ? 3 : 1);
    }
    return LYC_OK;
}

static lyc_status check_controls(const lyc_pipeline *p, const lyc_generate_options *o, lyc_error *err)
{
    for (size_t i = 0; i < o->control_count; i++) {
        const lyc_control *c = &o->controls[i];
        if (c->controlnet >= p->control_count) {
            return lyc_fail(err, LYC_E_ARGUMENT, "ControlNet %zu, but the model was opened with %zu", c->controlnet,
                            p->control_count);
        }
        if (c->picture == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "ControlNet %zu has no picture to follow", c->controlnet);
        }
        LYC_TRY(check_picture(c->picture, "the picture of a ControlNet", true, err));
        if (!isfinite(c->weight) || !(c->start >= 0 && c->start <= 1 && c->end >= 0 && c->end <= 1)) {
            return lyc_fail(err, LYC_E_ARGUMENT, "weight, start or end of ControlNet %zu is out of range",
                            c->controlnet);
        }
    }
    return LYC_OK;
}

static lyc_status check_pictures(const lyc_pipeline *p, const lyc_generate_options *o, lyc_error *err)
{
    lyc_pipeline_info info;
    lyc_pipeline_describe(&info, p);
    if (o->mask != NULL && o->image == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a mask without an image that it is for");
    }
    if (info.inpainting && (o->image == NULL || o->mask == NULL)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the model is for inpainting: it needs an image and a mask");
    }
    if (o->image != NULL) {
        LYC_TRY(check_picture(o->image, "the image to start from", true, err));
    }
    if (o->mask != NULL) {
        LYC_TRY(check_picture(o->mask, "the mask", false, err));
    }
    return check_controls(p, o, err);
}

/* --- sampler --- */

static lyc_status set_sampler_option(lyc_sampler_options *out, const lyc_sampler *sampler, const char *text,
                                     lyc_error *err)
{
    char name[64];
    const char *equals = strchr(text, '=');
    const size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (equals == NULL || length >= sizeof name) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is no option of a sampler, expected name=value", text);
    }
    memcpy(name, text, length);
    name[length] = '\0';
    const lyc_option *option = sampler->options != NULL ? lyc_option_find(sampler->options, name) : NULL;
    if (option == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the sampler %s has no option '%s'", sampler->name, name);
    }
    return lyc_option_set(out, option, equals + 1, err) == LYC_OK
               ? LYC_OK
               : lyc_wrap(err, "option %s of the sampler %s", name, sampler->name);
}

static void no_noise(void *context, float *out, size_t n)
{
    (void)context;
    memset(out, 0, n * sizeof *out);
}

/* Makes a run of one number, so that what a sampler refuses is found. */
static lyc_status try_sampler(const lyc_generation *g, lyc_error *err)
{
    lyc_schedule schedule;
    lyc_sampling sampling;
    lyc_sampling_request request = g->sampling;
    request.noise = no_noise;
    LYC_TRY(lyc_schedule_init(&schedule, &g->scheduler, err));
    const lyc_status status = lyc_sampling_init(&sampling, g->sampler, &schedule, &request, 1, err);
    if (status == LYC_OK) {
        lyc_sampling_clear(&sampling);
    }
    lyc_schedule_clear(&schedule);
    return status;
}

static lyc_status set_sampler(lyc_generation *g, const lyc_pipeline *p, lyc_error *err)
{
    const lyc_generate_options *o = g->options;
    lyc_sigma_curve curve = p->curve;
    g->sampler = p->sampler;
    g->scheduler = p->scheduler;
    if (o->sampler != NULL) {
        LYC_TRY(lyc_sampler_find(&g->sampler, &curve, o->sampler, err));
    }
    LYC_TRY(lyc_sampling_request_init(&g->sampling, g->sampler, &g->scheduler, err));
    for (size_t i = 0; i < o->sampler_option_count; i++) {
        LYC_TRY(set_sampler_option(&g->sampling.options, g->sampler, o->sampler_options[i], err));
    }
    g->sampling.curve = curve;
    g->sampling.style = o->schedule_style == LYC_AS_A1111 ? LYC_STYLE_A1111 : LYC_STYLE_DIFFUSERS;
    if (g->sampling.style == LYC_STYLE_A1111) {
        g->sampling.options.lower_order_final = false; /* k-diffusion knows no such rule */
    }
    g->sampling.steps = o->steps;
    if (o->steps < 1 || o->steps > g->scheduler.train_timesteps) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps, expected 1 to %d", o->steps, g->scheduler.train_timesteps);
    }
    if (o->image != NULL) {
        const lyc_schedule_style style = o->image_style == LYC_AS_A1111 ? LYC_STYLE_A1111 : LYC_STYLE_DIFFUSERS;
        const lyc_img2img made = lyc_img2img_steps(o->steps, o->strength, style, o->exact_steps);
        g->sampling.steps = made.steps;
        g->sampling.first = made.first;
    }
    if (strcmp(g->sampler->name, "dpmsolver") == 0 && !g->sampling.sigma_min_final) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL, "the sampler dpmsolver ends at the smallest sigma, not at 0");
    }
    return try_sampler(g, err);
}

/* --- texts and seed --- */

static void set_text(lyc_generation *g, const lyc_pipeline *p)
{
    static const lyc_sequence_style styles[] = {LYC_SEQUENCE_A1111, LYC_SEQUENCE_TRAINER, LYC_SEQUENCE_TRUNCATE};
    static const lyc_state_weighing weighings[] = {LYC_STATE_WEIGHING_A1111, LYC_STATE_WEIGHING_KOHYA,
                                                   LYC_STATE_WEIGHING_PLAIN};
    const lyc_generate_options *o = g->options;
    /* diffusers counts from the state that SDXL takes anyway, kohya and A1111 from the last. */
    const int kohya_skip = o->clip_skip_diffusers ? o->clip_skip + (p->text.is_xl ? 2 : 1) : o->clip_skip;
    g->text = (lyc_text_request){
        .prompt = o->prompt,
        .negative = o->negative,
        .guided = o->guidance_scale > 1 && p->unet_config->time_cond_dim == 0,
        .zero_negative = o->zero_negative,
        .clip_skip = kohya_skip,
        .plain = o->prompt_style == LYC_PROMPTS_PLAIN,
        .sequences = {.style = styles[o->prompt_style], .chunks = o->prompt_parts, .backtrack = LYC_SEQUENCE_BACKTRACK},
        .weighing = weighings[o->prompt_style],
    };
}

static void set_seed(lyc_generation *g)
{
    const lyc_generate_options *o = g->options;
    g->seed = o->seed;
    if (o->seed < 0) {
        uint32_t words[4];
        const double now = lyc_clock_s();
        uint32_t counter[4] = {0};
        memcpy(counter, &now, sizeof now);
        lyc_philox(words, counter, (const uint32_t[]){0x6c796372, 0x6f736565});
        g->seed = (int64_t)words[0];
    }
    if (o->noise == LYC_NOISE_CPU && g->seed > UINT32_MAX) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL,
                      "of the seed %lld the generator of torch on a CPU knows the lower 32 bits alone",
                      (long long)g->seed);
    }
}

lyc_status lyc_generation_init(lyc_generation *g, lyc_pipeline *p, const lyc_generate_options *options, lyc_error *err)
{
    *g = (lyc_generation){.options = options};
    LYC_TRY(check_numbers(options, err));
    LYC_TRY(set_size(g, p, err));
    LYC_TRY(check_pictures(p, options, err));
    LYC_TRY(set_sampler(g, p, err));
    set_text(g, p);
    LYC_TRY(lyc_text_request_check(&p->text, &g->text, err));
    LYC_TRY(lyc_adapter_uses_find(&g->adapters, &p->adapters, options, !g->text.plain, err));
    set_seed(g);
    return LYC_OK;
}

lyc_status lyc_pipeline_check(lyc_pipeline *p, const lyc_generate_options *options, lyc_error *err)
{
    lyc_generation g;
    return lyc_generation_init(&g, p, options, err);
}
