/* adapters.c - the adapters that a pipeline has opened, and those that a request uses
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/adapters.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "tensor/sha256.h"
#include "text/prompt.h"

enum { FOLDER_DEPTH = 8, CHUNK = 8 << 20 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the adapters of a pipeline");
}

/* --- the network ---------------------------------------------------------------------------------------------------
 */

static lyc_status add_part(lyc_pipeline_adapters *a, const lyc_component *component, lyc_error *err)
{
    const lyc_component_kind kind = lyc_component_kind_of(component);
    lyc_inventory *inventory = &a->inventories[a->part_count];
    LYC_TRY(
        kind == LYC_COMPONENT_UNET
            ? lyc_inventory_unet(inventory, lyc_component_unet(component), LYC_NAMING_TRAINER, err)
            : lyc_inventory_text(inventory, lyc_component_kind_name(kind), lyc_component_clip_text(component), err));
    a->parts[a->part_count++] = (lyc_network_part){inventory, component};
    return LYC_OK;
}

lyc_status lyc_pipeline_adapters_init(lyc_pipeline_adapters *out, const lyc_checkpoint *checkpoint, lyc_error *err)
{
    static const lyc_component_kind kinds[] = {LYC_COMPONENT_TEXT_ENCODER, LYC_COMPONENT_TEXT_ENCODER_2,
                                               LYC_COMPONENT_UNET};
    out->family = lyc_family_name(lyc_checkpoint_family(checkpoint));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const lyc_component *component = lyc_checkpoint_component(checkpoint, kinds[i]);
        if (component != NULL) {
            LYC_TRY(add_part(out, component, err));
        }
    }
    return lyc_network_new(&out->network, LYC_NETWORK_FIXED, err);
}

void lyc_pipeline_adapters_clear(lyc_pipeline_adapters *a)
{
    for (size_t i = 0; i < a->count; i++) {
        lyc_free(a->opened[i].path);
        lyc_free(a->opened[i].name);
    }
    lyc_free(a->opened);
    lyc_network_free(a->network);
    for (size_t i = 0; i < a->part_count; i++) {
        lyc_inventory_clear(&a->inventories[i]);
    }
    *a = (lyc_pipeline_adapters){0};
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

/* The file's own hash of its tensors, else that of all behind the header, as AUTOMATIC1111 has it. */
static lyc_status hash_of(char out[LYC_ADAPTER_HASH], const lyc_network_file *file, const char *path, lyc_error *err)
{
    const lyc_safetensors *tensors = lyc_network_file_tensors(file);
    const char *stored = lyc_safetensors_metadata(tensors, "sshs_model_hash");
    char hex[LYC_SHA256_HEX] = "";
    if (stored != NULL) {
        snprintf(hex, sizeof hex, "%s", strncmp(stored, "0x", 2) == 0 ? stored + 2 : stored);
    } else {
        lyc_file_map *map = NULL;
        lyc_sha256 hash;
        if (lyc_file_map_open(&map, path, err) != LYC_OK) { /* a folder has none */
            return LYC_OK;
        }
        const size_t size = lyc_file_map_size(map), begin = (size_t)(8 + lyc_safetensors_header_bytes(tensors));
        lyc_sha256_init(&hash);
        for (size_t at = begin < size ? begin : size; at < size; at += CHUNK) {
            lyc_sha256_update(&hash, lyc_file_map_data(map) + at, size - at < CHUNK ? size - at : CHUNK);
        }
        lyc_sha256_finish(hex, &hash);
        const lyc_status status = lyc_file_map_check(map, err);
        lyc_file_map_close(map);
        LYC_TRY(status);
    }
    memcpy(out, hex, LYC_ADAPTER_HASH - 1);
    out[LYC_ADAPTER_HASH - 1] = '\0';
    return LYC_OK;
}

/* "style" of "adapters/style.safetensors" and of a folder "adapters/style/". */
static char *stem_of(const char *path)
{
    static const char ending[] = ".safetensors";
    lyc_strbuf whole = {0}, stem = {0};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    lyc_strbuf_append_n(&whole, path, length);
    lyc_span name = lyc_path_name(lyc_strbuf_text(&whole));
    name.length -= lyc_span_ends_with(name, ending) ? strlen(ending) : 0;
    lyc_strbuf_append_n(&stem, name.text, name.length);
    lyc_strbuf_clear(&whole);
    return lyc_strbuf_take(&stem);
}

static lyc_status reserve(lyc_pipeline_adapters *a, lyc_error *err)
{
    if (a->count == LYC_NETWORK_MEMBERS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "more than %d adapters", (int)LYC_NETWORK_MEMBERS);
    }
    if (a->opened == NULL) {
        a->opened = lyc_alloc_zero(LYC_NETWORK_MEMBERS, sizeof *a->opened);
    }
    return a->opened != NULL ? LYC_OK : no_memory(err);
}

/* What of the file is not for this model: layers of other components, tensors that nobody knows. */
static lyc_status say_what_is_left(const lyc_network_file *file, const char *path, size_t used, bool strict,
                                   lyc_error *err)
{
    const size_t layers = lyc_network_file_count(file) - used;
    const size_t unknown = lyc_network_file_unmatched_count(file);
    const char *first = unknown > 0 ? lyc_network_file_unmatched(file, 0) : "";
    if (layers == 0 && unknown == 0) {
        return LYC_OK;
    }
    if (strict) {
        return lyc_fail(err, LYC_E_SHAPE,
                        "%s: %zu of %zu layers are not of this model, %zu tensors of no known layer%s%s%s", path,
                        layers, used + layers, unknown, unknown > 0 ? " ('" : "", first, unknown > 0 ? "' ...)" : "");
    }
    lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL,
                  "%s: %zu of %zu layers are not of this model, %zu tensors of no known layer%s%s%s", path, layers,
                  used + layers, unknown, unknown > 0 ? " ('" : "", first, unknown > 0 ? "' ...)" : "");
    return LYC_OK;
}

static lyc_status add(lyc_opened_adapter *out, lyc_pipeline_adapters *a, const lyc_network_file *file, const char *path,
                      bool strict, lyc_error *err)
{
    const char *family = lyc_network_file_family(file);
    if (family != NULL && strcmp(family, a->family) != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is for %s, the model is %s", path, family, a->family);
    }
    LYC_TRY(hash_of(out->hash, file, path, err));
    LYC_TRY(lyc_network_add_file(&out->member, a->network, file, a->parts, a->part_count, err));
    lyc_network_set_strength(a->network, out->member, 0, 0);
    const lyc_status status =
        say_what_is_left(file, path, lyc_network_entry_count(a->network, out->member), strict, err);
    if (status != LYC_OK) {
        lyc_network_remove(a->network, out->member);
    }
    return status;
}

lyc_status lyc_pipeline_adapters_open(size_t *index, lyc_pipeline_adapters *a, const char *path, bool strict,
                                      lyc_error *err)
{
    const lyc_network_file_options options = {.component = "unet"};
    lyc_network_file *file = NULL;
    lyc_opened_adapter opened = {0};
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(path, a->opened[i].path) == 0) {
            *index = i;
            return LYC_OK;
        }
    }
    LYC_TRY(reserve(a, err));
    LYC_TRY(lyc_network_file_open(&file, path, &options, err));
    lyc_status status = add(&opened, a, file, path, strict, err);
    lyc_network_file_close(file);
    LYC_TRY(status);
    lyc_strbuf copy = {0};
    lyc_strbuf_append(&copy, path);
    opened.path = lyc_strbuf_take(&copy);
    opened.name = stem_of(path);
    if (opened.path == NULL || opened.name == NULL) {
        lyc_network_remove(a->network, opened.member);
        lyc_free(opened.path);
        lyc_free(opened.name);
        return no_memory(err);
    }
    *index = a->count;
    a->opened[a->count++] = opened;
    return LYC_OK;
}

/* --- names in prompts ----------------------------------------------------------------------------------------------
 */

/* A search for a file or a folder of PEFT by its stem, below a folder. */
typedef struct search {
    const char *name, *folder;
    int depth;
    lyc_strbuf found;
    char nearest[256];
    int distance; /* of the nearest; 0: none yet */
} search;

static lyc_status look_in(search *s, const char *folder, int depth, lyc_error *err);

static bool is_adapter_folder(const char *path)
{
    lyc_file_id id;
    lyc_arena arena = {0};
    const char *config = lyc_path_join(&arena, path, lyc_span_of("adapter_config.json"));
    const bool is = config != NULL && lyc_file_id_of(&id, config, NULL) == LYC_OK;
    lyc_arena_clear(&arena);
    return is;
}

static lyc_status visit(void *context, const char *name, bool is_folder, lyc_error *err)
{
    search *s = context;
    lyc_arena arena = {0};
    const char *path = lyc_path_join(&arena, s->folder, lyc_span_of(name));
    lyc_status status = path != NULL ? LYC_OK : no_memory(err);
    const bool is_file = !is_folder && lyc_span_ends_with(lyc_span_of(name), ".safetensors");
    if (status == LYC_OK && s->found.length == 0 && (is_file || (is_folder && is_adapter_folder(path)))) {
        char *stem = stem_of(path);
        int distance;
        if (stem != NULL && strcmp(stem, s->name) == 0) {
            lyc_strbuf_append(&s->found, path);
        } else if (stem != NULL && lyc_text_resembles(&distance, s->name, stem) &&
                   (s->distance == 0 || distance < s->distance)) {
            snprintf(s->nearest, sizeof s->nearest, "%s", stem);
            s->distance = distance;
        }
        lyc_free(stem);
    } else if (status == LYC_OK && is_folder && s->found.length == 0) {
        status = look_in(s, path, s->depth + 1, err);
    }
    lyc_arena_clear(&arena);
    return status;
}

static lyc_status look_in(search *s, const char *folder, int depth, lyc_error *err)
{
    const char *before = s->folder;
    const int depth_before = s->depth;
    if (depth > FOLDER_DEPTH) {
        return LYC_OK;
    }
    s->folder = folder;
    s->depth = depth;
    const lyc_status status = lyc_folder_list(folder, visit, s, err);
    s->folder = before;
    s->depth = depth_before;
    return status;
}

/* The adapter of a name: one that was opened, else a file in the folder. */
static lyc_status open_named(size_t *index, lyc_pipeline_adapters *a, const char *name, const char *folder,
                             lyc_error *err)
{
    search s = {.name = name};
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(name, a->opened[i].name) == 0) {
            *index = i;
            return LYC_OK;
        }
    }
    if (folder == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the prompt names the adapter '%s', and no folder of adapters was given",
                        name);
    }
    lyc_status status = look_in(&s, folder, 1, err);
    status = status == LYC_OK ? lyc_strbuf_check(&s.found, "the name of a file", err) : status;
    if (status == LYC_OK && s.found.length > 0) {
        status = lyc_pipeline_adapters_open(index, a, s.found.text, false, err);
    } else if (status == LYC_OK) {
        status = lyc_fail(err, LYC_E_ARGUMENT,
                          "the prompt names the adapter '%s': there is no %s.safetensors in %s%s%s%s", name, name,
                          folder, s.distance > 0 ? "; did you mean '" : "", s.nearest, s.distance > 0 ? "'?" : "");
    }
    lyc_strbuf_clear(&s.found);
    return status;
}

/* --- requests ------------------------------------------------------------------------------------------------------
 */

static lyc_status check_use(const lyc_adapter_use *use, const lyc_pipeline_adapters *a, lyc_error *err)
{
    if (use->adapter >= a->count) {
        return lyc_fail(err, LYC_E_ARGUMENT, "adapter %zu, but %zu were opened", use->adapter, a->count);
    }
    if (!isfinite(use->unet) || !isfinite(use->text) || !(use->start >= 0 && use->start <= 1) ||
        !(use->end >= 0 && use->end <= 1)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "strength, start or end of the adapter %s is out of range",
                        a->opened[use->adapter].name);
    }
    return LYC_OK;
}

static lyc_status add_use(lyc_adapter_uses *out, const lyc_adapter_use *use, lyc_error *err)
{
    if (out->count == LYC_NETWORK_MEMBERS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "more than %d adapters", (int)LYC_NETWORK_MEMBERS);
    }
    for (size_t i = 0; i < out->count; i++) { /* the last word about an adapter counts */
        if (out->uses[i].adapter == use->adapter) {
            out->uses[i] = *use;
            return LYC_OK;
        }
    }
    out->uses[out->count++] = *use;
    return LYC_OK;
}

static lyc_status find_in_prompt(lyc_adapter_uses *out, lyc_pipeline_adapters *a, const lyc_generate_options *options,
                                 lyc_error *err)
{
    lyc_prompt prompt;
    LYC_TRY(lyc_prompt_parse(&prompt, lyc_span_of(options->prompt), &LYC_PROMPT_POSITIVE, err));
    lyc_status status = LYC_OK;
    for (size_t i = 0; status == LYC_OK && i < prompt.networks.count; i++) {
        const lyc_prompt_network *n = &prompt.networks.networks[i];
        lyc_adapter_use use = {.unet = n->unet, .text = n->text_encoder};
        status = open_named(&use.adapter, a, n->name, options->adapter_folder, err);
        status = status == LYC_OK ? add_use(out, &use, err) : status;
    }
    lyc_prompt_clear(&prompt);
    return status;
}

lyc_status lyc_adapter_uses_find(lyc_adapter_uses *out, lyc_pipeline_adapters *a, const lyc_generate_options *options,
                                 bool read_prompt, lyc_error *err)
{
    *out = (lyc_adapter_uses){0};
    for (size_t i = 0; i < options->adapter_count; i++) {
        LYC_TRY(check_use(&options->adapters[i], a, err));
        LYC_TRY(add_use(out, &options->adapters[i], err));
    }
    out->named = out->count;
    return read_prompt && options->prompt != NULL ? find_in_prompt(out, a, options, err) : LYC_OK;
}

void lyc_adapter_uses_apply(const lyc_adapter_uses *uses, const lyc_pipeline_adapters *a)
{
    static const double even[LYC_NETWORK_BLOCKS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < a->count; i++) {
        lyc_network_set_strength(a->network, a->opened[i].member, 0, 0);
    }
    for (size_t i = 0; i < uses->count; i++) {
        const lyc_adapter_use *use = &uses->uses[i];
        const size_t member = a->opened[use->adapter].member;
        lyc_network_set_blocks(a->network, member, use->blocks != NULL ? use->blocks : even);
        lyc_network_set_range(a->network, member, use->start, use->end > 0 ? use->end : 1);
        lyc_network_set_strength(a->network, member, use->unet, use->text);
    }
}

void lyc_adapter_uses_key(lyc_strbuf *key, const lyc_adapter_uses *uses)
{
    for (size_t i = 0; i < uses->count; i++) {
        const lyc_adapter_use *use = &uses->uses[i];
        lyc_strbuf_format(key, "%zu:%.17g:%.17g ", use->adapter, use->text, use->blocks != NULL ? use->blocks[0] : 1.0);
    }
}
