/* joint_loss_gradients_text_encoder.c - text encoder and U-Net in one graph, gradients for the text encoder's weights
 *
 * The case has clean latents, noise and timesteps; noise is added by the model's schedule (scheduler/
 * scheduler_config.json), and the target is the noise. Names of gradients leave out "text_model.".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "graph/autodiff.h"
#include "graph/ops/sample_loss.h"
#include "kind.h"
#include "model/clip_text.h"
#include "model/unet.h"
#include "network.h"
#include "tensor/shape.h"

static bool every(void *context, const char *name)
{
    (void)context;
    (void)name;
    return true;
}

/* The product of 1 - beta up to a time; the betas are squares of evenly spaced roots. */
static double alphas_cumprod(const json_t *scheduler, int time)
{
    const int steps = (int)json_integer_value(json_object_get(scheduler, "num_train_timesteps"));
    const double first = sqrt(json_number_value(json_object_get(scheduler, "beta_start")));
    const double last = sqrt(json_number_value(json_object_get(scheduler, "beta_end")));
    double product = 1.0;
    for (int t = 0; t <= time; t++) {
        const double root = first + (last - first) * t / (steps - 1);
        product *= 1.0 - root * root;
    }
    return product;
}

static json_t *read_scheduler(const lyc_case *c, lyc_error *err)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s/scheduler/scheduler_config.json", c->folder, lyc_case_text(c, "model"));
    json_t *json = json_load_file(path, 0, &error);
    const char *schedule = json_string_value(json_object_get(json, "beta_schedule"));
    if (json == NULL || schedule == NULL || strcmp(schedule, "scaled_linear") != 0) {
        lyc_fail(err, LYC_E_FORMAT, "%s: no scheduler of schedule scaled_linear", path);
        json_decref(json);
        return NULL;
    }
    return json;
}

/* sqrt(a) x + sqrt(1 - a) noise, into x. */
static void add_noise(float *x, const float *noise, const float *times, const lyc_shape *shape, const json_t *scheduler)
{
    const int64_t size = lyc_shape_product(shape, 1, shape->rank);
    for (int64_t i = 0; i < shape->dims[0]; i++) {
        const double a = alphas_cumprod(scheduler, (int)times[i]);
        for (int64_t k = i * size; k < (i + 1) * size; k++) {
            x[k] = (float)(sqrt(a) * (double)x[k] + sqrt(1.0 - a) * (double)noise[k]);
        }
    }
}

static lyc_value *noisy_latents(lyc_network_case *n, lyc_error *err)
{
    float *x = NULL;
    float *noise = NULL;
    float *times = NULL;
    lyc_shape shape;
    lyc_shape other;
    lyc_value *v = NULL;
    json_t *scheduler = read_scheduler(n->c, err);
    if (scheduler != NULL &&
        lyc_network_case_floats(&x, &shape, n, "clean_latents", LYC_LAYOUT_PICTURE, err) == LYC_OK &&
        lyc_network_case_floats(&noise, &other, n, "noise", LYC_LAYOUT_PICTURE, err) == LYC_OK &&
        lyc_network_case_floats(&times, &other, n, "timesteps", LYC_LAYOUT_PLAIN, err) == LYC_OK) {
        add_noise(x, noise, times, &shape, scheduler);
        v = lyc_network_case_take(n, "noisy_latents", LYC_FLOAT, shape, x);
        x = NULL;
    }
    json_decref(scheduler);
    lyc_free(x);
    lyc_free(noise);
    lyc_free(times);
    return v;
}

static lyc_value *build(lyc_network_case *n, lyc_component *encoder, lyc_component *unet, lyc_value *noisy)
{
    lyc_graph *g = n->graph;
    lyc_module text = {.graph = g, .weights = encoder, .component = "text_encoder", .trainable = every};
    lyc_module m = {.graph = g, .weights = unet, .component = "unet"};
    const lyc_clip_text_request request = {.final_norm = true};
    lyc_value *ids = lyc_network_case_ids(n, "input_ids");
    lyc_value *states = lyc_clip_text(&text, lyc_component_clip_text(encoder), ids, NULL, &request).state;
    lyc_unet_keys keys;
    lyc_unet_context(&keys, &m, lyc_component_unet(unet), states);
    const lyc_unet_inputs in = {.keys = &keys,
                                .latents = lyc_cast(g, noisy, LYC_ACTIVATION),
                                .timesteps = lyc_network_case_input(n, "timesteps", LYC_LAYOUT_PLAIN)};
    lyc_value *prediction = lyc_unet_forward(&m, lyc_component_unet(unet), &in);
    lyc_value *target = lyc_network_case_input(n, "noise", LYC_LAYOUT_PICTURE);
    return lyc_reduce_mean(g, lyc_sample_loss(g, prediction, target, NULL, NULL, LYC_LOSS_L2), 1, false, true);
}

static lyc_value *gradient_of(lyc_graph *g, const char *name)
{
    for (int i = 0; i < lyc_graph_value_count(g); i++) {
        const lyc_value *v = lyc_graph_value(g, i);
        if (v->kind == LYC_VALUE_PARAM && strcmp(v->name, name) == 0) {
            return lyc_graph_gradient(g, v);
        }
    }
    return NULL;
}

static void expect_gradients(lyc_network_case *n)
{
    static const char prefix[] = "grad.";
    static const char rows[] = ".rows_of_first_prompt";
    for (size_t i = 0; i < lyc_safetensors_count(n->file); i++) {
        char param[256];
        const char *name = lyc_safetensors_tensor(n->file, i).name;
        if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        const size_t length = strlen(name);
        const bool by_rows = length > sizeof rows && strcmp(name + length - (sizeof rows - 1), rows) == 0;
        snprintf(param, sizeof param, "text_model.%.*s",
                 (int)(length - (sizeof prefix - 1) - (by_rows ? sizeof rows - 1 : 0)), name + sizeof prefix - 1);
        lyc_value *d = gradient_of(n->graph, param);
        if (by_rows) {
            lyc_network_case_expect_rows(n, d, name, "row_ids_of_first_prompt");
        } else {
            lyc_network_case_expect(n, d, name, LYC_LAYOUT_PLAIN);
        }
    }
}

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_component *encoder = NULL;
    lyc_component *unet = NULL;
    LYC_TRY(lyc_network_case_component(&encoder, n, LYC_COMPONENT_TEXT_ENCODER, err));
    LYC_TRY(lyc_network_case_component(&unet, n, LYC_COMPONENT_UNET, err));
    lyc_value *noisy = noisy_latents(n, err);
    if (noisy == NULL) {
        return err->status;
    }
    lyc_value *loss = build(n, encoder, unet, noisy);
    lyc_network_case_expect(n, loss, "loss", LYC_LAYOUT_PLAIN);
    LYC_TRY(lyc_graph_status(n->graph, err));
    LYC_TRY(lyc_graph_differentiate(n->graph, 1, &loss, &(lyc_value *){NULL}, err));
    expect_gradients(n);
    return lyc_network_case_run(result, n, err);
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_network_case n;
    LYC_TRY(lyc_network_case_init(&n, c, err));
    const lyc_status status = run_case(result, &n, err);
    lyc_network_case_clear(&n);
    return status;
}

const lyc_kind lyc_kind_joint_loss_gradients_text_encoder = {.name = "joint_loss_gradients_text_encoder", .run = run};
