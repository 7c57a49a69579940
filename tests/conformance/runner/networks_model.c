/* networks_model.c - see networks_model.h
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "networks_model.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "lycoris/text.h"

#ifdef LYCORIS_WITH_DIFFUSION
#include "config/toml.h"
#endif

/* Stable Diffusion 1.5 and SDXL base, their config.json. */
static const lyc_unet_config sd15 = {
    .in_channels = 4,
    .out_channels = 4,
    .level_count = 4,
    .channels = {320, 640, 1280, 1280},
    .layers = {2, 2, 2, 2},
    .attention_down = {true, true, true, false},
    .attention_up = {true, true, true, false},
    .heads = {8, 8, 8, 8},
    .depth = {1, 1, 1, 1},
    .depth_up = {1, 1, 1, 1},
    .cross_dim = {768, 768, 768, 768},
    .mid_heads = 8,
    .mid_depth = 1,
    .mid_cross_dim = 768,
    .norm_groups = 32,
};
static const lyc_unet_config sdxl = {
    .in_channels = 4,
    .out_channels = 4,
    .level_count = 3,
    .channels = {320, 640, 1280},
    .layers = {2, 2, 2},
    .attention_down = {false, true, true},
    .attention_up = {false, true, true},
    .heads = {5, 10, 20},
    .depth = {1, 2, 10},
    .depth_up = {1, 2, 10},
    .cross_dim = {2048, 2048, 2048},
    .mid_heads = 20,
    .mid_depth = 10,
    .mid_cross_dim = 2048,
    .linear_projection = true,
    .norm_groups = 32,
    .addition_time_dim = 256,
    .addition_input_dim = 2816,
};
static const lyc_clip_text_config clip_l = {
    .vocab_size = 49408, .hidden_size = 768, .intermediate_size = 3072, .layers = 12, .heads = 12};
static const lyc_clip_text_config clip_g = {.vocab_size = 49408,
                                            .hidden_size = 1280,
                                            .intermediate_size = 5120,
                                            .layers = 32,
                                            .heads = 20,
                                            .projection_dim = 1280};

static lyc_status open_all(lyc_listed_model *out, bool is_xl, lyc_naming naming, lyc_error *err)
{
    LYC_TRY(lyc_inventory_text(&out->inventories[out->count++], "text_encoder", &clip_l, err));
    if (is_xl) {
        LYC_TRY(lyc_inventory_text(&out->inventories[out->count++], "text_encoder_2", &clip_g, err));
    }
    return lyc_inventory_unet(&out->inventories[out->count++], is_xl ? &sdxl : &sd15, naming, err);
}

lyc_status lyc_listed_model_open(lyc_listed_model *out, const char *architecture, lyc_error *err)
{
    *out = (lyc_listed_model){0};
    const bool is_xl = strncmp(architecture, "sdxl_", 5) == 0;
    const bool trainer = strstr(architecture, "_trainer_") != NULL;
    if (!is_xl && strncmp(architecture, "sd15_", 5) != 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "architecture '%s' is not known here", architecture);
    }
    const lyc_status status = open_all(out, is_xl, trainer ? LYC_NAMING_TRAINER : LYC_NAMING_DIFFUSERS, err);
    static const char *const prefixes[2][3] = {{"lora_te", "lora_unet"}, {"lora_te1", "lora_te2", "lora_unet"}};
    for (size_t i = 0; i < out->count; i++) {
        out->parts[i] = (lyc_selection_part){.inventory = &out->inventories[i], .prefix = prefixes[is_xl][i]};
    }
    if (status != LYC_OK) {
        lyc_listed_model_clear(out);
    }
    return status;
}

void lyc_listed_model_clear(lyc_listed_model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        lyc_inventory_clear(&model->inventories[i]);
    }
    *model = (lyc_listed_model){0};
}

static lyc_status open_preset(lyc_preset *out, const char *folder, const char *name, lyc_error *err)
{
    if (strstr(name, ".toml") == NULL) {
        return lyc_preset_built_in(out, name, err);
    }
#ifdef LYCORIS_WITH_DIFFUSION
    char path[1024];
    json_t *tree = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    LYC_TRY(lyc_toml_read(&tree, path, err));
    const lyc_status status = lyc_preset_parse(out, name, tree, err);
    json_decref(tree);
    return status;
#else
    (void)folder;
    return lyc_fail(err, LYC_E_UNSUPPORTED, "no TOML in this build");
#endif
}

enum { MAX_ARGUMENTS = 40, ARGUMENT = 256 };

typedef struct arguments {
    char texts[MAX_ARGUMENTS][ARGUMENT];
    const char *list[MAX_ARGUMENTS];
    size_t count;
} arguments;

static void add_argument(arguments *out, const char *key, const json_t *value)
{
    if (out->count == MAX_ARGUMENTS || value == NULL || json_is_null(value)) {
        return;
    }
    char *text = out->texts[out->count];
    if (json_is_string(value)) {
        snprintf(text, ARGUMENT, "%s=%s", key, json_string_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(text, ARGUMENT, "%s=%s", key, json_is_true(value) ? "True" : "False");
    } else if (json_is_integer(value)) {
        snprintf(text, ARGUMENT, "%s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    } else {
        char number[LYC_NUMBER];
        snprintf(text, ARGUMENT, "%s=%s", key, lyc_number_format(number, json_number_value(value)));
    }
    out->list[out->count++] = text;
}

static void take_arguments(arguments *out, const lyc_case *c)
{
    out->count = 0;
    add_argument(out, "network_dim", json_object_get(c->json, "network_dim"));
    add_argument(out, "network_alpha", json_object_get(c->json, "network_alpha"));
    add_argument(out, "preset", json_object_get(c->json, "preset"));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(c->json, "network_args"), key, value)
    {
        add_argument(out, key, value);
    }
}

static lyc_status choose(lyc_selection *out, const lyc_case *c, const lyc_selection_part *parts, size_t part_count,
                         const arguments *texts, lyc_error *err)
{
    lyc_network_args args = {0};
    lyc_preset preset = {0};
    lyc_status status = lyc_network_args_parse(&args, texts->list, texts->count, err);
    status = status != LYC_OK ? status : open_preset(&preset, c->folder, args.preset, err);
    if (status == LYC_OK) {
        const lyc_selection_options options = {.strict_names = true};
        status = lyc_selection_make(out, parts, part_count, &preset, &args, &options, err);
    }
    lyc_preset_clear(&preset);
    lyc_network_args_clear(&args);
    return status;
}

lyc_status lyc_networks_select(lyc_selection *out, const lyc_case *c, const lyc_selection_part *parts,
                               size_t part_count, lyc_error *err)
{
    arguments *texts = lyc_alloc(sizeof *texts);
    if (texts == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the arguments");
    }
    take_arguments(texts, c);
    const lyc_status status = choose(out, c, parts, part_count, texts, err);
    lyc_free(texts);
    return status;
}

lyc_status lyc_selection_parameters(int64_t *unet, int64_t *text, const lyc_selection *selection, lyc_error *err)
{
    *unet = *text = 0;
    for (size_t i = 0; i < selection->count; i++) {
        const lyc_selected_layer *layer = &selection->layers[i];
        lyc_adapter *a = NULL;
        LYC_TRY(lyc_adapter_new(&a, layer->algorithm, layer->key, &layer->entry->target, layer->settings, layer->count,
                                err));
        *(strcmp(layer->inventory->component, "unet") == 0 ? unet : text) += lyc_adapter_parameter_count(a);
        lyc_adapter_free(a);
    }
    return LYC_OK;
}
