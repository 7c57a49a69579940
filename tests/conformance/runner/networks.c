/* networks.c - adapters of whole models: which layers, how many parameters, files, outputs with and without
 *
 * layer_lists.json       the layers that each preset chooses of each architecture, in a list or as counts
 * parameter_counts.json  trainable parameters of configurations
 * cases.json             adapter files of a small model (networks_file.c)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "kind.h"
#include "networks_file.h"
#include "networks_model.h"

static const lyc_tolerance exact = {0};

static void compare_count(lyc_result *result, const lyc_case *c, const char *name, int64_t got)
{
    const json_t *want = json_object_get(c->json, name);
    if (want != NULL) {
        lyc_compare_number(result, name, (double)got, json_number_value(want), exact);
    }
}

static void count_layers(int64_t *unet, int64_t *text, const lyc_selection *selection)
{
    *unet = *text = 0;
    for (size_t i = 0; i < selection->count; i++) {
        ++*(strcmp(selection->layers[i].inventory->component, "unet") == 0 ? unet : text);
    }
}

/* Name, class, weight and bias of each layer, in order. */
static void compare_row(lyc_result *result, const lyc_selected_layer *layer, const json_t *row)
{
    const char *name = json_string_value(json_array_get(row, 0));
    const char *class_name = json_string_value(json_array_get(row, 1));
    const json_t *shape = json_array_get(row, 2);
    const lyc_adapter_target *target = &layer->entry->target;
    if (name == NULL || strcmp(name, layer->key) != 0) {
        lyc_result_complain(result, "layer %s, expected %s", layer->key, name != NULL ? name : "a name");
        return;
    }
    if (class_name == NULL || strcmp(class_name, layer->entry->class_name) != 0) {
        lyc_result_complain(result, "%s is of class %s, expected %s", name, layer->entry->class_name, class_name);
        return;
    }
    lyc_compare_number(result, name, target->weight.rank, (double)json_array_size(shape), exact);
    for (int i = 0; i < target->weight.rank; i++) {
        lyc_compare_number(result, name, (double)target->weight.dims[i],
                           json_number_value(json_array_get(shape, (size_t)i)), exact);
    }
    lyc_compare_number(result, name, target->has_bias, json_is_true(json_array_get(row, 3)), exact);
}

static lyc_status compare_list(lyc_result *result, const lyc_case *c, const lyc_selection *selection, lyc_error *err)
{
    char path[4096];
    const char *file = lyc_case_text(c, "list_file");
    if (file == NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_case_path(path, sizeof path, c, file, err));
    json_error_t error;
    json_t *document = json_load_file(path, 0, &error);
    if (document == NULL) {
        return lyc_fail(err, LYC_E_IO, "%s: %s", path, error.text);
    }
    const json_t *rows = json_object_get(document, "rows");
    lyc_compare_number(result, "rows", (double)selection->count, (double)json_array_size(rows), exact);
    for (size_t i = 0; i < selection->count && i < json_array_size(rows); i++) {
        compare_row(result, &selection->layers[i], json_array_get(rows, i));
    }
    json_decref(document);
    return LYC_OK;
}

static lyc_status compare_selection(lyc_result *result, const lyc_case *c, const lyc_selection *selection,
                                    lyc_error *err)
{
    int64_t unet, text;
    count_layers(&unet, &text, selection);
    compare_count(result, c, "layers", unet + text);
    compare_count(result, c, "unet_layers", unet);
    compare_count(result, c, "text_encoder_layers", text);
    LYC_TRY(lyc_selection_parameters(&unet, &text, selection, err));
    compare_count(result, c, "parameters_lora_dim4", unet + text);
    compare_count(result, c, "unet_parameters", unet);
    compare_count(result, c, "text_encoder_parameters", text);
    compare_count(result, c, "total_parameters", unet + text);
    return compare_list(result, c, selection, err);
}

/* "SD 1.5, trainer U-Net", of the document, or of the case. */
static const char *architecture_of(const lyc_case *c)
{
    const char *own = lyc_case_text(c, "architecture");
    if (own != NULL) {
        return own;
    }
    const char *text = json_string_value(json_object_get(c->document, "architecture"));
    const bool is_xl = text != NULL && strstr(text, "XL") != NULL;
    const bool diffusers = text != NULL && strstr(text, "diffusers") != NULL;
    static const char *const names[2][2] = {{"sd15_trainer_unet", "sd15_diffusers_unet"},
                                            {"sdxl_trainer_unet", "sdxl_diffusers_unet"}};
    return names[is_xl][diffusers];
}

static lyc_status run_selection(lyc_result *result, const lyc_case *c, lyc_error *err)
{
    lyc_listed_model model;
    lyc_selection selection = {0};
    LYC_TRY(lyc_listed_model_open(&model, architecture_of(c), err));
    lyc_status status = lyc_networks_select(&selection, c, model.parts, model.count, err);
    if (status == LYC_OK) {
        status = compare_selection(result, c, &selection, err);
    }
    lyc_selection_clear(&selection);
    lyc_listed_model_clear(&model);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    return lyc_case_has(c, "file") ? lyc_networks_file_run(result, c, err) : run_selection(result, c, err);
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "network_args") ||
           (lyc_case_has(c, "architecture") && lyc_case_has(c, "parameters_lora_dim4"));
}

const lyc_kind lyc_kind_networks = {.name = "networks", .folder = "networks", .recognise = recognise, .run = run};
