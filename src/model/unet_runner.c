/* unet_runner.c - a U-Net in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/unet_runner.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "model/unet_runner_internal.h"

struct lyc_unet_runner {
    lyc_runner base;
    const lyc_unet_config *config;
};

typedef struct handles {
    lyc_unet_handles common;
    lyc_value *skips[LYC_UNET_MAX_SKIPS];
    lyc_value *mid;
    lyc_value *out;
} handles;

typedef struct shape {
    const lyc_unet_runner *runner;
    const lyc_unet_call *call;
} shape;

lyc_status lyc_unet_runner_new(lyc_unet_runner **out, const lyc_component *unet, const lyc_runner_options *options,
                               lyc_error *err)
{
    lyc_unet_runner *runner = lyc_alloc_zero(1, sizeof *runner);
    if (runner == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a U-Net");
    }
    runner->config = lyc_component_unet(unet);
    const lyc_status status = lyc_runner_init(&runner->base, unet, options, err);
    if (status != LYC_OK) {
        lyc_free(runner);
        return status;
    }
    *out = runner;
    return LYC_OK;
}

void lyc_unet_runner_free(lyc_unet_runner *runner)
{
    if (runner != NULL) {
        lyc_runner_clear(&runner->base);
        lyc_free(runner);
    }
}

lyc_status lyc_unet_text_new(lyc_unet_text **out, lyc_unet_runner *runner, const float *states, int64_t n,
                             int64_t tokens, lyc_error *err)
{
    return lyc_unet_text_compute(out, &runner->base, runner->config, false, states, n, tokens, err);
}

static int pooled_dim(const lyc_unet_config *config)
{
    return config->addition_input_dim - 6 * config->addition_time_dim;
}

lyc_status lyc_unet_call_check(const lyc_unet_call *call, const lyc_unet_config *config, lyc_error *err)
{
    if (call->text == NULL || call->text->n != call->n) {
        return lyc_fail(err, LYC_E_SHAPE, "keys for %" PRId64 " prompts, there are latents of %" PRId64 " pictures",
                        call->text != NULL ? call->text->n : 0, call->n);
    }
    if (config->addition_time_dim > 0 && (call->pooled == NULL || call->sizes == NULL || pooled_dim(config) < 1)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the model wants pooled text and sizes");
    }
    if (config->time_cond_dim > 0 && call->guidance == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the model wants an embedding of the guidance scale");
    }
    const lyc_unet_control *c = call->control;
    if (c != NULL && (c->n != call->n || c->h != call->h || c->w != call->w)) {
        return lyc_fail(err, LYC_E_SHAPE,
                        "residuals of a ControlNet for latents of %" PRId64 "x%" PRId64 "x%" PRId64
                        ", these are %" PRId64 "x%" PRId64 "x%" PRId64,
                        c->n, c->h, c->w, call->n, call->h, call->w);
    }
    return LYC_OK;
}

void lyc_unet_handles_build(lyc_unet_handles *h, lyc_unet_inputs *in, lyc_graph *g, const lyc_unet_config *config,
                            const lyc_unet_call *call, bool down)
{
    const int64_t n = call->n;
    const lyc_shape latents = LYC_SHAPE(n, call->h, call->w, config->in_channels);
    in->latents = lyc_runner_float_input(&h->latents, g, "latents", latents);
    in->timesteps = h->timesteps = lyc_graph_input(g, "timesteps", LYC_FLOAT, LYC_SHAPE(n));
    if (config->addition_time_dim > 0) {
        in->pooled = lyc_runner_float_input(&h->pooled, g, "pooled", LYC_SHAPE(n, pooled_dim(config)));
        in->sizes = h->sizes = lyc_graph_input(g, "sizes", LYC_FLOAT, LYC_SHAPE(n, 6));
    }
    if (config->time_cond_dim > 0) {
        in->guidance = lyc_runner_float_input(&h->guidance, g, "guidance", LYC_SHAPE(n, config->time_cond_dim));
    }
    if (down) {
        lyc_unet_key_inputs_down(&h->keys, g, config, n, call->text->tokens);
    } else {
        lyc_unet_key_inputs(&h->keys, g, config, n, call->text->tokens);
    }
    in->keys = &h->keys;
}

lyc_status lyc_unet_handles_bind(const lyc_unet_handles *h, const lyc_cached_plan *plan, const lyc_unet_call *call,
                                 lyc_error *err)
{
    LYC_TRY(lyc_runner_bind(plan, h->latents, call->latents, err));
    LYC_TRY(lyc_runner_bind(plan, h->timesteps, call->timesteps, err));
    LYC_TRY(lyc_runner_bind(plan, h->pooled, call->pooled, err));
    LYC_TRY(lyc_runner_bind(plan, h->sizes, call->sizes, err));
    LYC_TRY(lyc_runner_bind(plan, h->guidance, call->guidance, err));
    for (int i = 0; i < h->keys.count; i++) {
        LYC_TRY(lyc_runner_bind(plan, h->keys.k[i], call->text->k[i], err));
        LYC_TRY(lyc_runner_bind(plan, h->keys.v[i], call->text->v[i], err));
    }
    return LYC_OK;
}

static void control_inputs(handles *h, lyc_unet_inputs *in, lyc_graph *g, const lyc_unet_control *control)
{
    in->skip_count = control->count;
    for (int k = 0; k < control->count; k++) {
        char name[32];
        snprintf(name, sizeof name, "control.%d", k);
        in->skips[k] = lyc_runner_float_input(&h->skips[k], g, name, control->shapes[k]);
    }
    in->mid = lyc_runner_float_input(&h->mid, g, "control.mid", control->mid_shape);
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const shape *s = context;
    const lyc_unet_config *config = s->runner->config;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a U-Net");
    }
    lyc_module m = lyc_runner_module(&s->runner->base, g);
    lyc_unet_inputs in = {0};
    lyc_unet_handles_build(&h->common, &in, g, config, s->call, false);
    if (s->call->control != NULL) {
        control_inputs(h, &in, g, s->call->control);
    }
    h->out = lyc_runner_float_output(g, lyc_unet_forward(&m, config, &in));
    *out = h;
    return LYC_OK;
}

lyc_status lyc_unet_runner_forward(float *out, lyc_unet_runner *runner, const lyc_unet_call *call, lyc_error *err)
{
    char key[128];
    const lyc_cached_plan *plan = NULL;
    shape s = {runner, call};
    LYC_TRY(lyc_unet_call_check(call, runner->config, err));
    snprintf(key, sizeof key, "%" PRId64 "x%" PRId64 "x%" PRId64 " tokens=%" PRId64 " control=%d", call->n, call->h,
             call->w, call->text->tokens, call->control != NULL);
    LYC_TRY(lyc_runner_plan(&plan, &runner->base, key, build, &s, err));
    const handles *h = plan->handles;
    LYC_TRY(lyc_unet_handles_bind(&h->common, plan, call, err));
    for (int k = 0; call->control != NULL && k < call->control->count; k++) {
        LYC_TRY(lyc_runner_bind(plan, h->skips[k], call->control->skips[k], err));
    }
    if (call->control != NULL) {
        LYC_TRY(lyc_runner_bind(plan, h->mid, call->control->mid, err));
    }
    LYC_TRY(lyc_plan_run(plan->plan, err));
    lyc_runner_take(out, plan, h->out);
    return LYC_OK;
}

size_t lyc_unet_runner_bytes(const lyc_unet_runner *runner)
{
    return lyc_plan_cache_bytes(runner->base.cache);
}
