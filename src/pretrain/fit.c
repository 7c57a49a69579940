/* fit.c - a training loop for any loss
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/fit.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/default.h"
#include "base/clock.h"
#include "base/memory.h"
#include "checkpoint/source.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "model/runner.h"
#include "train/gradient_clip.h"
#include "train/lr_schedule.h"
#include "train/state_weights.h"
#include "train/train_log.h"

enum { AVERAGED = 100, MAX_BAD_IN_ROW = 10 };
static const double warmup = 0.02, clip = 1.0;

/* A trained value of a graph. */
typedef struct parameter {
    lyc_trainable *row;
    const lyc_value *value, *gradient;
} parameter;

typedef struct handles {
    void *own;
    lyc_value *losses, *weights;
    parameter *parameters;
    int parameter_count;
} handles;

struct lyc_fit {
    lyc_fit_problem problem;
    lyc_pretrain_options options;
    lyc_plan_cache *cache;
    lyc_optimizer *optimizer;
    lyc_lr_schedule schedule;
    lyc_ema ema;
    bool has_ema;
    lyc_train_log *log;
    float *weights; /* [weight_count]: 1 / n */
    int64_t weight_count;
    double losses[AVERAGED];
    lyc_pretrain_progress progress;
    int bad_in_row;
};

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

typedef struct request {
    lyc_fit *fit;
    lyc_fit_builder build; /* NULL: the problem's, with losses */
    void *context;
} request;

static bool always(void *context, const char *name)
{
    (void)context;
    (void)name;
    return true;
}

static bool find(lyc_weight_view *out, const void *context, const char *name, const lyc_shape *shape)
{
    const lyc_fit *fit = context;
    (void)shape;
    const lyc_trainable *row = lyc_trainables_find(fit->problem.set, fit->problem.component, name);
    if (row != NULL) {
        *out = (lyc_weight_view){.name = row->name,
                                 .key = row->name,
                                 .file = "memory",
                                 .dtype = LYC_F32,
                                 .shape = row->shape,
                                 .data = row->value,
                                 .size_bytes = (size_t)row->count * sizeof *row->value};
    }
    return row != NULL;
}

static lyc_status find_parameters(handles *h, const lyc_fit *fit, lyc_graph *g, int count, lyc_arena *arena,
                                  lyc_error *err)
{
    h->parameters = lyc_arena_alloc(arena, (size_t)count + 1, sizeof *h->parameters);
    if (h->parameters == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the parameters of a step");
    }
    for (int i = 0; i < count; i++) {
        const lyc_value *v = lyc_graph_value(g, i);
        lyc_trainable *row =
            v->kind == LYC_VALUE_PARAM ? lyc_trainables_find(fit->problem.set, fit->problem.component, v->name) : NULL;
        if (row != NULL) {
            h->parameters[h->parameter_count++] = (parameter){row, v, lyc_graph_gradient(g, v)};
        }
    }
    return LYC_OK;
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const request *r = context;
    const lyc_weight_source source = {.find = find, .context = r->fit, .file = "memory"};
    lyc_module m = {.graph = g, .source = &source, .trainable = always};
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a step");
    }
    if (r->build != NULL) {
        LYC_TRY(r->build(&h->own, &m, arena, r->context, err));
    } else {
        LYC_TRY(r->fit->problem.build(&h->losses, &h->own, &m, arena, r->fit->problem.context, err));
    }
    LYC_TRY(lyc_graph_status(g, err));
    const int count = lyc_graph_value_count(g);
    if (h->losses != NULL) {
        lyc_graph_output(g, h->losses);
        h->weights = lyc_graph_input(g, "weights", LYC_FLOAT, h->losses->shape);
        LYC_TRY(lyc_graph_differentiate(g, 1, &h->losses, &h->weights, err));
    }
    *out = h;
    return find_parameters(h, r->fit, g, count, arena, err);
}

static lyc_status get_plan(const lyc_cached_plan **out, lyc_fit *fit, const char *key, request *r, lyc_error *err)
{
    const int known = lyc_plan_cache_count(fit->cache);
    LYC_TRY(lyc_plan_cache_get(out, fit->cache, key, build, r, err));
    const handles *h = (*out)->handles;
    for (int i = 0; i < h->parameter_count && lyc_plan_cache_count(fit->cache) > known; i++) {
        const parameter *p = &h->parameters[i];
        LYC_TRY(lyc_plan_bind((*out)->plan, p->value, p->row->value, (size_t)p->row->count * sizeof(float), err));
    }
    return LYC_OK;
}

lyc_status lyc_fit_plan(const lyc_cached_plan **out, void **handles_out, lyc_fit *fit, const char *key,
                        lyc_fit_builder build_graph, void *context, lyc_error *err)
{
    request r = {fit, build_graph, context};
    LYC_TRY(get_plan(out, fit, key, &r, err));
    *handles_out = ((const handles *)(*out)->handles)->own;
    return LYC_OK;
}

/* --- a step --------------------------------------------------------------------------------------------------------
 */

static lyc_status bind_weights(lyc_fit *fit, const lyc_cached_plan *plan, int64_t n, lyc_error *err)
{
    const handles *h = plan->handles;
    if (n > fit->weight_count) {
        float *grown = lyc_realloc(fit->weights, (size_t)n * sizeof *grown);
        if (grown == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the weights of losses");
        }
        fit->weights = grown;
        fit->weight_count = n;
    }
    for (int64_t i = 0; i < n; i++) {
        fit->weights[i] = 1.0f / (float)n;
    }
    return lyc_runner_bind(plan, h->weights, fit->weights, err);
}

/* Losses and gradients. */
static lyc_status run_graph(double *loss, lyc_fit *fit, lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    const int64_t step = fit->progress.step;
    const lyc_fit_problem *p = &fit->problem;
    request r = {.fit = fit};
    LYC_TRY(p->begin_step(p->context, step, err));
    LYC_TRY(get_plan(&plan, fit, p->key(p->context, step), &r, err));
    const handles *h = plan->handles;
    const int64_t n = lyc_shape_elements(&h->losses->shape);
    LYC_TRY(bind_weights(fit, plan, n, err));
    LYC_TRY(p->feed(p->context, plan, h->own, step, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    const float *losses = lyc_plan_data(plan->plan, h->losses);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)losses[i];
    }
    *loss = sum / (double)n;
    for (size_t i = 0; i < p->set->count; i++) {
        p->set->rows[i].gradient = NULL;
    }
    for (int i = 0; i < h->parameter_count; i++) {
        const lyc_value *gradient = h->parameters[i].gradient;
        h->parameters[i].row->gradient = gradient != NULL ? lyc_plan_data(plan->plan, gradient) : NULL;
    }
    return LYC_OK;
}

static lyc_status update(lyc_fit *fit, double loss, lyc_error *err)
{
    const lyc_trainables *set = fit->problem.set;
    lyc_gradient_norm norm;
    double rates[LYC_TRAIN_GROUPS];
    lyc_gradient_norm_compute(&norm, set->rows, set->count, 1);
    if (!isfinite(loss) || !isfinite(norm.norm)) {
        return ++fit->bad_in_row < MAX_BAD_IN_ROW
                   ? LYC_OK
                   : lyc_fail(err, LYC_E_NUMERIC, "%d steps in a row had numbers that are not finite, the last in %s",
                              (int)MAX_BAD_IN_ROW, norm.not_finite != NULL ? norm.not_finite : "the loss");
    }
    fit->bad_in_row = 0;
    for (int i = 0; i < LYC_TRAIN_GROUPS; i++) {
        rates[i] = fit->options.learning_rate * lyc_lr_schedule_factor(&fit->schedule, fit->progress.step);
    }
    lyc_optimizer_set_scale(fit->optimizer, lyc_gradient_clip(norm.norm, clip));
    LYC_TRY(lyc_optimizer_step(fit->optimizer, rates, err));
    if (fit->has_ema) {
        lyc_ema_update(&fit->ema, fit->progress.step + 1);
    }
    return LYC_OK;
}

static void average(lyc_fit *fit, double loss)
{
    const int64_t count = fit->progress.step + 1 < AVERAGED ? fit->progress.step + 1 : AVERAGED;
    double sum = 0;
    fit->losses[fit->progress.step % AVERAGED] = loss;
    for (int64_t i = 0; i < count; i++) {
        sum += fit->losses[i];
    }
    fit->progress.loss = sum / (double)count;
}

static void use_average(lyc_fit *fit)
{
    if (fit->has_ema) {
        lyc_ema_swap(&fit->ema);
    }
}

static bool has_turn(const lyc_fit *fit, int64_t every)
{
    return fit->progress.step == fit->progress.steps || (every > 0 && fit->progress.step % every == 0);
}

static lyc_status measure(lyc_fit *fit, lyc_error *err)
{
    lyc_fit_quality quality = {(double)NAN, (double)NAN};
    lyc_status status = LYC_OK;
    if (fit->problem.measure != NULL && has_turn(fit, fit->options.measure_every)) {
        use_average(fit);
        status = fit->problem.measure(&quality, fit->problem.context, err);
        use_average(fit);
    }
    fit->progress.quality = quality.first;
    fit->progress.quality_five = quality.second;
    return status;
}

static lyc_status make_step(lyc_fit *fit, lyc_error *err)
{
    double loss;
    const double start = lyc_clock_s();
    LYC_TRY(run_graph(&loss, fit, err));
    LYC_TRY(update(fit, loss, err));
    average(fit, loss);
    fit->progress.step++;
    fit->progress.seconds += lyc_clock_s() - start;
    LYC_TRY(measure(fit, err));
    if (fit->log != NULL) {
        const lyc_log_number numbers[] = {{"loss", loss},
                                          {"quality", fit->progress.quality},
                                          {"quality_five", fit->progress.quality_five},
                                          {"seconds", fit->progress.seconds}};
        LYC_TRY(lyc_train_log_write(fit->log, fit->progress.step, numbers, sizeof numbers / sizeof *numbers, err));
    }
    if (fit->options.report != NULL) {
        fit->options.report(fit->options.context, &fit->progress);
    }
    return LYC_OK;
}

/* --- states --------------------------------------------------------------------------------------------------------
 */

/* What a run depends on and must not change on the way; rates and lengths may. */
static json_t *problem_facts(const lyc_fit *fit)
{
    const lyc_pretrain_options *o = &fit->options;
    char data[20];
    snprintf(data, sizeof data, "%016" PRIx64, fit->problem.fingerprint); /* 64 bits do not go into numbers of JSON */
    return json_pack("{ss ss sI sI sI sI sI sf sf}", "problem", fit->problem.name, "data", data, "seed",
                     (json_int_t)o->seed, "batch_size", (json_int_t)o->batch_size, "resolution",
                     (json_int_t)o->resolution, "crop", (json_int_t)o->crop, "trained_numbers",
                     (json_int_t)fit->problem.set->numbers, "kl_weight", o->kl_weight, "ema_decay", o->ema_decay);
}

static lyc_status save_state(lyc_fit *fit, lyc_error *err)
{
    lyc_state_list list = {0};
    if (fit->options.state == NULL) {
        return LYC_OK;
    }
    if (fit->log != NULL) {
        LYC_TRY(lyc_train_log_flush(fit->log, err));
    }
    json_t *facts = json_pack("{so sI sf}", "options", problem_facts(fit), "ema_updates",
                              (json_int_t)(fit->has_ema ? fit->ema.updates : 0), "seconds", fit->progress.seconds);
    const lyc_tensor_view losses = {
        .dtype = LYC_F64, .shape = LYC_SHAPE(AVERAGED), .data = fit->losses, .size_bytes = sizeof fit->losses};
    lyc_status status = facts != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a state");
    status = status == LYC_OK ? lyc_state_list_weights(&list, fit->problem.set, LYC_F32, fit->optimizer,
                                                       fit->has_ema ? &fit->ema : NULL, err)
                              : status;
    status = status == LYC_OK ? lyc_state_list_add(&list, "", "losses", &losses, err) : status;
    status = status == LYC_OK
                 ? lyc_state_save(fit->options.state, fit->progress.step, list.tensors, list.count, facts, err)
                 : status;
    json_decref(facts);
    lyc_state_list_clear(&list);
    return status;
}

static lyc_status take_state(lyc_fit *fit, const lyc_state *state, lyc_error *err)
{
    static const char *const none[] = {NULL};
    const json_t *facts = lyc_state_facts(state);
    const lyc_safetensors *file = lyc_state_tensors(state);
    json_t *now = problem_facts(fit);
    const lyc_status agrees = now != NULL
                                  ? lyc_state_compare("options", json_object_get(facts, "options"), now, none, err)
                                  : lyc_fail(err, LYC_E_MEMORY, "no memory for a state");
    json_decref(now);
    LYC_TRY(agrees);
    if (lyc_state_step(state) > fit->progress.steps) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s is the state after step %" PRId64 ", the run has %" PRId64,
                        fit->options.state, lyc_state_step(state), fit->progress.steps);
    }
    LYC_TRY(
        lyc_state_take_weights(fit->problem.set, LYC_F32, fit->optimizer, fit->has_ema ? &fit->ema : NULL, file, err));
    LYC_TRY(lyc_state_take(fit->losses, file, "", "losses", LYC_F64, AVERAGED, err));
    fit->progress.step = lyc_state_step(state);
    fit->progress.seconds = json_number_value(json_object_get(facts, "seconds"));
    if (fit->has_ema) {
        fit->ema.updates = (int64_t)json_integer_value(json_object_get(facts, "ema_updates"));
    }
    return LYC_OK;
}

static lyc_status resume(lyc_fit *fit, lyc_error *err)
{
    lyc_state *state = NULL;
    char path[4096];
    if (fit->options.state == NULL || snprintf(path, sizeof path, "%s/state.json", fit->options.state) < 0 ||
        !lyc_path_exists(path)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_state_open(&state, fit->options.state, err));
    const lyc_status status = take_state(fit, state, err);
    lyc_state_close(state);
    return status;
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static lyc_status prepare(lyc_fit *fit, lyc_error *err)
{
    char decay[64];
    const char *args[] = {decay, "betas=0.9,0.99"};
    const lyc_pretrain_options *o = &fit->options;
    const lyc_plan_options plan = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_default()};
    const lyc_lr_request schedule = {
        .name = "cosine", .warmup_steps = ceil(warmup * (double)o->steps), .total_steps = o->steps};
    snprintf(decay, sizeof decay, "weight_decay=%.17g", o->weight_decay);
    fit->progress.steps = o->steps;
    LYC_TRY(lyc_plan_cache_new(&fit->cache, &plan, err));
    LYC_TRY(lyc_lr_schedule_init(&fit->schedule, &schedule, err));
    LYC_TRY(lyc_optimizer_new(&fit->optimizer, "AdamW", args, 2, fit->problem.set->rows, fit->problem.set->count, err));
    if (o->ema_decay > 0) {
        LYC_TRY(lyc_ema_init(&fit->ema, fit->problem.set->rows, fit->problem.set->count, o->ema_decay, 1, err));
        fit->has_ema = true;
    }
    return LYC_OK;
}

lyc_status lyc_fit_new(lyc_fit **out, const lyc_fit_problem *problem, const lyc_pretrain_options *options,
                       lyc_error *err)
{
    lyc_fit *fit = lyc_alloc_zero(1, sizeof *fit);
    if (fit == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training");
    }
    fit->problem = *problem;
    fit->options = *options;
    const lyc_status status = prepare(fit, err);
    if (status != LYC_OK) {
        lyc_fit_free(fit);
        return status;
    }
    *out = fit;
    return LYC_OK;
}

void lyc_fit_free(lyc_fit *fit)
{
    if (fit == NULL) {
        return;
    }
    lyc_plan_cache_free(fit->cache);
    lyc_optimizer_free(fit->optimizer);
    if (fit->has_ema) {
        lyc_ema_clear(&fit->ema);
    }
    lyc_train_log_close(fit->log);
    lyc_free(fit->weights);
    lyc_free(fit);
}

static bool is_stopped(const lyc_fit *fit)
{
    return fit->options.stop != NULL && fit->options.stop(fit->options.context);
}

lyc_status lyc_fit_run(bool *finished, lyc_fit *fit, lyc_error *err)
{
    LYC_TRY(resume(fit, err));
    if (fit->options.log != NULL) {
        const int64_t kept = fit->progress.step > 0 ? fit->progress.step : -1;
        LYC_TRY(lyc_train_log_open(&fit->log, fit->options.log, kept, err));
    }
    while (fit->progress.step < fit->progress.steps && !is_stopped(fit)) {
        LYC_TRY(make_step(fit, err));
        if (has_turn(fit, fit->options.state_every)) {
            LYC_TRY(save_state(fit, err));
        }
    }
    *finished = fit->progress.step >= fit->progress.steps;
    if (!*finished) {
        LYC_TRY(save_state(fit, err));
    }
    use_average(fit);
    return LYC_OK;
}
