/* safetensors_read.c - an open safetensors file: header, mapping, views
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "tensor/safetensors_file.h"
#include "tensor/safetensors_header.h"

enum { LENGTH_BYTES = 8 };

struct lyc_safetensors {
    lyc_file_map *map; /* NULL: the file is in memory */
    const unsigned char *bytes;
    size_t size;
    size_t header_size;
    lyc_header header;
};

/* Other things that are given to a reader of safetensors, by their first bytes. */
static const char *what_it_is(const unsigned char *bytes, size_t size)
{
    static const struct {
        const char *start;
        const char *name;
    } kinds[] = {
        {"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint: those can run programs and are not read"},
        {"\x80\x02", "a pickle, perhaps a PyTorch checkpoint: those can run programs and are not read"},
        {"GGUF", "a GGUF file"},
        {"version https://git-lfs", "a Git LFS pointer: fetch the file itself"},
        {"<!", "a web page: the download went wrong"},
        {"<html", "a web page: the download went wrong"},
        {"{", "JSON without a header length, perhaps an index or a configuration"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t length = strlen(kinds[i].start);
        if (size >= length && memcmp(bytes, kinds[i].start, length) == 0) {
            return kinds[i].name;
        }
    }
    return NULL;
}

/* A length that cannot be: says what the file is instead, if that is known. */
static lyc_status fail_length(const lyc_safetensors *file, uint64_t length, lyc_error *err)
{
    const char *kind = what_it_is(file->bytes, file->size);
    if (kind != NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "no safetensors file but %s, at byte 0", kind);
    }
    if (length > LYC_SAFETENSORS_MAX_HEADER) {
        return lyc_fail(err, LYC_E_FORMAT, "header of %" PRIu64 " bytes, expected at most %d, at byte 0", length,
                        LYC_SAFETENSORS_MAX_HEADER);
    }
    return lyc_fail(err, LYC_E_FORMAT, "header of %" PRIu64 " bytes in a file of %zu: it is not complete, at byte 0",
                    length, file->size);
}

static lyc_status read_length(lyc_safetensors *file, lyc_error *err)
{
    uint64_t length = 0;
    if (file->size < LENGTH_BYTES) {
        return lyc_fail(err, LYC_E_FORMAT, "file of %zu bytes, too short for the header's length, at byte 0",
                        file->size);
    }
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) {
        length = length << 8 | file->bytes[i];
    }
    if (length > LYC_SAFETENSORS_MAX_HEADER || length > file->size - LENGTH_BYTES) {
        return fail_length(file, length, err);
    }
    file->header_size = (size_t)length;
    return LYC_OK;
}

/* Pages of the header that were read are given back: a large header is not held twice. */
static void forget_pages(void *context, size_t done)
{
    const lyc_safetensors *file = context;
    lyc_file_map_advise(file->map, 0, LENGTH_BYTES + done, LYC_FILE_DONE);
}

/* The data ends where the file ends. */
static lyc_status check_end(const lyc_safetensors *file, const lyc_safetensors_options *options, lyc_error *err)
{
    const uint64_t found = file->size - LENGTH_BYTES - file->header_size;
    const uint64_t expected = file->header.data_bytes;
    if (found < expected) {
        return lyc_fail(err, LYC_E_FORMAT,
                        "%" PRIu64 " bytes of data, expected %" PRIu64 ": the file is not complete, at byte %zu", found,
                        expected, file->size);
    }
    if (found > expected && (options == NULL || !options->lenient)) {
        return lyc_fail(err, LYC_E_FORMAT, "%" PRIu64 " bytes behind the last tensor, at byte %" PRIu64,
                        found - expected, LENGTH_BYTES + file->header_size + expected);
    }
    return LYC_OK;
}

static lyc_status read_file(lyc_safetensors *file, const lyc_safetensors_options *options, lyc_error *err)
{
    LYC_TRY(read_length(file, err));
    LYC_TRY(lyc_header_read(&file->header, file->bytes + LENGTH_BYTES, file->header_size,
                            file->map != NULL ? forget_pages : NULL, file, err));
    LYC_TRY(check_end(file, options, err));
    const char *path = file->map != NULL ? lyc_file_map_path(file->map) : "file in memory";
    if (file->header.has_leading_space) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "%s: the header begins with white space", path);
    }
    if (lyc_safetensors_trailing_bytes(file) > 0) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "%s: %" PRIu64 " bytes behind the last tensor are ignored", path,
                      lyc_safetensors_trailing_bytes(file));
    }
    return LYC_OK;
}

lyc_status lyc_safetensors_open(lyc_safetensors **out, const char *path, const lyc_safetensors_options *options,
                                lyc_error *err)
{
    lyc_error own;
    err = err != NULL ? err : &own;
    lyc_safetensors *file = lyc_alloc_zero(1, sizeof *file);
    if (file == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    lyc_status status = lyc_file_map_open(&file->map, path, err);
    if (status != LYC_OK) {
        lyc_safetensors_close(file);
        return status;
    }
    file->bytes = lyc_file_map_data(file->map);
    file->size = lyc_file_map_size(file->map);
    status = read_file(file, options, err);
    if (lyc_file_map_is_damaged(file->map)) {
        status = lyc_file_map_check(file->map, err); /* the cause of what else is wrong */
    } else if (status != LYC_OK) {
        status = lyc_wrap(err, "reading %s", path);
    }
    if (status != LYC_OK) {
        lyc_safetensors_close(file);
        return status;
    }
    *out = file;
    return LYC_OK;
}

lyc_status lyc_safetensors_open_memory(lyc_safetensors **out, const void *data, size_t size,
                                       const lyc_safetensors_options *options, lyc_error *err)
{
    lyc_safetensors *file = lyc_alloc_zero(1, sizeof *file);
    if (file == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open a file");
    }
    file->bytes = data;
    file->size = size;
    const lyc_status status = read_file(file, options, err);
    if (status != LYC_OK) {
        lyc_safetensors_close(file);
        return status;
    }
    *out = file;
    return LYC_OK;
}

void lyc_safetensors_close(lyc_safetensors *file)
{
    if (file == NULL) {
        return;
    }
    lyc_header_clear(&file->header);
    lyc_file_map_close(file->map);
    lyc_free(file);
}

const lyc_file_map *lyc_safetensors_map(const lyc_safetensors *file)
{
    return file->map;
}

size_t lyc_safetensors_count(const lyc_safetensors *file)
{
    return file->header.tensor_count;
}

lyc_tensor_view lyc_safetensors_tensor(const lyc_safetensors *file, size_t index)
{
    assert(index < file->header.tensor_count);
    const lyc_header_tensor *tensor = &file->header.tensors[index];
    const size_t offset = LENGTH_BYTES + file->header_size + (size_t)tensor->begin;
    return (lyc_tensor_view){
        .name = (const char *)file->header.store + tensor->name,
        .dtype = (lyc_dtype)tensor->dtype,
        .shape = lyc_header_shape(&file->header, tensor),
        .data = file->bytes + offset,
        .size_bytes = (size_t)(tensor->end - tensor->begin),
        .file_offset = offset,
    };
}

size_t lyc_safetensors_index(const lyc_safetensors *file, const char *name)
{
    return lyc_header_find_tensor(&file->header, lyc_span_of(name));
}

bool lyc_safetensors_find(lyc_tensor_view *out, const lyc_safetensors *file, const char *name)
{
    const size_t index = lyc_safetensors_index(file, name);
    if (index == SIZE_MAX) {
        return false;
    }
    *out = lyc_safetensors_tensor(file, index);
    return true;
}

lyc_status lyc_safetensors_read(void *dst, const lyc_safetensors *file, const lyc_tensor_view *tensor, lyc_error *err)
{
    if (file->map != NULL) {
        return lyc_file_map_copy(dst, file->map, (size_t)tensor->file_offset, tensor->size_bytes, err);
    }
    if (tensor->size_bytes > 0) {
        memcpy(dst, tensor->data, tensor->size_bytes);
    }
    return LYC_OK;
}

lyc_status lyc_safetensors_check(const lyc_safetensors *file, lyc_error *err)
{
    return file->map != NULL ? lyc_file_map_check(file->map, err) : LYC_OK;
}

const char *lyc_safetensors_metadata(const lyc_safetensors *file, const char *key)
{
    const size_t index = lyc_header_find_metadata(&file->header, lyc_span_of(key));
    return index != SIZE_MAX ? (const char *)file->header.store + file->header.metadata[index].value : NULL;
}

size_t lyc_safetensors_metadata_count(const lyc_safetensors *file)
{
    return file->header.metadata_count;
}

lyc_metadata_entry lyc_safetensors_metadata_at(const lyc_safetensors *file, size_t index)
{
    assert(index < file->header.metadata_count);
    const char *store = (const char *)file->header.store;
    const lyc_header_text *text = &file->header.metadata[index];
    return (lyc_metadata_entry){store + text->key, text->key_length, store + text->value, text->value_length};
}

bool lyc_safetensors_has_metadata(const lyc_safetensors *file)
{
    return file->header.has_metadata;
}

uint64_t lyc_safetensors_header_bytes(const lyc_safetensors *file)
{
    return file->header_size;
}

uint64_t lyc_safetensors_data_bytes(const lyc_safetensors *file)
{
    return file->header.data_bytes;
}

uint64_t lyc_safetensors_trailing_bytes(const lyc_safetensors *file)
{
    return file->size - LENGTH_BYTES - file->header_size - file->header.data_bytes;
}
