/* controlnet_runner.c - a ControlNet in use, and the residuals it leaves
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "model/controlnet.h"
#include "model/unet_runner_internal.h"

struct lyc_controlnet_runner {
    lyc_runner base;
    const lyc_unet_config *config;
};

typedef struct handles {
    lyc_unet_handles common;
    lyc_value *picture;
    lyc_controlnet_output out;
} handles;

typedef struct shape {
    const lyc_controlnet_runner *runner;
    const lyc_unet_call *call;
} shape;

/* --- residuals ------------------------------------------------------------------------------------------------- */

static int64_t half(int64_t size, int pad)
{
    return (size + 2 * pad - (pad == 0 ? 2 : 3)) / 2 + 1;
}

/* The shapes of the skips, in push order, as unet.c makes them. */
static bool list_shapes(lyc_unet_control *control, const lyc_unet_config *config)
{
    int64_t h = control->h;
    int64_t w = control->w;
    lyc_shape skip = LYC_SHAPE(control->n, h, w, config->channels[0]);
    control->shapes[control->count++] = skip;
    for (int level = 0; level < config->level_count; level++) {
        const bool last = level + 1 == config->level_count;
        skip.dims[3] = config->channels[level];
        if (control->count + config->layers[level] + 1 > LYC_UNET_MAX_SKIPS) {
            return false;
        }
        for (int j = 0; j < config->layers[level]; j++) {
            control->shapes[control->count++] = skip;
        }
        if (!last) {
            skip.dims[1] = h = half(h, config->downsample_padding);
            skip.dims[2] = w = half(w, config->downsample_padding);
            control->shapes[control->count++] = skip;
        }
    }
    control->mid_shape = skip;
    return true;
}

lyc_status lyc_unet_control_init(lyc_unet_control *control, const lyc_unet_config *config, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err)
{
    *control = (lyc_unet_control){.n = n, .h = h, .w = w};
    if (!list_shapes(control, config)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "a U-Net with more than %d skips", LYC_UNET_MAX_SKIPS);
    }
    size_t total = (size_t)lyc_shape_elements(&control->mid_shape);
    for (int k = 0; k < control->count; k++) {
        total += (size_t)lyc_shape_elements(&control->shapes[k]);
    }
    control->memory = lyc_alloc_zero(total, sizeof(float));
    if (control->memory == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the residuals of a ControlNet");
    }
    float *place = control->memory;
    for (int k = 0; k < control->count; k++) {
        control->skips[k] = place;
        place += lyc_shape_elements(&control->shapes[k]);
    }
    control->mid = place;
    return LYC_OK;
}

void lyc_unet_control_zero(lyc_unet_control *control)
{
    const float *end = control->mid + lyc_shape_elements(&control->mid_shape);
    memset(control->memory, 0, (size_t)((const char *)end - (const char *)control->memory));
}

void lyc_unet_control_clear(lyc_unet_control *control)
{
    lyc_free(control->memory);
    *control = (lyc_unet_control){0};
}

/* --- the network ----------------------------------------------------------------------------------------------- */

lyc_status lyc_controlnet_runner_new(lyc_controlnet_runner **out, const lyc_component *controlnet,
                                     const lyc_runner_options *options, lyc_error *err)
{
    lyc_controlnet_runner *runner = lyc_alloc_zero(1, sizeof *runner);
    if (runner == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a ControlNet");
    }
    runner->config = lyc_component_unet(controlnet);
    const lyc_status status = lyc_runner_init(&runner->base, controlnet, options, err);
    if (status != LYC_OK) {
        lyc_free(runner);
        return status;
    }
    *out = runner;
    return LYC_OK;
}

void lyc_controlnet_runner_free(lyc_controlnet_runner *runner)
{
    if (runner != NULL) {
        lyc_runner_clear(&runner->base);
        lyc_free(runner);
    }
}

lyc_status lyc_controlnet_text_new(lyc_unet_text **out, lyc_controlnet_runner *runner, const float *states, int64_t n,
                                   int64_t tokens, lyc_error *err)
{
    return lyc_unet_text_compute(out, &runner->base, runner->config, true, states, n, tokens, err);
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const shape *s = context;
    const lyc_unet_config *config = s->runner->config;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a ControlNet");
    }
    lyc_module m = lyc_runner_module(&s->runner->base, g);
    lyc_unet_inputs in = {0};
    lyc_unet_handles_build(&h->common, &in, g, config, s->call, true);
    const int factor = lyc_controlnet_factor(config);
    const lyc_shape size = LYC_SHAPE(s->call->n, s->call->h * factor, s->call->w * factor, config->hint_in_channels);
    lyc_value *picture = lyc_runner_float_input(&h->picture, g, "picture", size);
    lyc_controlnet_forward(&h->out, &m, config, &in, picture);
    for (int k = 0; k < h->out.count; k++) {
        h->out.skips[k] = lyc_runner_float_output(g, h->out.skips[k]);
    }
    h->out.mid = lyc_runner_float_output(g, h->out.mid);
    *out = h;
    return LYC_OK;
}

static void add_weighted(float *sum, const lyc_cached_plan *plan, const lyc_value *v, float weight)
{
    const float *x = lyc_plan_data(plan->plan, v);
    const int64_t count = lyc_shape_elements(&v->shape);
    for (int64_t i = 0; i < count; i++) {
        sum[i] += weight * x[i];
    }
}

/* The ControlNet was made for a U-Net like this one. */
static lyc_status check_residuals(const lyc_controlnet_output *out, const lyc_unet_control *control, lyc_error *err)
{
    if (out->count != control->count) {
        return lyc_fail(err, LYC_E_SHAPE, "a ControlNet with %d residuals, the U-Net has %d skips", out->count,
                        control->count);
    }
    for (int k = 0; k <= out->count; k++) {
        const lyc_shape *found = k < out->count ? &out->skips[k]->shape : &out->mid->shape;
        const lyc_shape *expected = k < out->count ? &control->shapes[k] : &control->mid_shape;
        if (!lyc_shape_equal(found, expected)) {
            char a[LYC_SHAPE_TEXT];
            char b[LYC_SHAPE_TEXT];
            return lyc_fail(err, LYC_E_SHAPE, "residual %d of the ControlNet is %s, the U-Net's skip is %s", k,
                            lyc_shape_text(a, sizeof a, found), lyc_shape_text(b, sizeof b, expected));
        }
    }
    return LYC_OK;
}

lyc_status lyc_controlnet_runner_add(lyc_unet_control *control, lyc_controlnet_runner *runner,
                                     const lyc_unet_call *call, const float *picture, const float *weights,
                                     lyc_error *err)
{
    char key[128];
    const lyc_cached_plan *plan = NULL;
    shape s = {runner, call};
    lyc_unet_call checked = *call;
    checked.control = control;
    LYC_TRY(lyc_unet_call_check(&checked, runner->config, err));
    snprintf(key, sizeof key, "%" PRId64 "x%" PRId64 "x%" PRId64 " tokens=%" PRId64, call->n, call->h, call->w,
             call->text->tokens);
    LYC_TRY(lyc_runner_plan(&plan, &runner->base, key, build, &s, err));
    const handles *h = plan->handles;
    LYC_TRY(check_residuals(&h->out, control, err));
    LYC_TRY(lyc_unet_handles_bind(&h->common, plan, call, err));
    LYC_TRY(lyc_runner_bind(plan, h->picture, picture, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    for (int k = 0; k < control->count; k++) {
        add_weighted(control->skips[k], plan, h->out.skips[k], weights[k]);
    }
    add_weighted(control->mid, plan, h->out.mid, weights[control->count]);
    return LYC_OK;
}
