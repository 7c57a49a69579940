/* checkpoint_ldm_layout.c - a single file against the diffusers folder with the same weights
 *
 *     "file": tensors under the names of the original code; "folder": the diffusers folder beside cases.json
 *
 * Every component that the file has must give the folder's tensors, bit for bit. Beside that, where they are there:
 *   - layout_map_sd15.json: pairs of names for the components of the folder, which the tables must give both ways;
 *   - ../networks/base_network.safetensors: a whole U-Net and text encoder, of which no key may be left over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/component_make.h"
#include "kind.h"

enum { FIRST = LYC_COMPONENT_UNET, LAST = LYC_COMPONENT_TEXT_ENCODER };

static const char *const prefixes[] = {"model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."};

/* --- weights ------------------------------------------------------------------------------------------------------ */

static void compare_component(lyc_result *result, const lyc_component *got, const lyc_component *want)
{
    if (lyc_component_count(got) != lyc_component_count(want)) {
        lyc_result_complain(result, "%zu tensors, expected %zu", lyc_component_count(got), lyc_component_count(want));
    }
    for (size_t i = 0; i < lyc_component_count(want); i++) {
        const lyc_weight_view w = lyc_component_at(want, i);
        lyc_weight_view g;
        if (!lyc_component_find(&g, got, w.name)) {
            lyc_result_complain(result, "no tensor %s", w.name);
        } else if (g.dtype != w.dtype || g.size_bytes != w.size_bytes || g.transposed) {
            lyc_result_complain(result, "%s has %zu bytes, expected %zu", w.name, g.size_bytes, w.size_bytes);
        } else {
            lyc_compare_bits(result, w.name, &w.shape, g.data, w.data, w.dtype);
        }
    }
    if (lyc_component_unmatched_count(got) > 0) {
        lyc_result_complain(result, "key %s matched nothing", lyc_component_unmatched(got, 0));
    }
}

/* --- names -------------------------------------------------------------------------------------------------------- */

typedef struct name_check {
    lyc_result *result;
    const json_t *pairs; /* [name, key] */
    size_t count;
} name_check;

/* lyc_tensor_visit: each key that the tables make is one of the pairs. */
static lyc_status find_key(void *context, const char *key, const lyc_shape *shape, lyc_error *err)
{
    name_check *check = context;
    size_t i;
    const json_t *pair;
    (void)shape;
    (void)err;
    check->count++;
    json_array_foreach(check->pairs, i, pair)
    {
        if (strcmp(json_string_value(json_array_get(pair, 1)), key) == 0) {
            return LYC_OK;
        }
    }
    lyc_result_complain(check->result, "the key %s is not in the map", key);
    return LYC_OK;
}

static lyc_status compare_names(lyc_result *result, const lyc_component *c, const json_t *pairs, lyc_error *err)
{
    const lyc_layout *layout = lyc_layout_of_prefix(c->kind, prefixes[c->kind]);
    size_t i;
    const json_t *pair;
    json_array_foreach(pairs, i, pair)
    {
        lyc_key key;
        lyc_weight_view view;
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *want = json_string_value(json_array_get(pair, 1));
        if (name == NULL || want == NULL) {
            return lyc_fail(err, LYC_E_FORMAT, "the map of names has something else than pairs of texts");
        }
        if (!lyc_layout_key(&key, layout, &c->config, name) || strcmp(key.text, want) != 0) {
            lyc_result_complain(result, "%s is %s, expected %s", name, key.text, want);
        } else if (!lyc_component_find(&view, c, name)) {
            lyc_result_complain(result, "%s of the map is no tensor of the folder", name);
        } else {
            lyc_result_count(result);
        }
    }
    name_check check = {result, pairs, 0};
    LYC_TRY(lyc_layout_tensors(layout, &c->config, find_key, &check, err));
    if (check.count != json_array_size(pairs)) {
        lyc_result_complain(result, "%zu keys, but the map has %zu", check.count, json_array_size(pairs));
    }
    return LYC_OK;
}

static lyc_status compare_map(lyc_result *result, lyc_case *c, const lyc_checkpoint *folder, lyc_error *err)
{
    char path[1024];
    LYC_TRY(lyc_case_path(path, sizeof path, c, "layout_map_sd15.json", err));
    json_t *map = json_load_file(path, 0, NULL);
    lyc_status status = LYC_OK;
    for (int kind = FIRST; map != NULL && status == LYC_OK && kind <= LAST; kind++) {
        const lyc_component *component = lyc_checkpoint_component(folder, (lyc_component_kind)kind);
        const json_t *pairs = json_object_get(map, lyc_component_kind_name((lyc_component_kind)kind));
        if (component != NULL && pairs != NULL) {
            status = compare_names(result, component, pairs, err);
        }
    }
    json_decref(map);
    return status;
}

/* --- a whole file ------------------------------------------------------------------------------------------------- */

static lyc_status check_whole_file(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[1024];
    const lyc_checkpoint_options options = {.allow_missing = true};
    lyc_checkpoint *file = NULL;
    LYC_TRY(lyc_case_path(path, sizeof path, c, "../networks/base_network.safetensors", err));
    if (!lyc_path_exists(path)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_checkpoint_open(&file, path, &options, err));
    if (lyc_checkpoint_unmatched_count(file) > 0) {
        lyc_result_complain(result, "key %s of base_network.safetensors matched nothing",
                            lyc_checkpoint_unmatched(file, 0));
    }
    if (lyc_checkpoint_component(file, LYC_COMPONENT_UNET) == NULL ||
        lyc_checkpoint_component(file, LYC_COMPONENT_TEXT_ENCODER) == NULL) {
        lyc_result_complain(result, "base_network.safetensors lacks its U-Net or its text encoder");
    }
    lyc_result_count(result);
    lyc_checkpoint_close(file);
    return LYC_OK;
}

/* --- the case ----------------------------------------------------------------------------------------------------- */

static lyc_status compare_all(lyc_result *result, lyc_case *c, const lyc_checkpoint *folder, lyc_error *err)
{
    char path[1024];
    lyc_source *source = NULL;
    LYC_TRY(lyc_case_path(path, sizeof path, c, lyc_case_text(c, "file"), err));
    for (int kind = FIRST; kind <= LAST; kind++) {
        const lyc_component *want = lyc_checkpoint_component(folder, (lyc_component_kind)kind);
        lyc_component *got = NULL;
        LYC_TRY(lyc_source_open(&source, path, err));
        const bool there = lyc_layout_find(source, (lyc_component_kind)kind) != NULL;
        lyc_source_close(source);
        if (there && want != NULL) {
            LYC_TRY(lyc_component_open(&got, (lyc_component_kind)kind, NULL, path, err));
            compare_component(result, got, want);
            lyc_component_close(got);
        }
    }
    LYC_TRY(compare_map(result, c, folder, err));
    return check_whole_file(result, c, err);
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[1024];
    const char *name = lyc_case_text(c, "folder");
    lyc_checkpoint *folder = NULL;
    if (name == NULL || lyc_case_text(c, "file") == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no 'folder' or no 'file'");
    }
    LYC_TRY(lyc_case_path(path, sizeof path, c, name, err));
    LYC_TRY(lyc_checkpoint_open(&folder, path, NULL, err));
    const lyc_status status = compare_all(result, c, folder, err);
    lyc_checkpoint_close(folder);
    return status;
}

static bool recognise(lyc_case *c)
{
    (void)c;
    return false; /* such cases say what kind they are */
}

const lyc_kind lyc_kind_checkpoint_ldm_layout = {
    .name = "checkpoint_ldm_layout",
    .recognise = recognise,
    .run = run,
};
