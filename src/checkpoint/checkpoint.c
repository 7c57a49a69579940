/* checkpoint.c - a model on disk as a whole
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/string.h"
#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "checkpoint/family.h"

enum { UNMATCHED_NAMED = 10 };

struct lyc_checkpoint {
    lyc_arena arena;
    const char *path;
    lyc_checkpoint_options options;
    json_t *changes; /* --model-config; NULL: none */
    lyc_family family;
    bool is_folder;
    lyc_source *source; /* of a single file; NULL: a folder */
    lyc_component *components[LYC_COMPONENT_COUNT];
    lyc_scheduler_config scheduler;
    const char *tokenizers[2];
    const char **unmatched; /* [unmatched_count] */
    size_t unmatched_count;
};

/* --- parts -------------------------------------------------------------------------------------------------------- */

/* What --model-config says about a component, and asking for it. */
static lyc_component_request request_of(const lyc_checkpoint *c, lyc_component_kind kind)
{
    return (lyc_component_request){
        .kind = kind,
        .source = c->source,
        .changes = json_object_get(c->changes, lyc_component_kind_name(kind)),
        .changes_path = c->options.config,
        .for_tools = c->options.allow_missing,
    };
}

static lyc_status read_changes(lyc_checkpoint *c, lyc_error *err)
{
    static const char *const known[] = {"unet", "vae", "text_encoder", "text_encoder_2", "controlnet", "scheduler"};
    const char *path = c->options.config;
    if (path == NULL) {
        return LYC_OK;
    }
    LYC_TRY(lyc_json_load(&c->changes, path, LYC_CONFIG_MAX_BYTES, err));
    for (void *i = json_object_iter(c->changes); i != NULL; i = json_object_iter_next(c->changes, i)) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            found = found || strcmp(json_object_iter_key(i), known[k]) == 0;
        }
        if (!found || !json_is_object(json_object_iter_value(i))) {
            return lyc_fail(err, LYC_E_FORMAT,
                            "reading %s: '%s', expected objects named unet, vae, text_encoder, text_encoder_2, "
                            "controlnet or scheduler",
                            path, json_object_iter_key(i));
        }
    }
    return LYC_OK;
}

/* Files that replace or add components (--vae, --text-encoder, --controlnet). */
static lyc_status open_parts(lyc_checkpoint *c, lyc_error *err)
{
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        const char *path = c->options.parts[kind];
        if (path != NULL) {
            const lyc_component_request request = request_of(c, (lyc_component_kind)kind);
            LYC_TRY(lyc_component_open_path(&c->components[kind], &request, NULL, path, c->options.variant, err));
        }
    }
    return LYC_OK;
}

/* --- a diffusers folder ------------------------------------------------------------------------------------------- */

static const char *path_in(lyc_checkpoint *c, const char *name)
{
    return lyc_arena_format(&c->arena, "%s/%s", c->path, name);
}

static bool has(lyc_checkpoint *c, const char *name)
{
    const char *path = path_in(c, name);
    return path != NULL && lyc_path_exists(path);
}

/* Components that model_index.json names have to be there; without that file, those that are there are taken. */
static bool is_named(const json_t *index, const char *name)
{
    const json_t *entry = json_object_get(index, name);
    return json_is_string(json_array_get(entry, 1));
}

static lyc_status open_folder_component(lyc_checkpoint *c, const json_t *index, lyc_component_kind kind, lyc_error *err)
{
    const char *name = lyc_component_kind_name(kind);
    const char *path = path_in(c, name);
    if (path == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", c->path);
    }
    if (c->components[kind] != NULL || kind == LYC_COMPONENT_CONTROLNET) {
        return LYC_OK;
    }
    if (lyc_path_exists(path)) {
        const lyc_component_request request = request_of(c, kind);
        return lyc_component_open_path(&c->components[kind], &request, NULL, path, c->options.variant, err);
    }
    if (is_named(index, name) && !c->options.allow_missing) {
        return lyc_fail(err, LYC_E_IO, "%s has no folder %s, which its model_index.json names", c->path, name);
    }
    return LYC_OK;
}

static lyc_status read_scheduler(lyc_checkpoint *c, lyc_error *err)
{
    const char *path = path_in(c, "scheduler/scheduler_config.json");
    json_t *json = NULL;
    if (path == NULL || !lyc_path_exists(path)) {
        return LYC_OK;
    }
    LYC_TRY(lyc_json_load(&json, path, LYC_CONFIG_MAX_BYTES, err));
    lyc_scheduler_config_file_default(&c->scheduler, json);
    const lyc_status status = lyc_scheduler_config_apply(&c->scheduler, &c->arena, json, path, err);
    json_decref(json);
    return status == LYC_OK ? status : lyc_wrap(err, "reading %s", path);
}

static void find_tokenizers(lyc_checkpoint *c)
{
    static const char *const names[2] = {"tokenizer", "tokenizer_2"};
    for (int i = 0; i < 2; i++) {
        const char *vocabulary = lyc_arena_format(&c->arena, "%s/vocab.json", names[i]);
        if (vocabulary != NULL && has(c, vocabulary)) {
            c->tokenizers[i] = path_in(c, names[i]);
        }
    }
}

static lyc_status open_folder(lyc_checkpoint *c, lyc_error *err)
{
    json_t *index = NULL;
    if (has(c, "model_index.json")) {
        LYC_TRY(lyc_json_load(&index, path_in(c, "model_index.json"), LYC_CONFIG_MAX_BYTES, err));
    } else if (!has(c, "unet/config.json")) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is a folder without model_index.json and unet/config.json: no model",
                        c->path);
    }
    lyc_status status = lyc_family_check_class(json_string_value(json_object_get(index, "_class_name")), c->path, err);
    for (int kind = 0; status == LYC_OK && kind < LYC_COMPONENT_COUNT; kind++) {
        status = open_folder_component(c, index, (lyc_component_kind)kind, err);
    }
    json_decref(index);
    LYC_TRY(status);
    LYC_TRY(read_scheduler(c, err));
    find_tokenizers(c);
    return LYC_OK;
}

/* --- a single file ------------------------------------------------------------------------------------------------ */

/* What a single file says about its objective: sai_model_spec's metadata, or tensors of these names, which models of
 * SDXL with v-prediction carry as marks. */
static void read_marks(lyc_checkpoint *c)
{
    const lyc_safetensors *file = lyc_source_file_at(c->source, 0)->tensors;
    const char *told = lyc_safetensors_metadata(file, "modelspec.prediction_type");
    const bool v_mark = lyc_source_has(c->source, "v_pred");
    if (v_mark || (told != NULL && (strcmp(told, "v") == 0 || strcmp(told, "epsilon") == 0))) {
        const bool is_v = v_mark || strcmp(told, "v") == 0;
        c->scheduler.prediction = is_v ? LYC_PREDICTION_V : LYC_PREDICTION_EPSILON;
        c->scheduler.prediction_told = true;
    }
    c->scheduler.rescale_zero_snr = lyc_source_has(c->source, "ztsnr");
    lyc_source_use(c->source, "v_pred");
    lyc_source_use(c->source, "ztsnr");
}

static lyc_status open_single_file(lyc_checkpoint *c, lyc_error *err)
{
    LYC_TRY(lyc_source_open(&c->source, c->path, err));
    const lyc_family family = lyc_family_of_source(c->source);
    LYC_TRY(lyc_family_check(family, c->path, err));
    if (lyc_layout_find(c->source, LYC_COMPONENT_UNET) == NULL && !c->options.allow_missing) {
        const char *content = lyc_source_content(c->source);
        return lyc_fail(err, LYC_E_FORMAT, "%s holds %s%s, expected a model with a U-Net", c->path,
                        content != NULL ? "a " : "", content != NULL ? content : "no network that is known");
    }
    for (int kind = 0; kind < LYC_COMPONENT_CONTROLNET; kind++) {
        const lyc_layout *layout = lyc_layout_find(c->source, (lyc_component_kind)kind);
        /* A text tower without a prefix may be the first or the second: alone it is the first. */
        const bool ambiguous = kind == LYC_COMPONENT_TEXT_ENCODER_2 && layout != NULL && layout->prefix[0] == '\0';
        if (layout != NULL && c->components[kind] == NULL && !ambiguous) {
            const lyc_component_request request = request_of(c, (lyc_component_kind)kind);
            LYC_TRY(lyc_component_make(&c->components[kind], &request, err));
        }
    }
    read_marks(c);
    return LYC_OK;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static lyc_status list_unmatched(lyc_checkpoint *c, lyc_error *err)
{
    const lyc_source *sources[LYC_COMPONENT_COUNT + 1];
    size_t source_count = 0;
    if (c->source != NULL) {
        LYC_TRY(lyc_source_list_unmatched(c->source, "", err));
        sources[source_count++] = c->source;
    }
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        if (c->components[kind] != NULL && c->components[kind]->owns_source) {
            sources[source_count++] = c->components[kind]->source;
        }
    }
    for (size_t i = 0; i < source_count; i++) {
        c->unmatched_count += lyc_source_unmatched_count(sources[i]);
    }
    c->unmatched = lyc_arena_alloc(&c->arena, c->unmatched_count + 1, sizeof *c->unmatched);
    if (c->unmatched == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a list of %zu keys", c->unmatched_count);
    }
    size_t count = 0;
    for (size_t i = 0; i < source_count; i++) {
        for (size_t k = 0; k < lyc_source_unmatched_count(sources[i]); k++) {
            c->unmatched[count++] = lyc_source_unmatched(sources[i], k);
        }
    }
    return LYC_OK;
}

/* One notice: how many, and the first of them. */
static void tell_unmatched(const lyc_checkpoint *c)
{
    lyc_strbuf text = {0};
    for (size_t i = 0; i < c->unmatched_count && i < UNMATCHED_NAMED; i++) {
        lyc_strbuf_format(&text, "%s%s", i > 0 ? ", " : "", c->unmatched[i]);
    }
    if (c->unmatched_count > 0) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "%s: %zu tensors are not known and ignored: %s%s", c->path,
                      c->unmatched_count, lyc_strbuf_text(&text), c->unmatched_count > UNMATCHED_NAMED ? ", ..." : "");
    }
    lyc_strbuf_clear(&text);
}

/* One warning for each component that has a weight that is no number. */
static void tell_nonfinite(const lyc_checkpoint *c)
{
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        lyc_weight_view view;
        if (c->components[kind] != NULL && lyc_component_find_nonfinite(&view, c->components[kind])) {
            lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "%s: '%s' has numbers that are not finite", view.file, view.key);
        }
    }
}

static lyc_status apply_scheduler_changes(lyc_checkpoint *c, lyc_error *err)
{
    const json_t *changes = json_object_get(c->changes, "scheduler");
    if (changes != NULL &&
        lyc_scheduler_config_apply(&c->scheduler, &c->arena, changes, c->options.config, err) != LYC_OK) {
        return lyc_wrap(err, "reading %s", c->options.config);
    }
    return LYC_OK;
}

static lyc_status open_all(lyc_checkpoint *c, lyc_error *err)
{
    LYC_TRY(read_changes(c, err));
    LYC_TRY(open_parts(c, err));
    lyc_scheduler_config_default(&c->scheduler);
    const char *as_folder = path_in(c, ".");
    if (as_folder == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", c->path);
    }
    c->is_folder = lyc_path_exists(as_folder);
    LYC_TRY(c->is_folder ? open_folder(c, err) : open_single_file(c, err));
    LYC_TRY(apply_scheduler_changes(c, err));
    LYC_TRY(lyc_family_settle(&c->family, c->components, c->path, c->options.allow_missing, err));
    LYC_TRY(list_unmatched(c, err));
    tell_unmatched(c);
    if (c->options.check_finite) {
        tell_nonfinite(c);
    }
    return LYC_OK;
}

lyc_status lyc_checkpoint_open(lyc_checkpoint **out, const char *path, const lyc_checkpoint_options *options,
                               lyc_error *err)
{
    lyc_error own;
    err = err != NULL ? err : &own;
    lyc_checkpoint *c = lyc_alloc_zero(1, sizeof *c);
    if (c == NULL || (c->path = lyc_arena_text(&c->arena, path)) == NULL) {
        lyc_checkpoint_close(c);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    c->options = options != NULL ? *options : (lyc_checkpoint_options){0};
    const lyc_status status = open_all(c, err);
    json_decref(c->changes);
    c->changes = NULL;
    c->options = (lyc_checkpoint_options){0}; /* its texts are the caller's */
    if (status != LYC_OK) {
        lyc_checkpoint_close(c);
        return status;
    }
    *out = c;
    return LYC_OK;
}

void lyc_checkpoint_close(lyc_checkpoint *c)
{
    if (c == NULL) {
        return;
    }
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        lyc_component_close(c->components[kind]);
    }
    lyc_source_close(c->source);
    lyc_arena_clear(&c->arena);
    lyc_free(c);
}

lyc_family lyc_checkpoint_family(const lyc_checkpoint *c)
{
    return c->family;
}

const lyc_component *lyc_checkpoint_component(const lyc_checkpoint *c, lyc_component_kind kind)
{
    assert((unsigned)kind < LYC_COMPONENT_COUNT);
    return c->components[kind];
}

const lyc_scheduler_config *lyc_checkpoint_scheduler(const lyc_checkpoint *c)
{
    return &c->scheduler;
}

const char *lyc_checkpoint_tokenizer(const lyc_checkpoint *c, int index)
{
    assert(index == 0 || index == 1);
    return c->tokenizers[index];
}

size_t lyc_checkpoint_unmatched_count(const lyc_checkpoint *c)
{
    return c->unmatched_count;
}

const char *lyc_checkpoint_unmatched(const lyc_checkpoint *c, size_t index)
{
    assert(index < c->unmatched_count);
    return c->unmatched[index];
}

lyc_status lyc_checkpoint_check(const lyc_checkpoint *c, lyc_error *err)
{
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        if (c->components[kind] != NULL) {
            LYC_TRY(lyc_component_check(c->components[kind], err));
        }
    }
    return LYC_OK;
}

void lyc_checkpoint_release_pages(const lyc_checkpoint *c)
{
    for (int kind = 0; kind < LYC_COMPONENT_COUNT; kind++) {
        if (c->components[kind] != NULL) {
            lyc_component_release_pages(c->components[kind]);
        }
    }
}
