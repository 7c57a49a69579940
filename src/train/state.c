/* state.c - all that a run needs to go on
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"
#include "tensor/sha256.h"

static const char description[] = "state.json";

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the state of a run");
}

/* --- saving --------------------------------------------------------------------------------------------------------
 */

static lyc_status write_tensors(const char *path, const lyc_state_tensor *tensors, size_t count, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options options = {.force = true};
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        status = lyc_safetensors_plan_add(plan, tensors[i].name, tensors[i].view.dtype, &tensors[i].view.shape, err);
    }
    status = status != LYC_OK ? status : lyc_safetensors_writer_open(&writer, plan, path, &options, err);
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        status =
            lyc_safetensors_writer_put(writer, tensors[i].name, tensors[i].view.data, tensors[i].view.size_bytes, err);
    }
    status = status != LYC_OK ? status : lyc_safetensors_writer_commit(writer, err);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return status;
}

static lyc_status hash_file(char hex[LYC_SHA256_HEX], const char *path, lyc_error *err)
{
    lyc_file_map *map = NULL;
    lyc_sha256 hash;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    lyc_sha256_init(&hash);
    lyc_sha256_update(&hash, lyc_file_map_data(map), lyc_file_map_size(map));
    lyc_sha256_finish(hex, &hash);
    const lyc_status status = lyc_file_map_check(map, err);
    lyc_file_map_close(map);
    return status;
}

static int append(const char *text, size_t size, void *out)
{
    lyc_strbuf_append_n(out, text, size);
    return 0;
}

static lyc_status write_description(const char *path, const json_t *facts, int64_t step, const char *tensors,
                                    const char *sha256, lyc_error *err)
{
    lyc_strbuf text = {0};
    lyc_file_writer *writer = NULL;
    const lyc_file_writer_options options = {.force = true};
    json_t *all = json_copy((json_t *)facts);
    const bool made = all != NULL && json_object_set_new(all, "version", json_integer(LYC_STATE_VERSION)) == 0 &&
                      json_object_set_new(all, "step", json_integer(step)) == 0 &&
                      json_object_set_new(all, "tensors", json_string(tensors)) == 0 &&
                      json_object_set_new(all, "sha256", json_string(sha256)) == 0 &&
                      json_dump_callback(all, append, &text, JSON_INDENT(2) | JSON_SORT_KEYS) == 0;
    lyc_status status = made ? lyc_strbuf_check(&text, description, err) : no_memory(err);
    status = status != LYC_OK ? status : lyc_file_writer_open(&writer, path, &options, err);
    status = status != LYC_OK ? status : lyc_file_writer_append(writer, text.text, text.length, err);
    status = status != LYC_OK ? status : lyc_file_writer_commit(writer, err);
    lyc_file_writer_close(writer);
    json_decref(all);
    lyc_strbuf_clear(&text);
    return status;
}

/* Tensors of states before, and what a killed process left. */
typedef struct cleaning {
    const char *folder, *kept;
} cleaning;

static lyc_status clean(void *context, const char *name, bool is_folder, lyc_error *err)
{
    const cleaning *c = context;
    lyc_arena arena = {0};
    if (is_folder || strncmp(name, "state-", 6) != 0 || strcmp(name, c->kept) == 0) {
        return LYC_OK;
    }
    const char *path = lyc_path_join(&arena, c->folder, lyc_span_of(name));
    const lyc_status status = path != NULL ? lyc_file_remove(path, err) : no_memory(err);
    lyc_arena_clear(&arena);
    return status;
}

lyc_status lyc_state_save(const char *folder, int64_t step, const lyc_state_tensor *tensors, size_t count,
                          const json_t *facts, lyc_error *err)
{
    char name[64], sha256[LYC_SHA256_HEX];
    lyc_arena arena = {0};
    snprintf(name, sizeof name, "state-%08" PRId64 ".safetensors", step);
    const char *path = lyc_path_join(&arena, folder, lyc_span_of(name));
    const char *words = lyc_path_join(&arena, folder, lyc_span_of(description));
    lyc_status status = path != NULL && words != NULL ? LYC_OK : no_memory(err);
    status = status != LYC_OK ? status : lyc_path_make_folder(folder, err);
    status = status != LYC_OK ? status : write_tensors(path, tensors, count, err);
    status = status != LYC_OK ? status : hash_file(sha256, path, err);
    status = status != LYC_OK ? status : write_description(words, facts, step, name, sha256, err);
    if (status == LYC_OK) {
        status = lyc_folder_list(folder, clean, &(cleaning){.folder = folder, .kept = name}, err);
    }
    lyc_arena_clear(&arena);
    return status;
}

/* The description goes first: what is left without it is no state. */
lyc_status lyc_state_remove(const char *folder, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_file_id id;
    cleaning c = {.folder = folder, .kept = ""};
    if (lyc_file_id_of(&id, folder, NULL) != LYC_OK) {
        return LYC_OK;
    }
    const char *words = lyc_path_join(&arena, folder, lyc_span_of(description));
    lyc_status status = words != NULL ? lyc_file_remove(words, err) : no_memory(err);
    status = status == LYC_OK ? lyc_folder_list(folder, clean, &c, err) : status;
    if (status == LYC_OK) {
        lyc_folder_remove_empty(folder);
    }
    lyc_arena_clear(&arena);
    return status;
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

struct lyc_state {
    json_t *facts;
    lyc_safetensors *tensors;
};

static lyc_status read_description(json_t **out, const char *path, lyc_error *err)
{
    lyc_file_map *map = NULL;
    json_error_t fault;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    *out = json_loadb((const char *)lyc_file_map_data(map), lyc_file_map_size(map), JSON_REJECT_DUPLICATES, &fault);
    lyc_file_map_close(map);
    if (!json_is_object(*out)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is no description of a state: %s", path,
                        *out == NULL ? fault.text : "no object");
    }
    const json_int_t version = json_integer_value(json_object_get(*out, "version"));
    if (version != LYC_STATE_VERSION) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is of version %lld, expected %d", path, (long long)version,
                        LYC_STATE_VERSION);
    }
    return LYC_OK;
}

static lyc_status open_tensors(lyc_state *state, const char *folder, lyc_error *err)
{
    char found[LYC_SHA256_HEX];
    lyc_arena arena = {0};
    const char *name = json_string_value(json_object_get(state->facts, "tensors"));
    const char *wanted = json_string_value(json_object_get(state->facts, "sha256"));
    if (name == NULL || wanted == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s/%s does not name its tensors", folder, description);
    }
    LYC_TRY(lyc_path_check_name(lyc_span_of(name), err));
    const char *path = lyc_path_join(&arena, folder, lyc_span_of(name));
    lyc_status status = path != NULL ? hash_file(found, path, err) : no_memory(err);
    if (status == LYC_OK && strcmp(found, wanted) != 0) {
        status =
            lyc_fail(err, LYC_E_FORMAT, "%s is damaged: its SHA-256 is %.8s..., expected %.8s...", path, found, wanted);
    }
    status = status != LYC_OK ? status : lyc_safetensors_open(&state->tensors, path, NULL, err);
    lyc_arena_clear(&arena);
    return status;
}

lyc_status lyc_state_open(lyc_state **out, const char *folder, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_state *state = lyc_alloc_zero(1, sizeof *state);
    const char *path = lyc_path_join(&arena, folder, lyc_span_of(description));
    lyc_status status = state != NULL && path != NULL ? LYC_OK : no_memory(err);
    status = status != LYC_OK ? status : read_description(&state->facts, path, err);
    status = status != LYC_OK ? status : open_tensors(state, folder, err);
    lyc_arena_clear(&arena);
    if (status != LYC_OK) {
        lyc_state_close(state);
        return status;
    }
    *out = state;
    return LYC_OK;
}

void lyc_state_close(lyc_state *state)
{
    if (state != NULL) {
        json_decref(state->facts);
        lyc_safetensors_close(state->tensors);
        lyc_free(state);
    }
}

const lyc_safetensors *lyc_state_tensors(const lyc_state *state)
{
    return state->tensors;
}

const json_t *lyc_state_facts(const lyc_state *state)
{
    return state->facts;
}

int64_t lyc_state_step(const lyc_state *state)
{
    return (int64_t)json_integer_value(json_object_get(state->facts, "step"));
}

/* --- comparing -----------------------------------------------------------------------------------------------------
 */

static bool is_free(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

static void tell(lyc_strbuf *text, const char *name, const json_t *before, const json_t *now)
{
    lyc_strbuf_format(text, "%s%s was ", text->length > 0 ? ", " : "", name);
    if (before == NULL || json_dump_callback(before, append, text, JSON_ENCODE_ANY | JSON_COMPACT) != 0) {
        lyc_strbuf_append(text, "not given");
    }
    lyc_strbuf_append(text, " and is ");
    if (now == NULL || json_dump_callback(now, append, text, JSON_ENCODE_ANY | JSON_COMPACT) != 0) {
        lyc_strbuf_append(text, "not given");
    }
}

lyc_status lyc_state_compare(const char *what, const json_t *before, const json_t *now, const char *const *free,
                             lyc_error *err)
{
    const char *name;
    json_t *value;
    lyc_strbuf text = {0};
    json_object_foreach((json_t *)before, name, value)
    {
        const json_t *other = json_object_get(now, name);
        if (!is_free(free, name) && (other == NULL || !json_equal(value, (json_t *)other))) {
            tell(&text, name, value, other);
        }
    }
    json_object_foreach((json_t *)now, name, value)
    {
        if (!is_free(free, name) && json_object_get(before, name) == NULL) {
            tell(&text, name, NULL, value);
        }
    }
    lyc_status status = lyc_strbuf_check(&text, "the differences of two runs", err);
    if (status == LYC_OK && text.length > 0) {
        status = lyc_fail(err, LYC_E_ARGUMENT, "the state is of a run with other %s: %s", what, text.text);
    }
    lyc_strbuf_clear(&text);
    return status;
}
