/* hash.c - the hashes by which model and adapter files are known
 *
 * sd-scripts writes the tensors with the metadata that begins with ss_ into a file in memory and hashes the bytes
 * behind its header (sshs_model_hash), or 64 KiB at 1 MiB of it (sshs_legacy_hash): library/train_util.py,
 * precalculate_safetensors_hashes. Here that file is never made: its header is written, its data hashed in its order.
 * A range that is not in the file is empty, and then the hash is that of nothing, e3b0c442.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_write.h"
#include "base/memory.h"
#include "base/string.h"
#include "base/task.h"
#include "lycoris/inspect.h"
#include "tensor/sha256.h"

enum { CHUNK = 4 << 20, LEGACY_OFFSET = 1 << 20, LEGACY_SIZE = 64 << 10, LENGTH_BYTES = 8, LEGACY_DIGITS = 8 };

/* Hashes bytes of a stream, and those of them that lie in the legacy range. position is where data is in the stream. */
typedef struct stream {
    lyc_sha256 whole;
    lyc_sha256 legacy;
    uint64_t position;
} stream;

static void stream_init(stream *s)
{
    lyc_sha256_init(&s->whole);
    lyc_sha256_init(&s->legacy);
    s->position = 0;
}

/* Moves on over the bytes; hashes those of the legacy range. */
static void pass(stream *s, const unsigned char *data, size_t size)
{
    const uint64_t first = s->position > LEGACY_OFFSET ? s->position : LEGACY_OFFSET;
    const uint64_t end = s->position + size;
    const uint64_t last = end < LEGACY_OFFSET + LEGACY_SIZE ? end : LEGACY_OFFSET + LEGACY_SIZE;
    if (first < last) {
        lyc_sha256_update(&s->legacy, data + (size_t)(first - s->position), (size_t)(last - first));
    }
    s->position = end;
}

/* Hashes bytes, asking the task between chunks. */
static lyc_status hash_bytes(stream *s, const unsigned char *data, size_t size, lyc_progress *progress,
                             const lyc_task *task, lyc_error *err)
{
    for (size_t at = 0; at < size; at += CHUNK) {
        LYC_TRY(lyc_task_check(task, err));
        const size_t n = size - at < CHUNK ? size - at : CHUNK;
        lyc_sha256_update(&s->whole, data + at, n);
        pass(s, data + at, n);
        lyc_progress_add(progress, (int64_t)n);
    }
    return LYC_OK;
}

static void finish_legacy(char digits[LEGACY_DIGITS + 1], stream *s)
{
    char hex[LYC_SHA256_HEX];
    lyc_sha256_finish(hex, &s->legacy);
    memcpy(digits, hex, LEGACY_DIGITS);
    digits[LEGACY_DIGITS] = '\0';
}

static lyc_status hash_file(lyc_file_hashes *out, const lyc_file_map *map, lyc_progress *progress, const lyc_task *task,
                            lyc_error *err)
{
    stream s;
    stream_init(&s);
    lyc_file_map_advise(map, 0, lyc_file_map_size(map), LYC_FILE_SEQUENTIAL);
    LYC_TRY(hash_bytes(&s, lyc_file_map_data(map), lyc_file_map_size(map), progress, task, err));
    lyc_sha256_finish(out->sha256, &s.whole);
    finish_legacy(out->legacy, &s);
    return lyc_file_map_check(map, err);
}

/* --- the file that sd-scripts would make ----------------------------------------------------------------------------
 */

/* The reference library's order: type descending, then name. */
static int compare_tensors(const void *a, const void *b)
{
    const lyc_tensor_view *left = a;
    const lyc_tensor_view *right = b;
    if (left->dtype != right->dtype) {
        return left->dtype > right->dtype ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static int compare_entries(const void *a, const void *b)
{
    const lyc_metadata_entry *left = a;
    const lyc_metadata_entry *right = b;
    return lyc_span_compare((lyc_span){left->key, left->key_length}, (lyc_span){right->key, right->key_length});
}

/* Appends "__metadata__":{...}, with the entries that begin with ss_; nothing when there are none. */
static lyc_status write_metadata(lyc_strbuf *header, const lyc_safetensors *file, lyc_error *err)
{
    const size_t count = lyc_safetensors_metadata_count(file);
    size_t used = 0;
    lyc_metadata_entry *entries = lyc_alloc_zero(count, sizeof *entries);
    if (entries == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu entries of metadata", count);
    }
    for (size_t i = 0; i < count; i++) {
        entries[used] = lyc_safetensors_metadata_at(file, i);
        used += lyc_span_starts_with((lyc_span){entries[used].key, entries[used].key_length}, "ss_");
    }
    qsort(entries, used, sizeof *entries, compare_entries);
    for (size_t i = 0; i < used; i++) {
        lyc_strbuf_append(header, i == 0 ? "\"__metadata__\":{" : ",");
        lyc_json_write_string(header, (lyc_span){entries[i].key, entries[i].key_length});
        lyc_strbuf_append_char(header, ':');
        lyc_json_write_string(header, (lyc_span){entries[i].value, entries[i].value_length});
    }
    lyc_strbuf_append(header, used > 0 ? "}" : "");
    lyc_free(entries);
    return LYC_OK;
}

static void write_tensor(lyc_strbuf *header, const lyc_tensor_view *tensor, uint64_t begin)
{
    lyc_json_write_string(header, lyc_span_of(tensor->name));
    lyc_strbuf_format(header, ":{\"dtype\":\"%s\",\"shape\":[", lyc_dtype_name(tensor->dtype));
    for (int axis = 0; axis < tensor->shape.rank; axis++) {
        lyc_strbuf_format(header, "%s%" PRId64, axis > 0 ? "," : "", tensor->shape.dims[axis]);
    }
    lyc_strbuf_format(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + tensor->size_bytes);
}

/* The header with its length in front, padded so that the data is aligned to 8 bytes. */
static lyc_status write_header(lyc_strbuf *header, const lyc_safetensors *file, const lyc_tensor_view *tensors,
                               size_t count, lyc_error *err)
{
    uint64_t begin = 0;
    lyc_strbuf_append_n(header, "\0\0\0\0\0\0\0\0{", LENGTH_BYTES + 1);
    LYC_TRY(write_metadata(header, file, err));
    for (size_t i = 0; i < count; i++) {
        lyc_strbuf_append(header, header->length > LENGTH_BYTES + 1 ? "," : "");
        write_tensor(header, &tensors[i], begin);
        begin += tensors[i].size_bytes;
    }
    lyc_strbuf_append_char(header, '}');
    while (header->length % LENGTH_BYTES != 0 && !header->failed) {
        lyc_strbuf_append_char(header, ' ');
    }
    LYC_TRY(lyc_strbuf_check(header, "a header", err));
    for (int i = 0; i < LENGTH_BYTES; i++) {
        header->text[i] = (char)((uint64_t)(header->length - LENGTH_BYTES) >> 8 * i & 0xFF);
    }
    return LYC_OK;
}

static lyc_status hash_sorted(lyc_file_hashes *out, const lyc_safetensors *file, const lyc_tensor_view *tensors,
                              size_t count, lyc_progress *progress, const lyc_task *task, lyc_error *err)
{
    stream s;
    stream_init(&s);
    lyc_strbuf header = {0};
    lyc_status status = write_header(&header, file, tensors, count, err);
    if (status == LYC_OK) {
        pass(&s, (const unsigned char *)header.text, header.length);
    }
    lyc_strbuf_clear(&header);
    for (size_t i = 0; i < count && status == LYC_OK; i++) {
        status = hash_bytes(&s, tensors[i].data, tensors[i].size_bytes, progress, task, err);
    }
    lyc_sha256_finish(out->model, &s.whole);
    finish_legacy(out->model_legacy, &s);
    return status;
}

static lyc_status hash_tensors(lyc_file_hashes *out, const lyc_safetensors *file, lyc_progress *progress,
                               const lyc_task *task, lyc_error *err)
{
    const size_t count = lyc_safetensors_count(file);
    lyc_tensor_view *tensors = lyc_alloc_zero(count, sizeof *tensors);
    if (tensors == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the order of %zu tensors", count);
    }
    for (size_t i = 0; i < count; i++) {
        tensors[i] = lyc_safetensors_tensor(file, i);
    }
    qsort(tensors, count, sizeof *tensors, compare_tensors);
    const lyc_status status = hash_sorted(out, file, tensors, count, progress, task, err);
    lyc_free(tensors);
    return status == LYC_OK ? lyc_safetensors_check(file, err) : status;
}

lyc_status lyc_inspect_hashes(lyc_file_hashes *out, const char *path, const lyc_safetensors *file, const lyc_task *task,
                              lyc_error *err)
{
    lyc_progress progress;
    lyc_file_map *map = NULL;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    lyc_task_begin(&progress, task, "hashing", "B",
                   (int64_t)(lyc_file_map_size(map) + lyc_safetensors_data_bytes(file)));
    lyc_status status = hash_file(out, map, &progress, task, err);
    if (status == LYC_OK) {
        status = hash_tensors(out, file, &progress, task, err);
    }
    lyc_progress_finish(&progress);
    lyc_file_map_close(map);
    return status;
}
