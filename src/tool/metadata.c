/* metadata.c - other metadata for a file, the tensors copied as they are
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/metadata.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/string.h"
#include "base/task.h"
#include "tensor/model_hash.h"
#include "tensor/safetensors_plan.h"

/* --- writing -------------------------------------------------------------------------------------------------------
 */

/* What the last change of a key says; NULL when no change is about it. */
static const lyc_metadata_change *last_change(const lyc_metadata_change *changes, size_t count, lyc_span key)
{
    for (size_t i = count; i-- > 0;) {
        if (lyc_span_is(key, changes[i].key)) {
            return &changes[i];
        }
    }
    return NULL;
}

static lyc_status check_changes(const lyc_safetensors *file, const lyc_metadata_change *changes, size_t count,
                                lyc_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (changes[i].value == NULL && lyc_safetensors_metadata(file, changes[i].key) == NULL) {
            return lyc_fail(err, LYC_E_ARGUMENT, "the file has no metadata '%s' to take away", changes[i].key);
        }
    }
    return LYC_OK;
}

static lyc_status plan_all(lyc_safetensors_plan *plan, const lyc_safetensors *file, const lyc_metadata_change *changes,
                           size_t count, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        LYC_TRY(lyc_safetensors_plan_add(plan, tensor.name, tensor.dtype, &tensor.shape, err));
    }
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        if (last_change(changes, count, (lyc_span){entry.key, entry.key_length}) == NULL) {
            LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &entry, err));
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].value != NULL && last_change(changes, count, lyc_span_of(changes[i].key)) == &changes[i]) {
            LYC_TRY(lyc_safetensors_plan_metadata(plan, changes[i].key, changes[i].value, err));
        }
    }
    return LYC_OK;
}

/* sshs_legacy_hash is of a few bytes of data, and of the ss_ keys in front of them. */
static lyc_status renew_legacy_hash(lyc_safetensors_plan *plan, const lyc_safetensors *file, lyc_error *err)
{
    lyc_safetensors_plan *hashed = NULL;
    const void *header;
    size_t size;
    lyc_model_hasher h;
    char model[LYC_SHA256_HEX], legacy[LYC_LEGACY_HASH];
    LYC_TRY(lyc_safetensors_plan_copy(&hashed, plan, "ss_", err));
    lyc_model_hasher_init(&h);
    lyc_status status = lyc_safetensors_plan_header(&header, &size, hashed, err);
    if (status == LYC_OK) {
        lyc_model_hasher_header(&h, header, size);
        for (size_t i = 0; i < lyc_safetensors_plan_count(hashed); i++) {
            lyc_tensor_view tensor;
            if (lyc_safetensors_find(&tensor, file, lyc_safetensors_plan_tensor(hashed, i).name)) {
                lyc_model_hasher_header(&h, tensor.data, tensor.size_bytes);
            }
        }
        lyc_model_hasher_finish(model, legacy, &h);
        status = lyc_safetensors_plan_metadata(plan, "sshs_legacy_hash", legacy, err);
    }
    lyc_safetensors_plan_free(hashed);
    return status;
}

static bool changes_settings(const lyc_metadata_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(changes[i].key, "ss_", 3) == 0) {
            return true;
        }
    }
    return false;
}

static lyc_status copy_tensors(lyc_safetensors_writer *writer, const lyc_safetensors_plan *plan,
                               const lyc_safetensors *file, const lyc_task *task, lyc_error *err)
{
    lyc_progress progress;
    lyc_task_begin(&progress, task, "copying", "B", (int64_t)lyc_safetensors_data_bytes(file));
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < lyc_safetensors_plan_count(plan) && status == LYC_OK; i++) {
        lyc_tensor_view tensor;
        const char *name = lyc_safetensors_plan_tensor(plan, i).name;
        status = lyc_task_check(task, err);
        if (status == LYC_OK && lyc_safetensors_find(&tensor, file, name)) {
            status = lyc_safetensors_writer_copy(writer, name, file, &tensor, err);
            lyc_progress_add(&progress, (int64_t)tensor.size_bytes);
        }
    }
    lyc_progress_finish(&progress);
    return status == LYC_OK ? lyc_safetensors_check(file, err) : status;
}

static lyc_status write_plan(const char *path, lyc_safetensors_plan *plan, const lyc_safetensors *file,
                             const lyc_metadata_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options writer_options = {
        .force = options->force || options->replace, .inputs = &file, .input_count = options->replace ? 0 : 1};
    LYC_TRY(lyc_safetensors_writer_open(&writer, plan, path, &writer_options, err));
    lyc_status status = copy_tensors(writer, plan, file, task, err);
    status = status != LYC_OK ? status : lyc_safetensors_writer_commit(writer, err);
    lyc_safetensors_writer_close(writer);
    return status;
}

lyc_status lyc_metadata_write(const char *path, const lyc_safetensors *file, const lyc_metadata_change *changes,
                              size_t count, const lyc_metadata_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_safetensors_plan *plan = NULL;
    const bool has_hash = lyc_safetensors_metadata(file, "sshs_legacy_hash") != NULL &&
                          last_change(changes, count, lyc_span_of("sshs_legacy_hash")) == NULL;
    LYC_TRY(check_changes(file, changes, count, err));
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    status = status != LYC_OK ? status : plan_all(plan, file, changes, count, err);
    if (status == LYC_OK && has_hash && changes_settings(changes, count)) {
        status = renew_legacy_hash(plan, file, err);
    }
    status = status != LYC_OK ? status : write_plan(path, plan, file, options, task, err);
    lyc_safetensors_plan_free(plan);
    return status;
}

/* --- thumbnails ----------------------------------------------------------------------------------------------------
 */

enum { THUMBNAIL_MAX = 1 << 20 };

static const char *type_of(const unsigned char *data, size_t size)
{
    if (size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return "png";
    }
    if (size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) {
        return "jpeg";
    }
    return size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0 ? "webp" : NULL;
}

static void encode_base64(lyc_strbuf *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t n = size - i < 3 ? size - i : 3;
        const unsigned bits =
            (unsigned)data[i] << 16 | (n > 1 ? (unsigned)data[i + 1] << 8 : 0u) | (n > 2 ? (unsigned)data[i + 2] : 0u);
        for (size_t k = 0; k < 4; k++) {
            lyc_strbuf_append_char(out, k <= n ? digits[bits >> (18 - 6 * k) & 63u] : '=');
        }
    }
}

lyc_status lyc_metadata_thumbnail(char **out, const char *path, lyc_error *err)
{
    lyc_strbuf text = {0};
    lyc_file_map *map = NULL;
    LYC_TRY(lyc_file_map_open(&map, path, err));
    const size_t size = lyc_file_map_size(map);
    const char *type = type_of(lyc_file_map_data(map), size);
    lyc_status status = LYC_OK;
    if (type == NULL) {
        status = lyc_fail(err, LYC_E_FORMAT, "%s is no PNG, JPEG or WebP picture", path);
    } else if (size > THUMBNAIL_MAX) {
        status =
            lyc_fail(err, LYC_E_ARGUMENT, "%s has %zu bytes; a thumbnail has at most %d", path, size, THUMBNAIL_MAX);
    } else {
        lyc_strbuf_format(&text, "data:image/%s;base64,", type);
        encode_base64(&text, lyc_file_map_data(map), size);
        status = lyc_strbuf_check(&text, "a thumbnail", err);
        status = status != LYC_OK ? status : lyc_file_map_check(map, err);
    }
    lyc_file_map_close(map);
    if (status != LYC_OK) {
        lyc_strbuf_clear(&text);
        return status;
    }
    *out = text.text;
    return LYC_OK;
}

void lyc_metadata_text_free(char *text)
{
    lyc_free(text);
}
