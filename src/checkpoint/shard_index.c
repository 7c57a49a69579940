/* shard_index.c - which file of a folder each tensor is in
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/shard_index.h"

#include <stdint.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"
#include "checkpoint/config_read.h"
#include "checkpoint/source.h"

struct lyc_shard_index {
    lyc_hashmap files;   /* name -> nothing: the order of insertion is the number of the shard */
    lyc_hashmap tensors; /* name -> entry of files, as its number + 1 */
};

/* The number of a file; takes it in when it is new. */
static lyc_status shard_of(size_t *shard, lyc_shard_index *index, lyc_span name, lyc_error *err)
{
    const lyc_hashmap_entry *known = lyc_hashmap_find(&index->files, name);
    if (known != NULL) {
        *shard = (size_t)(known - index->files.entries);
        return LYC_OK;
    }
    LYC_TRY(lyc_path_check_name(name, err));
    if (!lyc_span_ends_with(name, ".safetensors")) {
        char brief[LYC_BRIEF];
        return lyc_fail(err, LYC_E_FORMAT, "file name '%s', expected one that ends with .safetensors",
                        lyc_text_brief(brief, sizeof brief, name));
    }
    if (index->files.count == LYC_MAX_SHARDS) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "more than %d files", LYC_MAX_SHARDS);
    }
    *shard = index->files.count;
    return lyc_hashmap_put(&index->files, name, NULL) ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for an index");
}

static lyc_status read_map(lyc_shard_index *index, const json_t *json, lyc_error *err)
{
    json_t *map = json_object_get(json, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "no 'weight_map' with the file of each tensor");
    }
    for (void *i = json_object_iter(map); i != NULL; i = json_object_iter_next(map, i)) {
        const char *tensor = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        if (!json_is_string(value)) {
            char brief[LYC_BRIEF];
            return lyc_json_complain(lyc_text_brief(brief, sizeof brief, lyc_span_of(tensor)), value,
                                     "the name of a file", err);
        }
        const lyc_span name = {json_string_value(value), json_string_length(value)};
        size_t shard = 0;
        LYC_TRY(shard_of(&shard, index, name, err));
        if (!lyc_hashmap_put(&index->tensors, lyc_span_of(tensor), (void *)(uintptr_t)(shard + 1))) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for an index");
        }
    }
    return LYC_OK;
}

static lyc_status make(lyc_shard_index **out, const json_t *json, lyc_error *err)
{
    lyc_shard_index *index = lyc_alloc_zero(1, sizeof *index);
    if (index == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an index");
    }
    const lyc_status status = read_map(index, json, err);
    if (status != LYC_OK) {
        lyc_shard_index_close(index);
        return status;
    }
    *out = index;
    return LYC_OK;
}

lyc_status lyc_shard_index_parse(lyc_shard_index **out, const char *text, size_t length, lyc_error *err)
{
    json_t *json = NULL;
    LYC_TRY(lyc_json_parse(&json, text, length, err));
    const lyc_status status = make(out, json, err);
    json_decref(json);
    return status;
}

lyc_status lyc_shard_index_open(lyc_shard_index **out, const char *path, lyc_error *err)
{
    json_t *json = NULL;
    LYC_TRY(lyc_json_load(&json, path, LYC_INDEX_MAX_BYTES, err));
    const lyc_status status = make(out, json, err);
    json_decref(json);
    return status == LYC_OK ? status : lyc_wrap(err, "reading %s", path);
}

void lyc_shard_index_close(lyc_shard_index *index)
{
    if (index == NULL) {
        return;
    }
    lyc_hashmap_clear(&index->files);
    lyc_hashmap_clear(&index->tensors);
    lyc_free(index);
}

size_t lyc_shard_index_file_count(const lyc_shard_index *index)
{
    return index->files.count;
}

const char *lyc_shard_index_file(const lyc_shard_index *index, size_t shard)
{
    return index->files.entries[shard].key.text;
}

size_t lyc_shard_index_tensor_count(const lyc_shard_index *index)
{
    return index->tensors.count;
}

const char *lyc_shard_index_tensor(size_t *shard, const lyc_shard_index *index, size_t i)
{
    const lyc_hashmap_entry *entry = &index->tensors.entries[i];
    *shard = (uintptr_t)entry->value - 1;
    return entry->key.text;
}

size_t lyc_shard_index_find(const lyc_shard_index *index, const char *name)
{
    return (uintptr_t)lyc_hashmap_get(&index->tensors, lyc_span_of(name)) - 1; /* unknown: 0 - 1 */
}
