/* source.c - where the tensors of a component lie
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/source.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"
#include "checkpoint/layout.h"
#include "checkpoint/shard_index.h"
#include "tensor/safetensors_file.h"

struct lyc_source {
    lyc_arena arena;
    const char *path;
    lyc_source_file *files;
    size_t file_count;
    const char **unmatched; /* [unmatched_count] */
    size_t unmatched_count;
};

bool lyc_path_exists(const char *path)
{
    lyc_file_id id;
    return lyc_file_id_of(&id, path, NULL) == LYC_OK;
}

/* --- pickles ------------------------------------------------------------------------------------------------------ */

bool lyc_pickle_is_name(const char *path)
{
    static const char *const endings[] = {".ckpt", ".pt", ".pth", ".bin", ".pkl"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (lyc_span_ends_with(lyc_span_of(path), endings[i])) {
            return true;
        }
    }
    return false;
}

/* The first bytes of a pickle (protocols 2 to 5) or of the ZIP archive that holds one. */
bool lyc_pickle_is_file(const char *path)
{
    lyc_file_map *map = NULL;
    if (lyc_file_map_open(&map, path, NULL) != LYC_OK) {
        return false;
    }
    unsigned char start[4] = {0};
    const size_t size = lyc_file_map_size(map);
    const bool read = size >= sizeof start && lyc_file_map_copy(start, map, 0, sizeof start, NULL) == LYC_OK;
    lyc_file_map_close(map);
    return read && (memcmp(start, "PK\x03\x04", 4) == 0 || (start[0] == 0x80 && start[1] >= 2 && start[1] <= 5));
}

lyc_status lyc_pickle_refuse(const char *path, lyc_error *err)
{
    return lyc_fail(err, LYC_E_UNSUPPORTED,
                    "%s is a pickle, which can run programs when it is loaded and is not read; convert it once with "
                    "Python: import torch, safetensors.torch as s; m = torch.load(FILE, map_location='cpu', "
                    "weights_only=True); m = m.get('state_dict', m); s.save_file({k: v.contiguous() for k, v in "
                    "m.items() if hasattr(v, 'shape')}, 'model.safetensors')",
                    path);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static lyc_status open_file(lyc_source *source, const char *path, lyc_error *err)
{
    lyc_source_file *file = &source->files[source->file_count];
    if (lyc_pickle_is_file(path)) {
        return lyc_pickle_refuse(path, err);
    }
    const lyc_status status = lyc_safetensors_open(&file->tensors, path, NULL, err);
    if (status == LYC_E_FORMAT && lyc_pickle_is_name(path)) {
        return lyc_pickle_refuse(path, err);
    }
    LYC_TRY(status);
    source->file_count++;
    file->path = lyc_arena_text(&source->arena, path);
    file->used = lyc_arena_alloc(&source->arena, lyc_safetensors_count(file->tensors) + 1, sizeof *file->used);
    if (file->path == NULL || file->used == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    return LYC_OK;
}

/* Each tensor of a shard is one that the index has there. */
static lyc_status check_shard(const lyc_shard_index *index, size_t shard, const lyc_source_file *file, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(file->tensors); i++) {
        const char *name = lyc_safetensors_tensor(file->tensors, i).name;
        const size_t at = lyc_shard_index_find(index, name);
        if (at == SIZE_MAX) {
            return lyc_fail(err, LYC_E_FORMAT, "'%s' is in %s, but not in the index", name, file->path);
        }
        if (at != shard) {
            return lyc_fail(err, LYC_E_FORMAT, "'%s' is in %s, but by the index in %s", name, file->path,
                            lyc_shard_index_file(index, at));
        }
    }
    return LYC_OK;
}

/* Each tensor of the index is in its shard. */
static lyc_status check_index(const lyc_shard_index *index, const lyc_source *source, lyc_error *err)
{
    for (size_t i = 0; i < lyc_shard_index_tensor_count(index); i++) {
        size_t shard;
        const char *name = lyc_shard_index_tensor(&shard, index, i);
        lyc_tensor_view view;
        if (!lyc_safetensors_find(&view, source->files[shard].tensors, name)) {
            return lyc_fail(err, LYC_E_FORMAT, "'%s' is not in %s, as the index says", name, source->files[shard].path);
        }
    }
    for (size_t i = 0; i < source->file_count; i++) {
        LYC_TRY(check_shard(index, i, &source->files[i], err));
    }
    return LYC_OK;
}

static lyc_status open_shards(lyc_source *source, const lyc_shard_index *index, lyc_error *err)
{
    const size_t count = lyc_shard_index_file_count(index);
    const lyc_span span = lyc_path_folder(source->path);
    const char *folder = lyc_arena_text_n(&source->arena, span.text, span.length);
    source->files = lyc_arena_alloc(&source->arena, count, sizeof *source->files);
    if (folder == NULL || source->files == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu shards", count);
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = lyc_path_join(&source->arena, folder, lyc_span_of(lyc_shard_index_file(index, i)));
        if (path == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the name of a shard");
        }
        LYC_TRY(lyc_path_check_inside(folder[0] != '\0' ? folder : ".", path, err));
        LYC_TRY(open_file(source, path, err));
    }
    return check_index(index, source, err);
}

static lyc_status open_index(lyc_source *source, lyc_error *err)
{
    lyc_shard_index *index = NULL;
    lyc_status status = lyc_shard_index_open(&index, source->path, err);
    if (status == LYC_OK) {
        status = open_shards(source, index, err);
        status = status == LYC_OK ? status : lyc_wrap(err, "reading %s", source->path);
    }
    lyc_shard_index_close(index);
    return status;
}

static lyc_status open_single(lyc_source *source, lyc_error *err)
{
    source->files = lyc_arena_alloc(&source->arena, 1, sizeof *source->files);
    if (source->files == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", source->path);
    }
    return open_file(source, source->path, err);
}

lyc_status lyc_source_open(lyc_source **out, const char *path, lyc_error *err)
{
    lyc_error own;
    err = err != NULL ? err : &own;
    lyc_source *source = lyc_alloc_zero(1, sizeof *source);
    if (source == NULL || (source->path = lyc_arena_text(&source->arena, path)) == NULL) {
        lyc_source_close(source);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    const bool is_index = lyc_span_ends_with(lyc_span_of(path), ".json");
    const lyc_status status = is_index ? open_index(source, err) : open_single(source, err);
    if (status != LYC_OK) {
        lyc_source_close(source);
        return status;
    }
    *out = source;
    return LYC_OK;
}

void lyc_source_close(lyc_source *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < source->file_count; i++) {
        lyc_safetensors_close(source->files[i].tensors);
    }
    lyc_arena_clear(&source->arena);
    lyc_free(source);
}

/* --- using -------------------------------------------------------------------------------------------------------- */

const char *lyc_source_path(const lyc_source *source)
{
    return source->path;
}

size_t lyc_source_file_count(const lyc_source *source)
{
    return source->file_count;
}

const lyc_source_file *lyc_source_file_at(const lyc_source *source, size_t index)
{
    return &source->files[index];
}

bool lyc_source_find(lyc_tensor_view *out, const lyc_source_file **file, const lyc_source *source, const char *key)
{
    for (size_t i = 0; i < source->file_count; i++) {
        if (lyc_safetensors_find(out, source->files[i].tensors, key)) {
            *file = &source->files[i];
            return true;
        }
    }
    return false;
}

bool lyc_source_has(const lyc_source *source, const char *key)
{
    lyc_tensor_view view;
    const lyc_source_file *file;
    return lyc_source_find(&view, &file, source, key);
}

bool lyc_source_has_prefix(const lyc_source *source, const char *prefix, const char *rest)
{
    const size_t length = strlen(prefix);
    for (size_t i = 0; i < source->file_count; i++) {
        const lyc_safetensors *tensors = source->files[i].tensors;
        for (size_t k = 0; k < lyc_safetensors_count(tensors); k++) {
            const char *name = lyc_safetensors_tensor(tensors, k).name;
            if (strncmp(name, prefix, length) == 0 && strncmp(name + length, rest, strlen(rest)) == 0) {
                return true;
            }
        }
    }
    return false;
}

void lyc_source_use(lyc_source *source, const char *key)
{
    for (size_t i = 0; i < source->file_count; i++) {
        const size_t index = lyc_safetensors_index(source->files[i].tensors, key);
        if (index != SIZE_MAX) {
            source->files[i].used[index] = true;
        }
    }
}

/* Puts the keys of nothing into out, unless that is NULL; returns how many there are. */
static size_t gather_unmatched(const char **out, const lyc_source *source, const char *prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < source->file_count; i++) {
        const lyc_source_file *file = &source->files[i];
        for (size_t k = 0; k < lyc_safetensors_count(file->tensors); k++) {
            const char *key = lyc_safetensors_tensor(file->tensors, k).name;
            if (file->used[k] || lyc_key_is_ignored(key) || strncmp(key, prefix, strlen(prefix)) != 0) {
                continue;
            }
            if (out != NULL) {
                out[count] = key;
            }
            count++;
        }
    }
    return count;
}

lyc_status lyc_source_list_unmatched(lyc_source *source, const char *prefix, lyc_error *err)
{
    const size_t count = gather_unmatched(NULL, source, prefix);
    source->unmatched = lyc_arena_alloc(&source->arena, count + 1, sizeof *source->unmatched);
    if (source->unmatched == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a list of %zu keys", count);
    }
    source->unmatched_count = gather_unmatched(source->unmatched, source, prefix);
    return LYC_OK;
}

size_t lyc_source_unmatched_count(const lyc_source *source)
{
    return source->unmatched_count;
}

const char *lyc_source_unmatched(const lyc_source *source, size_t index)
{
    assert(index < source->unmatched_count);
    return source->unmatched[index];
}

lyc_status lyc_source_check(const lyc_source *source, lyc_error *err)
{
    for (size_t i = 0; i < source->file_count; i++) {
        LYC_TRY(lyc_safetensors_check(source->files[i].tensors, err));
    }
    return LYC_OK;
}

void lyc_source_release_pages(const lyc_source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        const lyc_file_map *map = lyc_safetensors_map(source->files[i].tensors);
        if (map != NULL) {
            lyc_file_map_advise(map, 0, lyc_file_map_size(map), LYC_FILE_DONE);
        }
    }
}
