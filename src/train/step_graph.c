/* step_graph.c - the graphs of a training step: from texts and noisy latents to losses and gradients
 *
 * Three kinds have the same front: training (losses and gradients), measuring (losses), predicting. Adapters are in the
 * graphs of the last two without dropouts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "diffusion/text_encoders.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "model/runner.h"
#include "model/unet.h"
#include "train/step_internal.h"

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
    lyc_value *parts[LYC_STEP_MAX_CHUNKS];
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

static lyc_value *encode_text(lyc_value **pooled, lyc_step_handles *h, const lyc_step_request *r, lyc_graph *g,
                              int index)
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
static lyc_value *text_states(lyc_value **pooled, int first_value[3], lyc_step_handles *h, const lyc_step_request *r,
                              lyc_graph *g)
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

static lyc_value *predict(lyc_step_handles *h, int first_value[3], const lyc_step_request *r, lyc_graph *g)
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

static void add_losses(lyc_step_handles *h, const lyc_step_request *r, lyc_graph *g, lyc_value *prediction)
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
static lyc_trainable *row_of(const lyc_step_request *r, const int first_value[3], int index, const char *name)
{
    static const char *const text[] = {"text_encoder", "text_encoder_2"};
    const char *component = "unet";
    for (int i = 0; i < 2 && index < first_value[2]; i++) {
        component = r->step->model.text[i] != NULL && index >= first_value[i] ? text[i] : component;
    }
    return lyc_trainables_find(r->step->options.trainables, component, name);
}

/* Finds the parameters that are trained, in the order of the graph. */
static lyc_status find_parameters(lyc_step_handles *h, const lyc_step_request *r, const int first_value[3],
                                  int value_count, lyc_graph *g, lyc_arena *arena, lyc_error *err)
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
            h->parameters[h->parameter_count++] = (lyc_step_parameter){row, v, lyc_graph_gradient(g, v)};
        }
    }
    return LYC_OK;
}

lyc_status lyc_step_build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    const lyc_step_request *r = context;
    int first_value[3] = {0};
    lyc_step_handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    if (h == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a training step");
    }
    lyc_value *prediction = predict(h, first_value, r, g);
    if (r->purpose == LYC_STEP_PREDICT) {
        h->prediction = lyc_runner_float_output(g, prediction);
    } else {
        add_losses(h, r, g, prediction);
    }
    LYC_TRY(lyc_graph_status(g, err));
    const int value_count = lyc_graph_value_count(g);
    if (r->purpose == LYC_STEP_TRAIN) {
        h->weights = lyc_graph_input(g, "weights", LYC_FLOAT, LYC_SHAPE(r->input->n));
        LYC_TRY(lyc_graph_differentiate(g, 1, &h->losses, &h->weights, err));
    }
    *out = h;
    return find_parameters(h, r, first_value, value_count, g, arena, err);
}
