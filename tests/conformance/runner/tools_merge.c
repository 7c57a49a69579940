/* tools_merge.c - several adapter files in one, as sd-scripts' merge_lora.py and svd_merge_lora.py make them
 *
 *     "inputs": files, "ratios": their strengths, "options": {"concat": true}; "file" with the tensors and "metadata",
 *     or "new_rank", "new_conv_rank" and "layers"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <unistd.h>

#include "kind.h"
#include "lycoris/merge_adapters.h"
#include "tools_layers.h"

enum { MOST = 8 };

/* What a user has to ask for to get what the tools make. */
static lyc_merge_adapters_options options_of(const lyc_case *c)
{
    const bool concat = json_is_true(json_object_get(json_object_get(c->json, "options"), "concat"));
    if (!lyc_case_has(c, "new_rank")) {
        return (lyc_merge_adapters_options){.method = concat ? LYC_MERGE_CONCAT : LYC_MERGE_SUM,
                                            .sd_scripts = true,
                                            .dtype = LYC_F32,
                                            .strict = true,
                                            .force = true};
    }
    return (lyc_merge_adapters_options){
        .method = LYC_MERGE_SVD,
        .rank = json_integer_value(json_object_get(c->json, "new_rank")),
        .conv_rank = json_integer_value(json_object_get(c->json, "new_conv_rank")),
        .clamp_quantile = 0.99,
        .dtype = LYC_F32,
        .strict = true,
        .force = true,
    };
}

static void compare_metadata(lyc_result *result, const lyc_case *c, const lyc_safetensors *got)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(c->json, "metadata"), key, value)
    {
        const char *have = lyc_safetensors_metadata(got, key);
        if (have == NULL || strcmp(have, json_string_value(value)) != 0) {
            lyc_result_complain(result, "%s is %s, expected %s", key, have != NULL ? have : "not there",
                                json_string_value(value));
        }
    }
}

static lyc_status compare_file(lyc_result *result, lyc_case *c, const char *path, lyc_error *err)
{
    lyc_safetensors *got = NULL;
    const lyc_safetensors *want;
    const lyc_tolerance tolerance = {c->absolute_tolerance, c->relative_tolerance};
    LYC_TRY(lyc_case_open(&want, c, err));
    LYC_TRY(lyc_safetensors_open(&got, path, NULL, err));
    if (lyc_safetensors_count(got) != lyc_safetensors_count(want)) {
        lyc_result_complain(result, "%zu tensors, expected %zu", lyc_safetensors_count(got),
                            lyc_safetensors_count(want));
    }
    for (size_t i = 0; i < lyc_safetensors_count(want); i++) {
        const lyc_tensor_view expected = lyc_safetensors_tensor(want, i);
        lyc_tensor_view found;
        if (!lyc_safetensors_find(&found, got, expected.name) || found.shape.rank != expected.shape.rank ||
            memcmp(found.shape.dims, expected.shape.dims, (size_t)found.shape.rank * sizeof *found.shape.dims) != 0) {
            lyc_result_complain(result, "%s is not there, or has another shape", expected.name);
            continue;
        }
        lyc_compare_values(result, expected.name, &expected.shape, (lyc_values){found.data, found.dtype},
                           (lyc_values){expected.data, expected.dtype}, tolerance);
    }
    compare_metadata(result, c, got);
    lyc_safetensors_close(got);
    return LYC_OK;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "inputs") && lyc_case_has(c, "ratios") && !lyc_case_has(c, "base");
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char paths[MOST][1024], out[256];
    lyc_merge_input inputs[MOST];
    lyc_adapter_merge *merge = NULL;
    const json_t *files = json_object_get(c->json, "inputs"), *ratios = json_object_get(c->json, "ratios");
    const size_t count = json_array_size(files);
    const lyc_merge_adapters_options options = options_of(c);
    if (count == 0 || count > MOST || json_array_size(ratios) != count) {
        return lyc_fail(err, LYC_E_FORMAT, "%zu inputs with %zu ratios", count, json_array_size(ratios));
    }
    for (size_t i = 0; i < count; i++) {
        const double ratio = json_number_value(json_array_get(ratios, i));
        LYC_TRY(lyc_case_path(paths[i], sizeof paths[i], c, json_string_value(json_array_get(files, i)), err));
        inputs[i] = (lyc_merge_input){.path = paths[i], .unet = ratio, .text = ratio};
    }
    lyc_tools_scratch(out);
    LYC_TRY(lyc_merge_adapters(&merge, out, inputs, count, &options, NULL, err));
    const lyc_status status =
        lyc_case_has(c, "layers") ? lyc_tools_compare_layers(result, c, out, err) : compare_file(result, c, out, err);
    lyc_adapter_merge_free(merge);
    unlink(out);
    return status;
}

const lyc_kind lyc_kind_tools_merge = {.name = "tools_merge", .recognise = recognise, .run = run};
