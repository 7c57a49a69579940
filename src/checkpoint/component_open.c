/* component_open.c - a component from a path: a file, an index of shards, or a folder of diffusers
 *
 *     <folder>/config.json
 *     <folder>/diffusion_pytorch_model[.<variant>].safetensors          text encoders: model[.<variant>].safetensors
 *     <folder>/diffusion_pytorch_model.safetensors.index[.<variant>].json
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/path.h"
#include "base/string.h"
#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"

/* The name of the files of a component without ending. */
static const char *stem_of(lyc_component_kind kind)
{
    const bool is_text = kind == LYC_COMPONENT_TEXT_ENCODER || kind == LYC_COMPONENT_TEXT_ENCODER_2;
    return is_text ? "model" : "diffusion_pytorch_model";
}

/* The file or index of a variant ("" is the plain one) in a folder; NULL: neither is there. */
static const char *find_variant(lyc_arena *arena, const char *folder, const char *stem, const char *variant)
{
    const char *dot = variant[0] != '\0' ? "." : "";
    const char *forms[] = {
        lyc_arena_format(arena, "%s/%s%s%s.safetensors", folder, stem, dot, variant),
        lyc_arena_format(arena, "%s/%s.safetensors.index%s%s.json", folder, stem, dot, variant),
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i] != NULL && lyc_path_exists(forms[i])) {
            return forms[i];
        }
    }
    return NULL;
}

/* A folder without safetensors: perhaps it has pickles. */
static lyc_status fail_no_file(const char *folder, const char *stem, const char *variant, lyc_arena *arena,
                               lyc_error *err)
{
    static const char *const pickles[] = {"diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin",
                                          "pytorch_model.bin", "pytorch_model.fp16.bin"};
    for (size_t i = 0; i < sizeof pickles / sizeof pickles[0]; i++) {
        const char *path = lyc_arena_format(arena, "%s/%s", folder, pickles[i]);
        if (path != NULL && lyc_path_exists(path)) {
            return lyc_pickle_refuse(path, err);
        }
    }
    const char *dot = variant != NULL ? "." : "";
    return lyc_fail(err, LYC_E_IO, "%s has no %s%s%s.safetensors and no index of shards", folder, stem, dot,
                    variant != NULL ? variant : "");
}

/* The tensors of a folder: of the variant asked for; else the plain ones, else fp16. */
static lyc_status find_tensors(const char **path, lyc_arena *arena, const char *folder, lyc_component_kind kind,
                               const char *variant, lyc_error *err)
{
    const char *stem = stem_of(kind);
    if (variant != NULL) {
        LYC_TRY(lyc_path_check_name(lyc_span_of(variant), err));
    }
    *path = find_variant(arena, folder, stem, variant != NULL ? variant : "");
    if (*path == NULL && variant == NULL) {
        *path = find_variant(arena, folder, stem, "fp16");
    }
    return *path != NULL ? LYC_OK : fail_no_file(folder, stem, variant, arena, err);
}

/* What a path stands for: the file with the tensors, and the configuration, which may stay NULL. */
static lyc_status resolve(const char **tensors, const char **config, lyc_arena *arena, lyc_component_kind kind,
                          const char *path, const char *variant, lyc_error *err)
{
    const char *as_folder = lyc_arena_format(arena, "%s/.", path);
    if (as_folder == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    if (!lyc_path_exists(as_folder)) {
        *tensors = path;
        return LYC_OK;
    }
    LYC_TRY(find_tensors(tensors, arena, path, kind, variant, err));
    if (*config == NULL) {
        *config = lyc_arena_format(arena, "%s/config.json", path);
        if (*config == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
        }
    }
    return LYC_OK;
}

static lyc_status open_files(lyc_component **out, const lyc_component_request *request, const char *config,
                             const char *tensors, lyc_error *err)
{
    lyc_component_request r = *request;
    json_t *json = NULL;
    if (config != NULL) {
        LYC_TRY(lyc_json_load(&json, config, LYC_CONFIG_MAX_BYTES, err));
    }
    r.config = json;
    r.config_path = config;
    r.owns_source = true;
    lyc_status status = lyc_source_open(&r.source, tensors, err);
    if (status == LYC_OK) {
        lyc_component *c = NULL;
        status = lyc_component_make(&c, &r, err);
        if (status != LYC_OK) {
            lyc_source_close(r.source);
        } else if ((status = lyc_source_list_unmatched(r.source, c->layout->prefix, err)) != LYC_OK) {
            lyc_component_close(c);
        } else {
            *out = c;
        }
    }
    json_decref(json);
    return status;
}

lyc_status lyc_component_open_path(lyc_component **out, const lyc_component_request *request, const char *config,
                                   const char *path, const char *variant, lyc_error *err)
{
    lyc_arena arena = {0};
    const char *tensors = NULL;
    lyc_status status = resolve(&tensors, &config, &arena, request->kind, path, variant, err);
    if (status == LYC_OK) {
        status = open_files(out, request, config, tensors, err);
    }
    lyc_arena_clear(&arena);
    return status;
}

lyc_status lyc_component_open(lyc_component **out, lyc_component_kind kind, const char *config, const char *path,
                              lyc_error *err)
{
    lyc_error own;
    const lyc_component_request request = {.kind = kind};
    return lyc_component_open_path(out, &request, config, path, NULL, err != NULL ? err : &own);
}
