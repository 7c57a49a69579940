/* text_runner.c - a text encoder in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/text_runner.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"

struct lyc_text_runner {
    lyc_runner base;
    const lyc_clip_text_config *config;
};

typedef struct handles {
    lyc_value *ids;
    lyc_value *eos; /* NULL: nothing is pooled */
    lyc_value *states;
    lyc_value *pooled;
} handles;

typedef struct shape {
    const lyc_text_runner *runner;
    int64_t n;
    int64_t tokens;
    const lyc_clip_text_request *request;
} shape;

lyc_status lyc_text_runner_new(lyc_text_runner **out, const lyc_component *encoder, const lyc_runner_options *options,
                               lyc_error *err)
{
    lyc_text_runner *runner = lyc_alloc_zero(1, sizeof *runner);
    if (runner == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a text encoder");
    }
    runner->config = lyc_component_clip_text(encoder);
    const lyc_status status = lyc_runner_init(&runner->base, encoder, options, err);
    if (status != LYC_OK) {
        lyc_free(runner);
        return status;
    }
    *out = runner;
    return LYC_OK;
}

void lyc_text_runner_free(lyc_text_runner *runner)
{
    if (runner != NULL) {
        lyc_runner_clear(&runner->base);
        lyc_free(runner);
    }
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const shape *s = context;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a text encoder");
    }
    lyc_module m = lyc_runner_module(&s->runner->base, g);
    h->ids = lyc_graph_input(g, "ids", LYC_INDEX, LYC_SHAPE(s->n, s->tokens));
    h->eos = s->request->pooled ? lyc_graph_input(g, "eos", LYC_INDEX, LYC_SHAPE(s->n)) : NULL;
    const lyc_clip_text_output y = lyc_clip_text(&m, s->runner->config, h->ids, h->eos, s->request);
    h->states = lyc_runner_float_output(g, y.state);
    h->pooled = s->request->pooled ? lyc_runner_float_output(g, y.pooled) : NULL;
    *out = h;
    return LYC_OK;
}

lyc_status lyc_text_runner_encode(float *states, float *pooled, lyc_text_runner *runner, const int32_t *ids,
                                  const int32_t *eos_rows, int64_t n, int64_t tokens,
                                  const lyc_clip_text_request *request, lyc_error *err)
{
    char key[128];
    const lyc_cached_plan *plan = NULL;
    shape s = {runner, n, tokens, request};
    if (request->pooled && eos_rows == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the pooled state needs the rows of the end tokens");
    }
    snprintf(key, sizeof key, "%" PRId64 "x%" PRId64 " skip=%d norm=%d pooled=%d", n, tokens, request->skip,
             request->final_norm, request->pooled);
    LYC_TRY(lyc_runner_plan(&plan, &runner->base, key, build, &s, err));
    const handles *h = plan->handles;
    LYC_TRY(lyc_runner_bind(plan, h->ids, ids, err));
    LYC_TRY(lyc_runner_bind(plan, h->eos, eos_rows, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    lyc_runner_take(states, plan, h->states);
    if (h->pooled != NULL) {
        lyc_runner_take(pooled, plan, h->pooled);
    }
    return LYC_OK;
}

size_t lyc_text_runner_bytes(const lyc_text_runner *runner)
{
    return lyc_plan_cache_bytes(runner->base.cache);
}
