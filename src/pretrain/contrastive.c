/* contrastive.c - CLIP from pictures and their captions
 *
 * A batch is the classes of its own problem (clip_pair.h), so that two pictures of one caption in it contradict each
 * other; data of many captions has few of them. Positions behind the end of the longest caption of a batch are left
 * out: attention is causal, and nothing behind the end token reaches it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/config_read.h"
#include "graph/build.h"
#include "model/runner.h"
#include "pretrain/clip_pair.h"
#include "pretrain/fit.h"
#include "pretrain/stages.h"
#include "text/tokenizer.h"

static const char component[] = "clip";
enum { MOST_RANKED = 1024, STEP = 8 /* tokens: lengths are multiples of it, so that there are few plans */ };

typedef struct contrastive {
    const lyc_pretrain_options *options;
    lyc_picture_source *pictures;
    lyc_clip_pair_config config;
    lyc_tokenizer *tokenizer;
    lyc_fit *fit;
    const lyc_data_batch *batch;
    int64_t n, tokens; /* of the step that is built or fed */
    int32_t *ids, *eos, *labels;
    float *pixels;
    int64_t capacity; /* samples that these have room for */
    char key[64];
} contrastive;

/* --- batches -------------------------------------------------------------------------------------------------------
 */

static int64_t side_of(const contrastive *c)
{
    return (int64_t)c->config.vision.grid * c->config.vision.patch;
}

static lyc_status reserve(contrastive *c, int64_t n, lyc_error *err)
{
    if (n <= c->capacity) {
        return LYC_OK;
    }
    lyc_free(c->ids);
    lyc_free(c->eos);
    lyc_free(c->labels);
    lyc_free(c->pixels);
    const size_t count = (size_t)n;
    c->ids = lyc_alloc_zero(count, (size_t)c->config.text.max_positions * sizeof *c->ids);
    c->eos = lyc_alloc_zero(count, sizeof *c->eos);
    c->labels = lyc_alloc_zero(count, sizeof *c->labels);
    c->pixels = lyc_alloc_zero(count, (size_t)(side_of(c) * side_of(c) * 3) * sizeof *c->pixels);
    const bool fits = c->ids != NULL && c->eos != NULL && c->labels != NULL && c->pixels != NULL;
    c->capacity = fits ? n : 0;
    return fits ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch");
}

/* <start> text <end>, cut to the model's positions; lists[i] of each caption. Returns the longest. */
static lyc_status encode(int64_t *longest, lyc_id_list *list, const contrastive *c, const char *caption, lyc_error *err)
{
    const size_t most = (size_t)c->config.text.max_positions;
    list->count = 0;
    LYC_TRY(lyc_id_list_append(list, lyc_tokenizer_bos(c->tokenizer), err));
    LYC_TRY(lyc_tokenizer_encode(list, c->tokenizer, caption, err));
    list->count = list->count < most - 1 ? list->count : most - 1;
    LYC_TRY(lyc_id_list_append(list, lyc_tokenizer_eos(c->tokenizer), err));
    *longest = (int64_t)list->count > *longest ? (int64_t)list->count : *longest;
    return LYC_OK;
}

static lyc_status take_captions(contrastive *c, const lyc_data_batch *b, lyc_error *err)
{
    lyc_id_list list = {0};
    const int64_t most = c->config.text.max_positions;
    int64_t longest = 1;
    lyc_status status = LYC_OK;
    for (int64_t i = 0; i < b->n && status == LYC_OK; i++) {
        status = encode(&longest, &list, c, b->captions[i], err);
        for (int64_t k = 0; status == LYC_OK && k < most; k++) {
            c->ids[i * most + k] = k < (int64_t)list.count ? list.ids[k] : lyc_tokenizer_pad(c->tokenizer);
        }
        c->eos[i] = (int32_t)list.count - 1;
        c->labels[i] = (int32_t)i;
    }
    lyc_id_list_clear(&list);
    c->n = b->n;
    c->tokens = (longest + STEP - 1) / STEP * STEP;
    c->tokens = c->tokens < most ? c->tokens : most;
    for (int64_t i = 0; i < b->n; i++) { /* rows of `tokens` */
        memmove(c->ids + i * c->tokens, c->ids + i * most, (size_t)c->tokens * sizeof *c->ids);
    }
    return status;
}

static lyc_status take(contrastive *c, const lyc_data_batch *b, lyc_error *err)
{
    LYC_TRY(reserve(c, b->n, err));
    const int64_t count = b->n * side_of(c) * side_of(c) * 3;
    for (int64_t i = 0; i < count; i++) {
        c->pixels[i] = (0.5f * b->images[i] + 0.5f - lyc_clip_mean[i % 3]) / lyc_clip_deviation[i % 3];
    }
    return take_captions(c, b, err);
}

/* --- graphs --------------------------------------------------------------------------------------------------------
 */

typedef struct handles {
    lyc_value *pixels, *ids, *eos, *labels, *vision, *text;
} handles;

static handles *build_towers(lyc_value **vision, lyc_value **text, lyc_module *m, lyc_arena *arena,
                             const contrastive *c)
{
    lyc_graph *g = m->graph;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->pixels = lyc_graph_input(g, "pixels", LYC_FLOAT, LYC_SHAPE(c->n, side_of(c), side_of(c), 3));
    h->ids = lyc_graph_input(g, "ids", LYC_INDEX, LYC_SHAPE(c->n, c->tokens));
    h->eos = lyc_graph_input(g, "eos", LYC_INDEX, LYC_SHAPE(c->n));
    *vision = lyc_clip_pair_vision(m, &c->config, lyc_cast(g, h->pixels, LYC_ACTIVATION));
    *text = lyc_clip_pair_text(m, &c->config, h->ids, h->eos);
    return h;
}

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a pair of towers");
}

static lyc_status build(lyc_value **losses, void **out, lyc_module *m, lyc_arena *arena, void *context, lyc_error *err)
{
    const contrastive *c = context;
    lyc_value *vision = NULL, *text = NULL;
    handles *h = build_towers(&vision, &text, m, arena, c);
    if (h == NULL) {
        return no_memory(err);
    }
    h->labels = lyc_graph_input(m->graph, "labels", LYC_INDEX, LYC_SHAPE(c->n));
    *losses = lyc_clip_pair_loss(m, vision, text, h->labels);
    *out = h;
    return LYC_OK;
}

static lyc_status build_features(void **out, lyc_module *m, lyc_arena *arena, void *context, lyc_error *err)
{
    lyc_value *vision = NULL, *text = NULL;
    handles *h = build_towers(&vision, &text, m, arena, context);
    if (h == NULL) {
        return no_memory(err);
    }
    h->vision = lyc_runner_float_output(m->graph, vision);
    h->text = lyc_runner_float_output(m->graph, text);
    *out = h;
    return LYC_OK;
}

static lyc_status bind(const contrastive *c, const lyc_cached_plan *plan, const handles *h, lyc_error *err)
{
    LYC_TRY(lyc_runner_bind(plan, h->pixels, c->pixels, err));
    LYC_TRY(lyc_runner_bind(plan, h->ids, c->ids, err));
    LYC_TRY(lyc_runner_bind(plan, h->eos, c->eos, err));
    return lyc_runner_bind(plan, h->labels, c->labels, err);
}

static lyc_status begin_step(void *context, int64_t step, lyc_error *err)
{
    contrastive *c = context;
    LYC_TRY(lyc_picture_source_batch(&c->batch, c->pictures, step, err));
    return take(c, c->batch, err);
}

static const char *key(void *context, int64_t step)
{
    contrastive *c = context;
    (void)step;
    snprintf(c->key, sizeof c->key, "train %" PRId64 "x%" PRId64, c->n, c->tokens);
    return c->key;
}

static lyc_status feed(void *context, const lyc_cached_plan *plan, void *own, int64_t step, lyc_error *err)
{
    (void)step;
    return bind(context, plan, own, err);
}

/* --- measuring -----------------------------------------------------------------------------------------------------
 */

/* Features of pictures that are not trained, normalised. */
typedef struct features {
    float *vision, *text; /* [count,width] */
    char **captions;      /* [count] */
    int64_t count, width;
    lyc_arena arena;
} features;

static void normalise(float *out, const float *x, int64_t width)
{
    double sum = 0;
    for (int64_t i = 0; i < width; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    for (int64_t i = 0; i < width; i++) {
        out[i] = (float)((double)x[i] / sqrt(fmax(sum, 1e-12)));
    }
}

static bool is_new(const features *f, const char *caption)
{
    for (int64_t i = 0; i < f->count; i++) {
        if (strcmp(f->captions[i], caption) == 0) {
            return false;
        }
    }
    return true;
}

/* Pictures of a caption that is there already would have two right answers. */
static lyc_status add_batch(features *f, contrastive *c, const lyc_data_batch *b, lyc_error *err)
{
    void *own;
    const lyc_cached_plan *plan;
    LYC_TRY(take(c, b, err));
    snprintf(c->key, sizeof c->key, "features %" PRId64 "x%" PRId64, c->n, c->tokens);
    LYC_TRY(lyc_fit_plan(&plan, &own, c->fit, c->key, build_features, c, err));
    const handles *h = own;
    LYC_TRY(bind(c, plan, h, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    const float *vision = lyc_plan_data(plan->plan, h->vision);
    const float *text = lyc_plan_data(plan->plan, h->text);
    for (int64_t i = 0; i < b->n && f->count < MOST_RANKED; i++) {
        if (!is_new(f, b->captions[i])) {
            continue;
        }
        f->captions[f->count] = lyc_arena_text(&f->arena, b->captions[i]);
        if (f->captions[f->count] == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for captions");
        }
        normalise(f->vision + f->count * f->width, vision + i * f->width, f->width);
        normalise(f->text + f->count * f->width, text + i * f->width, f->width);
        f->count++;
    }
    return LYC_OK;
}

/* Captions that fit a picture better than its own. */
static int64_t rank_of(const features *f, int64_t picture)
{
    const float *u = f->vision + picture * f->width;
    double own = 0;
    int64_t better = 0;
    for (int64_t k = 0; k < f->width; k++) {
        own += (double)u[k] * (double)f->text[picture * f->width + k];
    }
    for (int64_t i = 0; i < f->count; i++) {
        double other = 0;
        for (int64_t k = 0; k < f->width; k++) {
            other += (double)u[k] * (double)f->text[i * f->width + k];
        }
        better += i != picture && other > own;
    }
    return better;
}

static lyc_status measure_features(lyc_fit_quality *out, features *f, contrastive *c, lyc_error *err)
{
    const lyc_data_batch *b = NULL;
    int64_t first = 0, five = 0;
    for (size_t index = 0; f->count < MOST_RANKED; index++) {
        LYC_TRY(lyc_picture_source_validation(&b, c->pictures, index, err));
        if (b == NULL) {
            break;
        }
        LYC_TRY(add_batch(f, c, b, err));
    }
    for (int64_t i = 0; i < f->count; i++) {
        const int64_t rank = rank_of(f, i);
        first += rank == 0;
        five += rank < 5;
    }
    out->first = f->count > 0 ? (double)first / (double)f->count : (double)NAN;
    out->second = f->count > 0 ? (double)five / (double)f->count : (double)NAN;
    return LYC_OK;
}

static lyc_status measure(lyc_fit_quality *out, void *context, lyc_error *err)
{
    contrastive *c = context;
    features f = {.width = c->config.text.projection_dim};
    f.vision = lyc_alloc_zero(MOST_RANKED, (size_t)f.width * sizeof *f.vision);
    f.text = lyc_alloc_zero(MOST_RANKED, (size_t)f.width * sizeof *f.text);
    f.captions = lyc_arena_alloc(&f.arena, MOST_RANKED, sizeof *f.captions);
    const lyc_status status = f.vision != NULL && f.text != NULL && f.captions != NULL
                                  ? measure_features(out, &f, c, err)
                                  : lyc_fail(err, LYC_E_MEMORY, "no memory for features");
    lyc_free(f.vision);
    lyc_free(f.text);
    lyc_arena_clear(&f.arena);
    return status;
}

/* --- the stage -----------------------------------------------------------------------------------------------------
 */

/* The pair, and its text tower as the model's. */
static lyc_status write_model(const contrastive *c, const lyc_trainables *set, lyc_error *err)
{
    char path[4096];
    lyc_weights_form form = {.dtype = c->options->half ? LYC_F16 : LYC_F32, .namer = lyc_clip_pair_name, .force = true};
    snprintf(path, sizeof path, "%s/clip/model.safetensors", c->options->model);
    LYC_TRY(lyc_weights_write(path, set, component, &form, err));
    form.namer = lyc_clip_pair_text_name;
    snprintf(path, sizeof path, "%s/text_encoder/model.safetensors", c->options->model);
    return lyc_weights_write(path, set, component, &form, err);
}

static lyc_status train(bool *finished, contrastive *c, lyc_trainables *set, lyc_error *err)
{
    const lyc_fit_problem problem = {.name = "contrastive",
                                     .set = set,
                                     .component = component,
                                     .fingerprint = lyc_picture_source_data(c->pictures)->fingerprint,
                                     .key = key,
                                     .build = build,
                                     .feed = feed,
                                     .measure = measure,
                                     .begin_step = begin_step,
                                     .context = c};
    lyc_status status = lyc_fit_new(&c->fit, &problem, c->options, err);
    status = status == LYC_OK ? lyc_fit_run(finished, c->fit, err) : status;
    status = status == LYC_OK && *finished ? write_model(c, set, err) : status;
    lyc_fit_free(c->fit);
    return status;
}

/* Rows under the names of the builders, with the numbers of the file. */
static lyc_status open_pair(contrastive *c, lyc_trainables *set, lyc_error *err)
{
    char path[4096];
    json_t *json = NULL;
    snprintf(path, sizeof path, "%s/clip/config.json", c->options->model);
    LYC_TRY(lyc_json_load(&json, path, LYC_CONFIG_MAX_BYTES, err));
    const lyc_status status = lyc_clip_pair_config_read(&c->config, json, path, err);
    json_decref(json);
    LYC_TRY(status);
    if (c->options->resolution != side_of(c)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "resolution %" PRId64 ", the picture tower of %s takes %" PRId64,
                        c->options->resolution, c->options->model, side_of(c));
    }
    snprintf(path, sizeof path, "%s/tokenizer", c->options->model);
    LYC_TRY(lyc_tokenizer_open(&c->tokenizer, path, err));
    snprintf(path, sizeof path, "%s/clip/model.safetensors", c->options->model);
    return lyc_clip_pair_open(set, component, &c->config, path, err);
}

lyc_status lyc_pretrain_contrastive(bool *finished, const lyc_pretrain_options *options, lyc_picture_source *pictures,
                                    lyc_error *err)
{
    lyc_trainables set = {0};
    contrastive c = {.options = options, .pictures = pictures};
    lyc_status status = open_pair(&c, &set, err);
    status = status == LYC_OK ? train(finished, &c, &set, err) : status;
    lyc_trainables_clear(&set);
    lyc_tokenizer_free(c.tokenizer);
    lyc_free(c.ids);
    lyc_free(c.eos);
    lyc_free(c.labels);
    lyc_free(c.pixels);
    return status;
}
