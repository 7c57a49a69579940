/* unet_loss_gradients.c - the loss of a U-Net, and its gradient for every weight and input
 *
 * `grad.<name>` holds a gradient; `grad_norm_of_every_parameter` the Euclidean norms in the order that the case lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "graph/autodiff.h"
#include "graph/ops/sample_loss.h"
#include "kind.h"
#include "model/unet.h"
#include "network.h"

static bool every(void *context, const char *name)
{
    (void)context;
    (void)name;
    return true;
}

typedef struct training {
    lyc_value *loss;
    lyc_value *states; /* inputs with gradients */
    lyc_value *latents;
} training;

static void build(training *t, lyc_network_case *n, lyc_component *unet)
{
    lyc_graph *g = n->graph;
    const lyc_unet_config *config = lyc_component_unet(unet);
    lyc_module m = {.graph = g, .weights = unet, .component = "unet", .trainable = every};
    lyc_unet_keys keys;
    lyc_unet_inputs in = {.keys = &keys};
    t->states = lyc_network_case_param(n, "encoder_hidden_states", LYC_LAYOUT_PLAIN);
    t->latents = lyc_network_case_param(n, "noisy_latents", LYC_LAYOUT_PICTURE);
    lyc_unet_context(&keys, &m, config, lyc_cast(g, t->states, LYC_ACTIVATION));
    in.latents = lyc_cast(g, t->latents, LYC_ACTIVATION);
    in.timesteps = lyc_network_case_input(n, "timesteps", LYC_LAYOUT_PLAIN);
    if (lyc_network_case_has(n, "pooled_text_embeds")) {
        in.pooled = lyc_cast(g, lyc_network_case_input(n, "pooled_text_embeds", LYC_LAYOUT_PLAIN), LYC_ACTIVATION);
        in.sizes = lyc_network_case_input(n, "time_ids", LYC_LAYOUT_PLAIN);
    }
    lyc_value *prediction = lyc_unet_forward(&m, config, &in);
    lyc_value *target = lyc_network_case_input(n, "target", LYC_LAYOUT_PICTURE);
    lyc_value *each = lyc_sample_loss(g, prediction, target, NULL, NULL, LYC_LOSS_L2);
    t->loss = lyc_reduce_mean(g, each, 1, false, true);
    lyc_network_case_expect(n, prediction, "prediction", LYC_LAYOUT_PICTURE);
    lyc_network_case_expect(n, each, "loss_per_item", LYC_LAYOUT_PLAIN);
    lyc_network_case_expect(n, t->loss, "loss", LYC_LAYOUT_PLAIN);
}

/* The parameter of a name. */
static lyc_value *find_param(const lyc_graph *g, const char *name)
{
    for (int i = 0; i < lyc_graph_value_count(g); i++) {
        lyc_value *v = lyc_graph_value(g, i);
        if (v->kind == LYC_VALUE_PARAM && strcmp(v->name, name) == 0) {
            return v;
        }
    }
    return NULL;
}

static lyc_value *gradient_of(lyc_graph *g, const char *name)
{
    const lyc_value *param = find_param(g, name);
    return param != NULL ? lyc_graph_gradient(g, param) : NULL;
}

static void expect_gradients(lyc_network_case *n, const training *t)
{
    static const char prefix[] = "grad.";
    for (size_t i = 0; i < lyc_safetensors_count(n->file); i++) {
        const char *name = lyc_safetensors_tensor(n->file, i).name;
        const char *param = name + sizeof prefix - 1;
        if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        const bool latents = strcmp(param, t->latents->name) == 0;
        lyc_network_case_expect(n, gradient_of(n->graph, param), name, latents ? LYC_LAYOUT_PICTURE : LYC_LAYOUT_PLAIN);
    }
}

static void expect_norms(lyc_network_case *n)
{
    size_t index;
    json_t *name;
    json_array_foreach(json_object_get(n->c->json, "parameter_order_of_grad_norms"), index, name)
    {
        lyc_value *d = gradient_of(n->graph, json_string_value(name));
        if (d == NULL) {
            lyc_graph_fail(n->graph, LYC_E_FORMAT, "no gradient of %s", json_string_value(name));
            return;
        }
        lyc_network_case_expect_norm(n, d, "grad_norm_of_every_parameter", (int64_t)index);
    }
}

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    training t;
    lyc_component *unet = NULL;
    LYC_TRY(lyc_network_case_component(&unet, n, LYC_COMPONENT_UNET, err));
    build(&t, n, unet);
    LYC_TRY(lyc_graph_status(n->graph, err));
    LYC_TRY(lyc_graph_differentiate(n->graph, 1, &t.loss, &(lyc_value *){NULL}, err));
    expect_gradients(n, &t);
    expect_norms(n);
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

const lyc_kind lyc_kind_unet_loss_gradients = {.name = "unet_loss_gradients", .run = run};
