/* step.c - one training step: its graphs and plans
 *
 * Three kinds of graphs have the same front: training (losses and gradients), measuring (losses), predicting. Adapters
 * are in the graphs of the last two without dropouts. Plans of all shapes share packed weights and one arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/step.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "diffusion/text_encoders.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/plan_cache.h"
#include "model/runner.h"
#include "model/unet.h"

enum { MAX_CHUNKS = 8 };

typedef enum aim { TRAIN, MEASURE, PREDICT } aim;

/* Between two calls of lyc_component_release_pages, as in model/runner.c. */
static const size_t release_every_bytes = (size_t)32 << 20;

struct lyc_train_step {
    lyc_step_model model;
    lyc_step_options options;
    lyc_plan_cache *cache;
    float **sums; /* of gradients, by row; NULL until they are needed */
    bool summing; /* sums hold the gradients of earlier batches */
    float *losses;
    int64_t loss_capacity;
    atomic_size_t unreleased_bytes;
};

/* A trained value of a graph. */
typedef struct parameter {
    lyc_trainable *row;
    const lyc_value *value, *gradient;
} parameter;

typedef struct handles {
    lyc_value *noisy, *target, *timesteps, *weights, *huber, *mask, *sizes;
    lyc_value *states, *pooled, *ids[2], *eos[2];
    lyc_value *losses, *prediction;
    parameter *parameters;
    int parameter_count;
    bool repeats; /* a row is used at several places */
} handles;

typedef struct request {
    lyc_train_step *step;
    const lyc_step_input *input;
    aim purpose;
} request;

/* --- graphs: texts -------------------------------------------------------------------------------------------------
 */

/* What a module asks about its tensors in native training. */
typedef struct native {
    const lyc_trainables *set;
    const char *component;
} native;

static bool is_trained(void *context, const char *name)
{
    const native *n = context;
    return lyc_trainables_find(n->set, n->component, name) != NULL;
}

static lyc_module module_of(const lyc_train_step *step, lyc_graph *g, const lyc_component *component, native *context,
                            bool trained)
{
    const char *name = lyc_component_kind_name(lyc_component_kind_of(component));
    *context = (native){step->options.trainables, name};
    return (lyc_module){.graph = g,
                        .weights = component,
                        .component = name,
                        .network = step->options.network,
                        .trainable = trained ? is_trained : NULL,
                        .context = context};
}

/* States of sequences [n*chunks,length,c] as those of a text: the first of the first sequence, all between the first
 * and the last of each, the last of the last. */
static lyc_value *join_chunks(lyc_graph *g, lyc_value *states, int64_t n, int64_t chunks)
{
    lyc_value *parts[MAX_CHUNKS];
    if (lyc_value_failed(states) || chunks == 1) {
        return states;
    }
    const int64_t length = states->shape.dims[1];
    lyc_value *all = lyc_reshape(g, states, LYC_SHAPE(n, chunks * length, states->shape.dims[2]));
    for (int64_t k = 0; k < chunks; k++) {
        const bool ends = k == 0 || k == chunks - 1;
        parts[k] = lyc_slice(g, all, 1, k * length + (k > 0), length - 2 + ends);
    }
    return lyc_concat(g, (int)chunks, parts, 1);
}

/* The pooled state of the first sequence: [n*chunks,p] -> [n,p]. */
static lyc_value *first_chunks(lyc_graph *g, lyc_value *pooled, int64_t n, int64_t chunks)
{
    if (lyc_value_failed(pooled) || chunks == 1) {
        return pooled;
    }
    const int64_t p = pooled->shape.dims[1];
    lyc_value *all = lyc_reshape(g, pooled, LYC_SHAPE(n, chunks, p));
    return lyc_reshape(g, lyc_slice(g, all, 1, 0, 1), LYC_SHAPE(n, p));
}

static lyc_value *encode_text(lyc_value **pooled, handles *h, const request *r, lyc_graph *g, int index)
{
    native context;
    char name[16];
    const lyc_train_step *step = r->step;
    const lyc_component *encoder = step->model.text[index];
    const lyc_clip_text_config *config = lyc_component_clip_text(encoder);
    const int64_t n = r->input->n;
    const int64_t rows = n * r->input->chunks;
    const lyc_clip_text_request layer = lyc_text_layer(step->model.is_xl, index, step->options.clip_skip);
    snprintf(name, sizeof name, "ids.%d", index);
    h->ids[index] = lyc_graph_input(g, name, LYC_INDEX, LYC_SHAPE(rows, config->max_positions));
    snprintf(name, sizeof name, "eos.%d", index);
    h->eos[index] = layer.pooled ? lyc_graph_input(g, name, LYC_INDEX, LYC_SHAPE(rows)) : NULL;
    lyc_module m = module_of(step, g, encoder, &context, step->options.native_text[index]);
    const lyc_clip_text_output out = lyc_clip_text(&m, config, h->ids[index], h->eos[index], &layer);
    if (layer.pooled) {
        *pooled = first_chunks(g, out.pooled, n, r->input->chunks);
    }
    return join_chunks(g, out.state, n, r->input->chunks);
}

static int64_t pooled_width(const lyc_unet_config *config)
{
    return config->addition_input_dim - 6 * config->addition_time_dim;
}

/* States [n,tokens,width] and, of SDXL, pooled ones; first_value: where the graph's values of each encoder begin. */
static lyc_value *text_states(lyc_value **pooled, int first_value[3], handles *h, const request *r, lyc_graph *g)
{
    const lyc_unet_config *config = lyc_component_unet(r->step->model.unet);
    const lyc_step_input *in = r->input;
    if (r->step->options.text_in_graph) {
        lyc_value *states[2] = {NULL, NULL};
        const int count = r->step->model.is_xl ? 2 : 1;
        for (int i = 0; i < count; i++) {
            first_value[i] = lyc_graph_value_count(g);
            states[i] = encode_text(pooled, h, r, g, i);
        }
        return count == 2 ? lyc_concat(g, 2, states, 2) : states[0];
    }
    if (config->addition_time_dim > 0) {
        *pooled = lyc_runner_float_input(&h->pooled, g, "pooled", LYC_SHAPE(in->n, pooled_width(config)));
    }
    return lyc_runner_float_input(&h->states, g, "states", LYC_SHAPE(in->n, in->tokens, config->mid_cross_dim));
}

/* --- graphs: the whole ---------------------------------------------------------------------------------------------
 */

static lyc_value *predict(handles *h, int first_value[3], const request *r, lyc_graph *g)
{
    native context;
    lyc_unet_keys keys;
    lyc_unet_inputs in = {.keys = &keys};
    const lyc_step_input *input = r->input;
    const lyc_unet_config *config = lyc_component_unet(r->step->model.unet);
    lyc_value *states = text_states(&in.pooled, first_value, h, r, g);
    first_value[2] = lyc_graph_value_count(g);
    in.latents =
        lyc_runner_float_input(&h->noisy, g, "noisy", LYC_SHAPE(input->n, input->h, input->w, config->in_channels));
    in.timesteps = h->timesteps = lyc_graph_input(g, "timesteps", LYC_FLOAT, LYC_SHAPE(input->n));
    if (config->addition_time_dim > 0) {
        in.sizes = h->sizes = lyc_graph_input(g, "sizes", LYC_FLOAT, LYC_SHAPE(input->n, 6));
    }
    lyc_module m = module_of(r->step, g, r->step->model.unet, &context, r->step->options.native_unet);
    lyc_unet_context(&keys, &m, config, states);
    return lyc_unet_forward(&m, config, &in);
}

static void add_losses(handles *h, const request *r, lyc_graph *g, lyc_value *prediction)
{
    const lyc_step_input *in = r->input;
    const lyc_step_options *o = &r->step->options;
    const int64_t channels = lyc_component_unet(r->step->model.unet)->out_channels;
    h->target = lyc_graph_input(g, "target", LYC_FLOAT, LYC_SHAPE(in->n, in->h, in->w, channels));
    h->mask = o->with_mask ? lyc_graph_input(g, "mask", LYC_FLOAT, LYC_SHAPE(in->n, in->h, in->w, 1)) : NULL;
    const bool has_parameter = o->loss != LYC_LOSS_L2 && o->loss != LYC_LOSS_L1;
    h->huber = has_parameter ? lyc_graph_input(g, "huber", LYC_FLOAT, LYC_SHAPE(in->n)) : NULL;
    h->losses = lyc_graph_output(g, lyc_sample_loss(g, prediction, h->target, h->mask, h->huber, (int)o->loss));
}

/* The row of a value by the component whose values it is among. */
static lyc_trainable *row_of(const request *r, const int first_value[3], int index, const char *name)
{
    static const char *const text[] = {"text_encoder", "text_encoder_2"};
    const char *component = "unet";
    for (int i = 0; i < 2 && index < first_value[2]; i++) {
        component = r->step->model.text[i] != NULL && index >= first_value[i] ? text[i] : component;
    }
    return lyc_trainables_find(r->step->options.trainables, component, name);
}

/* Finds the parameters that are trained, in the order of the graph. */
static lyc_status find_parameters(handles *h, const request *r, const int first_value[3], int value_count, lyc_graph *g,
                                  lyc_arena *arena, lyc_error *err)
{
    h->parameters = lyc_arena_alloc(arena, (size_t)value_count + 1, sizeof *h->parameters);
    if (h->parameters == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the parameters of a step");
    }
    for (int i = 0; i < value_count; i++) {
        const lyc_value *v = lyc_graph_value(g, i);
        lyc_trainable *row = v->kind == LYC_VALUE_PARAM ? row_of(r, first_value, i, v->name) : NULL;
        for (int k = 0; row != NULL && k < h->parameter_count; k++) {
            h->repeats = h->repeats || h->parameters[k].row == row;
        }
        if (row != NULL) {
            h->parameters[h->parameter_count++] = (parameter){row, v, lyc_graph_gradient(g, v)};
        }
    }
    return LYC_OK;
}

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const request *r = context;
    int first_value[3] = {0};
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training step");
    }
    lyc_value *prediction = predict(h, first_value, r, g);
    if (r->purpose == PREDICT) {
        h->prediction = lyc_runner_float_output(g, prediction);
    } else {
        add_losses(h, r, g, prediction);
    }
    LYC_TRY(lyc_graph_status(g, err));
    const int value_count = lyc_graph_value_count(g);
    if (r->purpose == TRAIN) {
        h->weights = lyc_graph_input(g, "weights", LYC_FLOAT, LYC_SHAPE(r->input->n));
        LYC_TRY(lyc_graph_differentiate(g, 1, &h->losses, &h->weights, err));
    }
    *out = h;
    return find_parameters(h, r, first_value, value_count, g, arena, err);
}

/* --- plans ---------------------------------------------------------------------------------------------------------
 */

static void release_pages(const lyc_train_step *step)
{
    lyc_component_release_pages(step->model.unet);
    for (int i = 0; i < 2; i++) {
        if (step->model.text[i] != NULL) {
            lyc_component_release_pages(step->model.text[i]);
        }
    }
}

static void count_read(void *context, size_t bytes)
{
    lyc_train_step *step = context;
    if (atomic_fetch_add(&step->unreleased_bytes, bytes) + bytes >= release_every_bytes) {
        atomic_store(&step->unreleased_bytes, 0);
        release_pages(step);
    }
}

/* Native parameters are the set's; those of adapters are the network's. */
static lyc_status bind_parameters(const lyc_train_step *step, const lyc_cached_plan *plan, lyc_error *err)
{
    const handles *h = plan->handles;
    for (int i = 0; i < h->parameter_count; i++) {
        const parameter *p = &h->parameters[i];
        LYC_TRY(lyc_plan_bind(plan->plan, p->value, p->row->value, lyc_plan_bytes(plan->plan, p->value), err));
    }
    lyc_network *network = step->options.network;
    return network != NULL ? lyc_network_bind(network, plan->graph, plan->plan, err) : LYC_OK;
}

static lyc_status bind_inputs(const lyc_cached_plan *plan, const lyc_step_input *in, lyc_error *err)
{
    const handles *h = plan->handles;
    const struct {
        const lyc_value *value;
        const void *data;
    } inputs[] = {{h->noisy, in->noisy},     {h->target, in->target}, {h->timesteps, in->timesteps},
                  {h->weights, in->weights}, {h->huber, in->huber},   {h->mask, in->mask},
                  {h->sizes, in->sizes},     {h->states, in->states}, {h->pooled, in->pooled},
                  {h->ids[0], in->ids[0]},   {h->ids[1], in->ids[1]}, {h->eos[0], in->eos[0]},
                  {h->eos[1], in->eos[1]}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        if (inputs[i].value != NULL && inputs[i].data == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "a step without %s", inputs[i].value->name);
        }
        LYC_TRY(lyc_runner_bind(plan, inputs[i].value, inputs[i].data, err));
    }
    return LYC_OK;
}

/* What adapters take from a batch. */
static void set_network(const lyc_train_step *step, const lyc_step_input *in, aim purpose)
{
    lyc_network *network = step->options.network;
    if (network == NULL) {
        return;
    }
    const lyc_native_random random = {.seed = in->seed, .purpose = LYC_RANDOM_DROPOUT, .step = in->step};
    lyc_network_set_use(network, purpose == TRAIN ? LYC_NETWORK_TRAINED : LYC_NETWORK_EXCHANGEABLE);
    if (lyc_network_set_samples(network, (size_t)in->n, NULL) != LYC_OK) {
        lyc_network_set_samples(network, 1, NULL); /* it was made for one number of ranks in a batch */
    }
    lyc_network_set_key(network, (uint32_t)in->seed, in->step);
    lyc_network_set_timesteps(network, in->timesteps, (size_t)in->n, (double)lyc_native_random_uniform(&random, 0));
}

/* A graph holds the adapters that are active when it is built. */
static uint64_t active(const lyc_train_step *step, const char *component)
{
    return step->options.network != NULL ? lyc_network_active(step->options.network, component) : 0;
}

static lyc_status check_input(const lyc_train_step *step, const lyc_step_input *in, lyc_error *err)
{
    if (in->n < 1 || in->h < 1 || in->w < 1) {
        return lyc_fail(err, LYC_E_SHAPE, "a batch of %" PRId64 " latents of %" PRId64 " x %" PRId64, in->n, in->h,
                        in->w);
    }
    if (step->options.text_in_graph && (in->chunks < 1 || in->chunks > MAX_CHUNKS)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "texts of %" PRId64 " sequences, expected 1 to %d", in->chunks,
                        (int)MAX_CHUNKS);
    }
    return LYC_OK;
}

/* The plan of an input's shape, everything bound. */
static lyc_status prepare(const lyc_cached_plan **out, lyc_train_step *step, const lyc_step_input *in, aim purpose,
                          lyc_error *err)
{
    static const char *const names[] = {"train", "measure", "predict"};
    char key[160];
    request r = {step, in, purpose};
    LYC_TRY(check_input(step, in, err));
    const int64_t texts = step->options.text_in_graph ? in->chunks : in->tokens;
    set_network(step, in, purpose);
    snprintf(key, sizeof key, "%s %" PRId64 "x%" PRId64 "x%" PRId64 " text=%" PRId64 " adapters=%" PRIx64 ",%" PRIx64,
             names[purpose], in->n, in->h, in->w, texts, active(step, "text_encoder"), active(step, "unet"));
    const int before = lyc_plan_cache_count(step->cache);
    LYC_TRY(lyc_plan_cache_get(out, step->cache, key, build, &r, err));
    if (lyc_plan_cache_count(step->cache) != before) {
        release_pages(step);
        LYC_TRY(bind_parameters(step, *out, err));
    }
    return bind_inputs(*out, in, err);
}

/* --- gradients -----------------------------------------------------------------------------------------------------
 */

static lyc_status reserve_sums(lyc_train_step *step, lyc_error *err)
{
    const lyc_trainables *set = step->options.trainables;
    bool complete = true;
    if (step->sums == NULL) {
        step->sums = lyc_alloc_zero(set->count + 1, sizeof *step->sums);
        complete = step->sums != NULL;
        for (size_t i = 0; complete && i < set->count; i++) {
            step->sums[i] = lyc_alloc_zero((size_t)set->rows[i].count, sizeof(float));
            complete = step->sums[i] != NULL;
        }
    }
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for sums of gradients");
}

static void free_sums(lyc_train_step *step)
{
    for (size_t i = 0; step->sums != NULL && i < step->options.trainables->count; i++) {
        lyc_free(step->sums[i]);
    }
    lyc_free(step->sums);
    step->sums = NULL;
}

static void forget_gradients(const lyc_train_step *step)
{
    for (size_t i = 0; i < step->options.trainables->count; i++) {
        step->options.trainables->rows[i].gradient = NULL;
    }
}

/* Rows without a gradient in this batch keep the sum that they have. */
static lyc_status add_gradients(lyc_train_step *step, const lyc_cached_plan *plan, lyc_error *err)
{
    const handles *h = plan->handles;
    const lyc_trainables *set = step->options.trainables;
    LYC_TRY(reserve_sums(step, err));
    if (!step->summing) {
        forget_gradients(step);
    }
    for (int i = 0; i < h->parameter_count; i++) {
        lyc_trainable *row = h->parameters[i].row;
        float *sum = step->sums[row - set->rows];
        const float *g =
            h->parameters[i].gradient != NULL ? lyc_plan_data(plan->plan, h->parameters[i].gradient) : NULL;
        if (g != NULL && row->gradient == NULL) {
            memcpy(sum, g, (size_t)row->count * sizeof *sum);
            row->gradient = sum;
        } else {
            for (int64_t k = 0; g != NULL && k < row->count; k++) {
                sum[k] += g[k];
            }
        }
    }
    step->summing = true;
    return LYC_OK;
}

static lyc_status take_gradients(lyc_train_step *step, const lyc_cached_plan *plan, bool more, lyc_error *err)
{
    const handles *h = plan->handles;
    if (more || step->summing || h->repeats) {
        return add_gradients(step, plan, err);
    }
    forget_gradients(step);
    for (int i = 0; i < h->parameter_count; i++) {
        const lyc_value *gradient = h->parameters[i].gradient;
        h->parameters[i].row->gradient = gradient != NULL ? lyc_plan_data(plan->plan, gradient) : NULL;
    }
    return LYC_OK;
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static lyc_status check_model(const lyc_step_model *model, lyc_error *err)
{
    const lyc_unet_config *config = lyc_component_unet(model->unet);
    if (config->in_channels != config->out_channels) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a U-Net of %d input and %d output channels: models for inpainting cannot be trained",
                        config->in_channels, config->out_channels);
    }
    if (config->time_cond_dim > 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a distilled model that takes the guidance as an input cannot be "
                        "trained");
    }
    return LYC_OK;
}

lyc_status lyc_train_step_new(lyc_train_step **out, const lyc_step_model *model, const lyc_step_options *options,
                              lyc_error *err)
{
    LYC_TRY(check_model(model, err));
    lyc_train_step *step = lyc_alloc_zero(1, sizeof *step);
    if (step == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training step");
    }
    step->model = *model;
    step->options = *options;
    atomic_init(&step->unreleased_bytes, 0);
    const lyc_plan_options plan = {
        .precision = options->precision,
        .backend = options->backend,
        .budget_bytes = options->budget_bytes,
        .optimiser_bytes_per_param = options->optimiser_bytes_per_param,
        .check_finite = options->check_finite,
        .weights_read = count_read,
        .weights_context = step,
    };
    const lyc_status status = lyc_plan_cache_new(&step->cache, &plan, err);
    if (status != LYC_OK) {
        lyc_free(step);
        return status;
    }
    *out = step;
    return LYC_OK;
}

void lyc_train_step_free(lyc_train_step *step)
{
    if (step != NULL) {
        lyc_plan_cache_free(step->cache);
        free_sums(step);
        lyc_free(step->losses);
        lyc_free(step);
    }
}

static lyc_status take_losses(lyc_step_result *out, lyc_train_step *step, const lyc_cached_plan *plan,
                              const lyc_step_input *in, lyc_error *err)
{
    const handles *h = plan->handles;
    if (in->n > step->loss_capacity) {
        lyc_free(step->losses);
        step->losses = lyc_alloc_zero((size_t)in->n, sizeof *step->losses);
        step->loss_capacity = step->losses != NULL ? in->n : 0;
    }
    if (step->losses == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for losses");
    }
    lyc_runner_take(step->losses, plan, h->losses);
    *out = (lyc_step_result){.losses = step->losses, .finite = true};
    for (int64_t i = 0; i < in->n; i++) {
        out->loss += (in->weights != NULL ? (double)in->weights[i] : 1.0) * (double)step->losses[i];
        out->finite = out->finite && isfinite(step->losses[i]);
    }
    return LYC_OK;
}

lyc_status lyc_train_step_run(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input, bool more,
                              lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, TRAIN, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    LYC_TRY(take_losses(out, step, plan, input, err));
    return take_gradients(step, plan, more, err);
}

void lyc_train_step_begin(lyc_train_step *step)
{
    step->summing = false;
    forget_gradients(step);
}

lyc_status lyc_train_step_measure(lyc_step_result *out, lyc_train_step *step, const lyc_step_input *input,
                                  lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, MEASURE, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    return take_losses(out, step, plan, input, err);
}

lyc_status lyc_train_step_predict(float *out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, PREDICT, err));
    LYC_TRY(lyc_plan_run(plan->plan, err));
    lyc_runner_take(out, plan, ((const handles *)plan->handles)->prediction);
    return LYC_OK;
}

lyc_status lyc_train_step_explain(lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    lyc_train_step *careful = NULL;
    const lyc_cached_plan *plan = NULL;
    lyc_step_options options = step->options;
    options.check_finite = true;
    LYC_TRY(lyc_train_step_new(&careful, &step->model, &options, err));
    lyc_status status = prepare(&plan, careful, input, TRAIN, err);
    status = status == LYC_OK ? lyc_plan_run(plan->plan, err) : status;
    lyc_train_step_free(careful);
    return status;
}

lyc_status lyc_train_step_plan(lyc_plan **out, lyc_train_step *step, const lyc_step_input *input, lyc_error *err)
{
    const lyc_cached_plan *plan = NULL;
    LYC_TRY(prepare(&plan, step, input, TRAIN, err));
    *out = plan->plan;
    return LYC_OK;
}

size_t lyc_train_step_bytes(const lyc_train_step *step)
{
    const size_t sums = step->sums != NULL ? (size_t)step->options.trainables->numbers * sizeof(float) : 0;
    return lyc_plan_cache_bytes(step->cache) + sums;
}
