/* vision.c - weights and configuration of a vision transformer from a case
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vision.h"

#include <string.h>

#include "graph/ops/matmul.h"

static void take_int(int *out, const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (json_is_integer(value)) {
        *out = (int)json_integer_value(value);
    }
}

static void take_float(float *out, const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (json_is_number(value)) {
        *out = (float)json_number_value(value);
    }
}

static void take_activation(int *out, const json_t *json, const char *name)
{
    static const struct {
        const char *name;
        int activation;
    } known[] = {{"quick_gelu", LYC_ACTIVATION_QUICK_GELU},
                 {"gelu", LYC_ACTIVATION_GELU},
                 {"gelu_tanh", LYC_ACTIVATION_GELU_TANH},
                 {"gelu_pytorch_tanh", LYC_ACTIVATION_GELU_TANH},
                 {"relu", LYC_ACTIVATION_RELU},
                 {"silu", LYC_ACTIVATION_SILU}};
    const char *text = json_string_value(json_object_get(json, name));
    for (size_t i = 0; text != NULL && i < sizeof known / sizeof known[0]; i++) {
        *out = strcmp(text, known[i].name) == 0 ? known[i].activation : *out;
    }
}

lyc_status lyc_vision_case_open(lyc_vision_weights *weights, lyc_vit_config *config, const lyc_network_case *n,
                                const char *prefix, const json_t *json, lyc_error *err)
{
    const json_t *antialias = json_object_get(json, "interpolate_antialias");
    LYC_TRY(lyc_vision_weights_init(weights, n->file, n->c->name, prefix, err));
    LYC_TRY(lyc_vit_config_infer(config, weights, err));
    take_int(&config->heads, json, "num_heads");
    take_int(&config->heads, json, "num_attention_heads");
    take_float(&config->eps, json, "layer_norm_eps");
    take_float(&config->eps, json, "norm_eps");
    take_activation(&config->activation, json, "hidden_act");
    take_activation(&config->activation, json, "act_layer");
    take_float(&config->offset, json, "interpolate_offset");
    if (json_is_boolean(antialias)) {
        config->antialias = json_is_true(antialias);
        config->coefficient = config->antialias ? -0.5f : -0.75f;
    }
    return lyc_vit_config_check(config, err);
}
