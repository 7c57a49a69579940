/* vae_config.c - config.json of AutoencoderKL
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "checkpoint/config_read.h"

enum { MAX_CHANNELS = 1 << 16, MAX_LAYERS = 32 };

#define MEMBER(name) offsetof(lyc_vae_config, name)

// clang-format off
static const lyc_field fields[] = {
    {"in_channels", LYC_FIELD_INT, MEMBER(in_channels), .min = 1, .max = MAX_CHANNELS},
    {"out_channels", LYC_FIELD_INT, MEMBER(out_channels), .min = 1, .max = MAX_CHANNELS},
    {"latent_channels", LYC_FIELD_INT, MEMBER(latent_channels), .min = 1, .max = MAX_CHANNELS},
    {"layers_per_block", LYC_FIELD_INT, MEMBER(layers), .min = 1, .max = MAX_LAYERS},
    {"norm_num_groups", LYC_FIELD_INT, MEMBER(norm_groups), .min = 1, .max = MAX_CHANNELS},
    {"scaling_factor", LYC_FIELD_FLOAT, MEMBER(scaling_factor), .min = 1e-6, .max = 1e6},
    {"shift_factor", LYC_FIELD_FLOAT, MEMBER(shift_factor), .min = -1e6, .max = 1e6},
    {"force_upcast", LYC_FIELD_BOOL, MEMBER(force_upcast)},
    {"mid_block_add_attention", LYC_FIELD_BOOL, MEMBER(mid_attention)},
    {"use_quant_conv", LYC_FIELD_BOOL, MEMBER(quant_conv)},
    {"use_post_quant_conv", LYC_FIELD_BOOL, MEMBER(post_quant_conv)},
    {"sample_size", LYC_FIELD_INT, MEMBER(sample_size), .min = 1, .max = 1 << 20},

    {"block_out_channels", LYC_FIELD_ELSEWHERE},
    {"down_block_types", LYC_FIELD_ELSEWHERE},
    {"up_block_types", LYC_FIELD_ELSEWHERE},

    {"act_fn", LYC_FIELD_ONLY_TEXT, .text = "silu"},
    {"latents_mean", LYC_FIELD_ONLY_NULL},
    {"latents_std", LYC_FIELD_ONLY_NULL},

    {"_class_name", LYC_FIELD_IGNORED},
    {"_diffusers_version", LYC_FIELD_IGNORED},
    {"_name_or_path", LYC_FIELD_IGNORED},
    {0},
};
// clang-format on

void lyc_vae_config_default(lyc_vae_config *config)
{
    *config = (lyc_vae_config){
        .in_channels = 3,
        .out_channels = 3,
        .latent_channels = 4,
        .level_count = 1,
        .channels = {64},
        .layers = 1,
        .norm_groups = 32,
        .scaling_factor = 0.18215f, /* AutoencoderKL's default, that of SD 1.x and 2.x */
        .force_upcast = true,
        .mid_attention = true,
        .quant_conv = true,
        .post_quant_conv = true,
        .sample_size = 32,
    };
}

/* One type of block is known; what counts is that there is one for each level. */
static lyc_status check_types(const lyc_vae_config *config, const json_t *json, const char *name, const char *type,
                              lyc_error *err)
{
    const json_t *list = json_object_get(json, name);
    if (list == NULL || json_is_null(list)) {
        return LYC_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)config->level_count) {
        char expected[96];
        snprintf(expected, sizeof expected, "a list of %d types of blocks, one for each of block_out_channels",
                 config->level_count);
        return lyc_json_complain(name, list, expected, err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item) || strcmp(json_string_value(item), type) != 0) {
            char expected[96];
            snprintf(expected, sizeof expected, "\"%s\": nothing else is supported", type);
            return lyc_json_complain(name, item, expected, err);
        }
    }
    return LYC_OK;
}

lyc_status lyc_vae_config_apply(lyc_vae_config *config, const json_t *json, const char *file, lyc_error *err)
{
    int given = 0;
    LYC_TRY(lyc_fields_read(config, fields, json, file, err));
    LYC_TRY(lyc_field_ints(config->channels, &given, json, "block_out_channels", 1, MAX_CHANNELS, err));
    if (given < 0) {
        return lyc_json_complain("block_out_channels", json_object_get(json, "block_out_channels"), "a list", err);
    }
    config->level_count = given > 0 ? given : config->level_count;
    LYC_TRY(check_types(config, json, "down_block_types", "DownEncoderBlock2D", err));
    return check_types(config, json, "up_block_types", "UpDecoderBlock2D", err);
}
