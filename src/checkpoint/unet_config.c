/* unet_config.c - config.json of UNet2DConditionModel and ControlNetModel
 *
 * Two traps: attention_head_dim is the number of heads, for compatibility with the first files, and num_attention_heads
 * goes before it when it is not null; up_block_types is written from the deepest level upwards.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "base/string.h"
#include "checkpoint/config_read.h"
#include "checkpoint/tensor_list.h"

enum { MAX_CHANNELS = 1 << 16, MAX_LAYERS = 32, MAX_DEPTH = 64, MAX_WIDTH = 1 << 20 };

#define MEMBER(name) offsetof(lyc_unet_config, name)

// clang-format off
static const lyc_field fields[] = {
    {"in_channels", LYC_FIELD_INT, MEMBER(in_channels), .min = 1, .max = MAX_CHANNELS},
    {"out_channels", LYC_FIELD_INT, MEMBER(out_channels), .min = 1, .max = MAX_CHANNELS},
    {"norm_num_groups", LYC_FIELD_INT, MEMBER(norm_groups), .min = 1, .max = MAX_CHANNELS},
    {"norm_eps", LYC_FIELD_FLOAT, MEMBER(norm_eps), .min = 0, .max = 1},
    {"use_linear_projection", LYC_FIELD_BOOL, MEMBER(linear_projection)},
    {"flip_sin_to_cos", LYC_FIELD_BOOL, MEMBER(flip_sin_to_cos)},
    {"freq_shift", LYC_FIELD_FLOAT, MEMBER(freq_shift), .min = -1e6, .max = 1e6},
    {"center_input_sample", LYC_FIELD_BOOL, MEMBER(center_input)},
    {"downsample_padding", LYC_FIELD_INT, MEMBER(downsample_padding), .min = 0, .max = 1},
    {"mid_block_scale_factor", LYC_FIELD_FLOAT, MEMBER(mid_block_scale), .min = 1e-6, .max = 1e6},
    {"upcast_attention", LYC_FIELD_BOOL, MEMBER(upcast_attention)},
    {"addition_time_embed_dim", LYC_FIELD_INT, MEMBER(addition_time_dim), .min = 1, .max = MAX_WIDTH},
    {"projection_class_embeddings_input_dim", LYC_FIELD_INT, MEMBER(addition_input_dim), .min = 1, .max = MAX_WIDTH},
    {"time_cond_proj_dim", LYC_FIELD_INT, MEMBER(time_cond_dim), .min = 1, .max = MAX_WIDTH},
    {"sample_size", LYC_FIELD_INT, MEMBER(sample_size), .min = 1, .max = 1 << 20},
    {"conditioning_channels", LYC_FIELD_INT, MEMBER(hint_in_channels), .min = 1, .max = MAX_CHANNELS},

    {"block_out_channels", LYC_FIELD_ELSEWHERE},
    {"down_block_types", LYC_FIELD_ELSEWHERE},
    {"up_block_types", LYC_FIELD_ELSEWHERE},
    {"layers_per_block", LYC_FIELD_ELSEWHERE},
    {"attention_head_dim", LYC_FIELD_ELSEWHERE},
    {"num_attention_heads", LYC_FIELD_ELSEWHERE},
    {"cross_attention_dim", LYC_FIELD_ELSEWHERE},
    {"transformer_layers_per_block", LYC_FIELD_ELSEWHERE},
    {"conditioning_embedding_out_channels", LYC_FIELD_ELSEWHERE},

    {"act_fn", LYC_FIELD_ONLY_TEXT, .text = "silu"},
    {"mid_block_type", LYC_FIELD_ONLY_TEXT, .text = "UNetMidBlock2DCrossAttn"},
    {"resnet_time_scale_shift", LYC_FIELD_ONLY_TEXT, .text = "default"},
    {"time_embedding_type", LYC_FIELD_ONLY_TEXT, .text = "positional"},
    {"attention_type", LYC_FIELD_ONLY_TEXT, .text = "default"},
    {"addition_embed_type", LYC_FIELD_ONLY_TEXT, .text = "text_time"},
    {"controlnet_conditioning_channel_order", LYC_FIELD_ONLY_TEXT, .text = "rgb"},
    {"conv_in_kernel", LYC_FIELD_ONLY_NUMBER, .number = 3},
    {"conv_out_kernel", LYC_FIELD_ONLY_NUMBER, .number = 3},
    {"dropout", LYC_FIELD_ONLY_NUMBER, .number = 0},
    {"resnet_out_scale_factor", LYC_FIELD_ONLY_NUMBER, .number = 1},
    {"only_cross_attention", LYC_FIELD_ONLY_FALSE},
    {"dual_cross_attention", LYC_FIELD_ONLY_FALSE},
    {"resnet_skip_time_act", LYC_FIELD_ONLY_FALSE},
    {"class_embeddings_concat", LYC_FIELD_ONLY_FALSE},
    {"global_pool_conditions", LYC_FIELD_ONLY_FALSE},
    {"class_embed_type", LYC_FIELD_ONLY_NULL},
    {"mid_block_only_cross_attention", LYC_FIELD_ONLY_NULL},
    {"cross_attention_norm", LYC_FIELD_ONLY_NULL},
    {"encoder_hid_dim", LYC_FIELD_ONLY_NULL},
    {"encoder_hid_dim_type", LYC_FIELD_ONLY_NULL},
    {"num_class_embeds", LYC_FIELD_ONLY_NULL},
    {"time_embedding_dim", LYC_FIELD_ONLY_NULL},
    {"time_embedding_act_fn", LYC_FIELD_ONLY_NULL},
    {"timestep_post_act", LYC_FIELD_ONLY_NULL},
    {"reverse_transformer_layers_per_block", LYC_FIELD_ONLY_NULL},

    {"addition_embed_type_num_heads", LYC_FIELD_IGNORED},
    {"_class_name", LYC_FIELD_IGNORED},
    {"_diffusers_version", LYC_FIELD_IGNORED},
    {"_name_or_path", LYC_FIELD_IGNORED},
    {0},
};
// clang-format on

void lyc_unet_config_default(lyc_unet_config *config)
{
    *config = (lyc_unet_config){
        .in_channels = 4,
        .out_channels = 4,
        .level_count = 4,
        .channels = {320, 640, 1280, 1280},
        .attention_down = {true, true, true, false},
        .attention_up = {true, true, true, false},
        .norm_groups = 32,
        .norm_eps = 1e-5f,
        .flip_sin_to_cos = true,
        .downsample_padding = 1,
        .mid_block_scale = 1,
        .hint_in_channels = 3,
        .hint_level_count = 4,
        .hint_channels = {16, 32, 96, 256},
    };
    for (int i = 0; i < LYC_MAX_LEVELS; i++) {
        config->layers[i] = 2;
        config->heads[i] = 8;
        config->depth[i] = 1;
        config->depth_up[i] = 1;
        config->cross_dim[i] = 1280; /* UNet2DConditionModel's default; SD 1.x files say 768 */
    }
    config->mid_heads = 8;
    config->mid_depth = 1;
    config->mid_cross_dim = 1280;
}

/* The kinds of blocks, of which the second has transformers. */
static const char *const down_types[] = {"DownBlock2D", "CrossAttnDownBlock2D", NULL};
static const char *const up_types[] = {"UpBlock2D", "CrossAttnUpBlock2D", NULL};

static lyc_status read_types(bool attention[LYC_MAX_LEVELS], bool *given, const lyc_unet_config *config,
                             const json_t *json, const char *name, const char *const types[], lyc_error *err)
{
    const json_t *list = json_object_get(json, name);
    *given = list != NULL && !json_is_null(list);
    if (!*given) {
        return LYC_OK;
    }
    const int levels = config->level_count;
    if (!json_is_array(list) || json_array_size(list) != (size_t)levels) {
        char expected[96];
        snprintf(expected, sizeof expected, "a list of %d types of blocks, one for each of block_out_channels", levels);
        return lyc_json_complain(name, list, expected, err);
    }
    for (int i = 0; i < levels; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        const char *type = json_string_value(item);
        if (type == NULL || (strcmp(type, types[0]) != 0 && strcmp(type, types[1]) != 0)) {
            char expected[96];
            snprintf(expected, sizeof expected, "\"%s\" or \"%s\": nothing else is supported", types[0], types[1]);
            return lyc_json_complain(name, item, expected, err);
        }
        attention[types == up_types ? levels - 1 - i : i] = strcmp(type, types[1]) == 0;
    }
    return LYC_OK;
}

/* A number for all levels, or a list with one for each. */
static lyc_status read_levels(int out[LYC_MAX_LEVELS], bool *changed, const lyc_unet_config *config, const json_t *json,
                              const char *name, int max, lyc_error *err)
{
    int given = 0;
    LYC_TRY(lyc_field_ints(out, &given, json, name, 1, max, err));
    if (given > 0 && given != config->level_count) {
        char expected[96];
        snprintf(expected, sizeof expected, "one number, or %d of them as in block_out_channels", config->level_count);
        return lyc_json_complain(name, json_object_get(json, name), expected, err);
    }
    *changed = given != 0;
    return LYC_OK;
}

/* Levels, and which of them have transformers. */
static lyc_status apply_blocks(lyc_unet_config *config, const json_t *json, bool up, lyc_error *err)
{
    int given = 0;
    bool types_given = true;
    const int levels = config->level_count;
    LYC_TRY(lyc_field_ints(config->channels, &given, json, "block_out_channels", 1, MAX_CHANNELS, err));
    if (given < 0) {
        return lyc_json_complain("block_out_channels", json_object_get(json, "block_out_channels"), "a list", err);
    }
    config->level_count = given > 0 ? given : levels;
    LYC_TRY(read_types(config->attention_down, &types_given, config, json, "down_block_types", down_types, err));
    if (!types_given && config->level_count != levels) {
        return lyc_fail(err, LYC_E_FORMAT, "'block_out_channels' has %d levels, but 'down_block_types' is missing",
                        config->level_count);
    }
    if (up) {
        LYC_TRY(read_types(config->attention_up, &types_given, config, json, "up_block_types", up_types, err));
        if (!types_given && config->level_count != levels) {
            return lyc_fail(err, LYC_E_FORMAT, "'block_out_channels' has %d levels, but 'up_block_types' is missing",
                            config->level_count);
        }
    }
    return LYC_OK;
}

/* Numbers of each level; the mid block has those of the deepest one. */
static lyc_status apply_levels(lyc_unet_config *config, const json_t *json, lyc_error *err)
{
    const int deepest = config->level_count - 1;
    bool given = false;
    LYC_TRY(read_levels(config->layers, &given, config, json, "layers_per_block", MAX_LAYERS, err));
    LYC_TRY(read_levels(config->heads, &given, config, json, "attention_head_dim", MAX_CHANNELS, err));
    bool heads_given = given;
    LYC_TRY(read_levels(config->heads, &given, config, json, "num_attention_heads", MAX_CHANNELS, err));
    if (given || heads_given) {
        config->mid_heads = config->heads[deepest];
    }
    LYC_TRY(read_levels(config->cross_dim, &given, config, json, "cross_attention_dim", MAX_WIDTH, err));
    if (given) {
        config->mid_cross_dim = config->cross_dim[deepest];
    }
    LYC_TRY(read_levels(config->depth, &given, config, json, "transformer_layers_per_block", MAX_DEPTH, err));
    if (given) {
        memcpy(config->depth_up, config->depth, sizeof config->depth);
        config->mid_depth = config->depth[deepest];
    }
    return LYC_OK;
}

/* The additional embedding is made of both fields, or there is none. */
static lyc_status check_addition(const lyc_unet_config *config, const json_t *json, lyc_error *err)
{
    const bool asked = json_is_string(json_object_get(json, "addition_embed_type"));
    if (asked && (config->addition_time_dim == 0 || config->addition_input_dim == 0)) {
        return lyc_fail(err, LYC_E_FORMAT, "'addition_embed_type' is \"text_time\", but '%s' is missing",
                        config->addition_time_dim == 0 ? "addition_time_embed_dim"
                                                       : "projection_class_embeddings_input_dim");
    }
    return LYC_OK;
}

static lyc_status apply(lyc_unet_config *config, const json_t *json, const char *file, bool up, lyc_error *err)
{
    LYC_TRY(lyc_fields_read(config, fields, json, file, err));
    LYC_TRY(apply_blocks(config, json, up, err));
    LYC_TRY(apply_levels(config, json, err));
    return check_addition(config, json, err);
}

lyc_status lyc_unet_config_apply(lyc_unet_config *config, const json_t *json, const char *file, lyc_error *err)
{
    return apply(config, json, file, true, err);
}

lyc_status lyc_controlnet_config_apply(lyc_unet_config *config, const json_t *json, const char *file, lyc_error *err)
{
    LYC_TRY(apply(config, json, file, false, err));
    int given = 0;
    const char *name = "conditioning_embedding_out_channels";
    LYC_TRY(lyc_field_ints(config->hint_channels, &given, json, name, 1, MAX_CHANNELS, err));
    if (given < 0) {
        return lyc_json_complain(name, json_object_get(json, name), "a list", err);
    }
    config->hint_level_count = given > 0 ? given : config->hint_level_count;
    return LYC_OK;
}

static lyc_status check_heads(int channels, int heads, const char *layer, lyc_error *err)
{
    if (heads < 1 || channels % heads != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has %d channels, which %d attention heads do not divide", layer,
                        channels, heads);
    }
    return LYC_OK;
}

lyc_status lyc_unet_config_check(const lyc_unet_config *config, lyc_error *err)
{
    char layer[64];
    for (int i = 0; i < config->level_count; i++) {
        if (config->attention_down[i] || config->attention_up[i]) {
            const bool down = config->attention_down[i];
            snprintf(layer, sizeof layer, "%s.%d.attentions.0", down ? "down_blocks" : "up_blocks",
                     down ? i : config->level_count - 1 - i);
            LYC_TRY(check_heads(config->channels[i], config->heads[i], layer, err));
        }
    }
    return check_heads(config->channels[config->level_count - 1], config->mid_heads, "mid_block.attentions.0", err);
}
