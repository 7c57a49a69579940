/* text_runner.c - a text encoder in use
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/text_runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct lyc_text_runner {
    lyc_runner base;
    const lyc_clip_text_config *config;
    const float *rows; /* [row_count,hidden] of ids beyond the vocabulary; borrowed */
    int64_t row_count;
    int32_t *ids;        /* of a run with such ids: those of the table, else 0 */
    float *keep, *added; /* as in lyc_clip_text_request */
    size_t room;         /* tokens that these have room for */
};

typedef struct handles {
    lyc_value *ids;
    lyc_value *eos; /* NULL: nothing is pooled */
    lyc_value *states;
    lyc_value *pooled;
    lyc_value *keep, *added; /* NULL: all ids are the table's */
} handles;

typedef struct shape {
    const lyc_text_runner *runner;
    int64_t n;
    int64_t tokens;
    const lyc_clip_text_request *request;
    bool has_rows;
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
        lyc_free(runner->ids);
        lyc_free(runner->keep);
        lyc_free(runner->added);
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
    lyc_clip_text_request request = *s->request;
    if (s->has_rows) {
        const int64_t width = s->runner->config->hidden_size;
        request.keep = lyc_runner_float_input(&h->keep, g, "keep", LYC_SHAPE(s->n, s->tokens, 1));
        request.added = lyc_runner_float_input(&h->added, g, "added", LYC_SHAPE(s->n, s->tokens, width));
    }
    const lyc_clip_text_output y = lyc_clip_text(&m, s->runner->config, h->ids, h->eos, &request);
    h->states = lyc_runner_float_output(g, y.state);
    h->pooled = s->request->pooled ? lyc_runner_float_output(g, y.pooled) : NULL;
    *out = h;
    return LYC_OK;
}

void lyc_text_runner_set_rows(lyc_text_runner *runner, const float *rows, int64_t count)
{
    runner->rows = rows;
    runner->row_count = count;
}

static lyc_status reserve(lyc_text_runner *r, size_t tokens, lyc_error *err)
{
    if (tokens > r->room) {
        lyc_free(r->ids);
        lyc_free(r->keep);
        lyc_free(r->added);
        r->ids = lyc_alloc_zero(tokens, sizeof *r->ids);
        r->keep = lyc_alloc_zero(tokens, sizeof *r->keep);
        r->added = lyc_alloc_zero(tokens, (size_t)r->config->hidden_size * sizeof *r->added);
        r->room = r->ids != NULL && r->keep != NULL && r->added != NULL ? tokens : 0;
    }
    return r->room >= tokens ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for embeddings");
}

/* Divides ids into those of the table and rows of our own; *found: there are such. */
static lyc_status divide(bool *found, lyc_text_runner *r, const int32_t *ids, size_t count, lyc_error *err)
{
    const int32_t first = r->config->vocab_size;
    const size_t width = (size_t)r->config->hidden_size;
    *found = false;
    for (size_t i = 0; i < count && !*found; i++) {
        *found = ids[i] >= first && ids[i] - first < r->row_count;
    }
    if (!*found) { /* others are left to the table, which refuses them */
        return LYC_OK;
    }
    LYC_TRY(reserve(r, count, err));
    for (size_t i = 0; i < count; i++) {
        const bool own = ids[i] >= first && ids[i] - first < r->row_count;
        r->ids[i] = own ? 0 : ids[i];
        r->keep[i] = own ? 0.0f : 1.0f;
        if (own) {
            memcpy(r->added + i * width, r->rows + (size_t)(ids[i] - first) * width, width * sizeof *r->added);
        } else {
            memset(r->added + i * width, 0, width * sizeof *r->added);
        }
    }
    return LYC_OK;
}

lyc_status lyc_text_runner_encode(float *states, float *pooled, lyc_text_runner *runner, const int32_t *ids,
                                  const int32_t *eos_rows, int64_t n, int64_t tokens,
                                  const lyc_clip_text_request *request, lyc_error *err)
{
    char key[128];
    const lyc_cached_plan *plan = NULL;
    shape s = {runner, n, tokens, request, false};
    if (request->pooled && eos_rows == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the pooled state needs the rows of the end tokens");
    }
    LYC_TRY(divide(&s.has_rows, runner, ids, (size_t)(n * tokens), err));
    snprintf(key, sizeof key, "%" PRId64 "x%" PRId64 " skip=%d norm=%d pooled=%d rows=%d", n, tokens, request->skip,
             request->final_norm, request->pooled, s.has_rows);
    LYC_TRY(lyc_runner_plan(&plan, &runner->base, key, build, &s, err));
    const handles *h = plan->handles;
    LYC_TRY(lyc_runner_bind(plan, h->ids, s.has_rows ? runner->ids : ids, err));
    LYC_TRY(lyc_runner_bind(plan, h->keep, runner->keep, err));
    LYC_TRY(lyc_runner_bind(plan, h->added, runner->added, err));
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
