/* unet_text.c - keys and values of a prompt, computed once and kept in the precision of the plans
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/unet_runner_internal.h"

typedef struct shape {
    const lyc_runner *runner;
    const lyc_unet_config *config;
    bool down;
    int64_t n;
    int64_t tokens;
    int64_t width;
} shape;

typedef struct handles {
    lyc_value *states;
    lyc_unet_keys keys;
} handles;

static int cross_dim(const lyc_unet_config *config)
{
    for (int level = 0; level < config->level_count; level++) {
        if (config->attention_down[level] || config->attention_up[level]) {
            return config->cross_dim[level];
        }
    }
    return config->mid_cross_dim;
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const shape *s = context;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for keys and values");
    }
    lyc_module m = lyc_runner_module(s->runner, g);
    lyc_value *states = lyc_runner_float_input(&h->states, g, "states", LYC_SHAPE(s->n, s->tokens, s->width));
    if (s->down) {
        lyc_unet_context_down(&h->keys, &m, s->config, states);
    } else {
        lyc_unet_context(&h->keys, &m, s->config, states);
    }
    for (int i = 0; i < h->keys.count; i++) {
        lyc_graph_output(g, h->keys.k[i]);
        lyc_graph_output(g, h->keys.v[i]);
    }
    *out = h;
    return LYC_OK;
}

static lyc_status allocate(lyc_unet_text *text, const lyc_cached_plan *plan, const lyc_unet_keys *keys, lyc_error *err)
{
    text->count = keys->count;
    for (int i = 0; i < keys->count; i++) {
        text->bytes[i] = lyc_plan_bytes(plan->plan, keys->k[i]);
        text->dtype = lyc_plan_dtype(plan->plan, keys->k[i]);
        text->memory_bytes += 2 * text->bytes[i];
    }
    text->memory = lyc_alloc(text->memory_bytes);
    if (text->memory == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for keys and values of %zu bytes", text->memory_bytes);
    }
    char *place = text->memory;
    for (int i = 0; i < keys->count; i++) {
        text->k[i] = place;
        text->v[i] = place + text->bytes[i];
        place += 2 * text->bytes[i];
    }
    return LYC_OK;
}

static lyc_status compute(lyc_unet_text *text, const lyc_cached_plan *plan, const float *states, lyc_error *err)
{
    const handles *h = plan->handles;
    LYC_TRY(allocate(text, plan, &h->keys, err));
    LYC_TRY(lyc_runner_bind(plan, h->states, states, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    for (int i = 0; i < text->count; i++) {
        memcpy(text->k[i], lyc_plan_data(plan->plan, h->keys.k[i]), text->bytes[i]);
        memcpy(text->v[i], lyc_plan_data(plan->plan, h->keys.v[i]), text->bytes[i]);
    }
    return LYC_OK;
}

lyc_status lyc_unet_text_compute(lyc_unet_text **out, lyc_runner *runner, const lyc_unet_config *config, bool down,
                                 const float *states, int64_t n, int64_t tokens, lyc_error *err)
{
    char key[96];
    const lyc_cached_plan *plan = NULL;
    shape s = {runner, config, down, n, tokens, cross_dim(config)};
    snprintf(key, sizeof key, "keys %" PRId64 "x%" PRId64, n, tokens);
    lyc_unet_text *text = lyc_alloc_zero(1, sizeof *text);
    if (text == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for keys and values");
    }
    text->n = n;
    text->tokens = tokens;
    lyc_status status = lyc_runner_plan(&plan, runner, key, build, &s, err);
    if (status == LYC_OK) {
        status = compute(text, plan, states, err);
    }
    if (status != LYC_OK) {
        lyc_unet_text_free(text);
        return status;
    }
    *out = text;
    return LYC_OK;
}

void lyc_unet_text_free(lyc_unet_text *text)
{
    if (text != NULL) {
        lyc_free(text->memory);
        lyc_free(text);
    }
}

size_t lyc_unet_text_bytes(const lyc_unet_text *text)
{
    return text->memory_bytes;
}
