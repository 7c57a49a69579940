/* clip_text_config.c - config.json of CLIPTextModel and CLIPTextModelWithProjection
 *
 * The ids of the beginning, end and padding that stand there are wrong in old files (0, 2, 1): the tokenizer knows
 * them, and they are not read here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "checkpoint/config_read.h"

enum { MAX_WIDTH = 1 << 16, MAX_LAYERS = 512 };

#define MEMBER(name) offsetof(lyc_clip_text_config, name)

// clang-format off
static const lyc_field fields[] = {
    {"vocab_size", LYC_FIELD_INT, MEMBER(vocab_size), .min = 1, .max = 1 << 24},
    {"hidden_size", LYC_FIELD_INT, MEMBER(hidden_size), .min = 1, .max = MAX_WIDTH},
    {"intermediate_size", LYC_FIELD_INT, MEMBER(intermediate_size), .min = 1, .max = 1 << 20},
    {"num_hidden_layers", LYC_FIELD_INT, MEMBER(layers), .min = 1, .max = MAX_LAYERS},
    {"num_attention_heads", LYC_FIELD_INT, MEMBER(heads), .min = 1, .max = MAX_WIDTH},
    {"max_position_embeddings", LYC_FIELD_INT, MEMBER(max_positions), .min = 1, .max = 1 << 20},
    {"projection_dim", LYC_FIELD_INT, MEMBER(projection_dim), .min = 1, .max = MAX_WIDTH},
    {"layer_norm_eps", LYC_FIELD_FLOAT, MEMBER(norm_eps), .min = 0, .max = 1},

    {"hidden_act", LYC_FIELD_ELSEWHERE},
    {"architectures", LYC_FIELD_ELSEWHERE},

    {"attention_dropout", LYC_FIELD_IGNORED}, /* of training */
    {"dropout", LYC_FIELD_IGNORED},
    {"initializer_factor", LYC_FIELD_IGNORED},
    {"initializer_range", LYC_FIELD_IGNORED},
    {"bos_token_id", LYC_FIELD_IGNORED},
    {"eos_token_id", LYC_FIELD_IGNORED},
    {"pad_token_id", LYC_FIELD_IGNORED},
    {"dtype", LYC_FIELD_IGNORED},
    {"torch_dtype", LYC_FIELD_IGNORED},
    {"model_type", LYC_FIELD_IGNORED},
    {"transformers_version", LYC_FIELD_IGNORED},
    {"_name_or_path", LYC_FIELD_IGNORED},
    {0},
};
// clang-format on

void lyc_clip_text_config_default(lyc_clip_text_config *config)
{
    *config = (lyc_clip_text_config){
        .vocab_size = 49408,
        .hidden_size = 512,
        .intermediate_size = 2048,
        .layers = 12,
        .heads = 8,
        .max_positions = 77,
        .quick_gelu = true,
        .norm_eps = 1e-5f,
        .projection_dim = 512,
    };
}

lyc_status lyc_clip_text_config_apply(lyc_clip_text_config *config, bool *with_projection, const json_t *json,
                                      const char *file, lyc_error *err)
{
    static const char *const activations[] = {"gelu", "quick_gelu", NULL};
    int activation = config->quick_gelu ? 1 : 0;
    LYC_TRY(lyc_fields_read(config, fields, json, file, err));
    LYC_TRY(lyc_field_choice(&activation, json, "hidden_act", activations, err));
    config->quick_gelu = activation == 1;
    const char *class_name = json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    *with_projection = class_name != NULL && strcmp(class_name, "CLIPTextModelWithProjection") == 0;
    return LYC_OK;
}

lyc_status lyc_clip_text_config_check(const lyc_clip_text_config *config, lyc_error *err)
{
    if (config->heads < 1 || config->hidden_size % config->heads != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "text_model.encoder has %d channels, which %d attention heads do not divide",
                        config->hidden_size, config->heads);
    }
    return LYC_OK;
}
