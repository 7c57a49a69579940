/* safetensors_write.c - a safetensors file written tensor by tensor
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <string.h>

#include "base/file_writer.h"
#include "base/memory.h"
#include "base/string.h"
#include "tensor/safetensors_file.h"
#include "tensor/safetensors_plan.h"

struct lyc_safetensors_writer {
    lyc_safetensors_plan *plan;
    lyc_file_writer *file;
    uint64_t header_size;
};

/* The inputs that are files; *ids is to be released. */
static lyc_status list_inputs(lyc_file_id **ids, size_t *count, const lyc_safetensors_writer_options *options,
                              lyc_error *err)
{
    *count = 0;
    *ids = lyc_alloc_zero(options->input_count, sizeof **ids);
    if (*ids == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the list of inputs");
    }
    for (size_t i = 0; i < options->input_count; i++) {
        const lyc_file_map *map = lyc_safetensors_map(options->inputs[i]);
        if (map != NULL) {
            (*ids)[(*count)++] = lyc_file_map_id(map);
        }
    }
    return LYC_OK;
}

static lyc_status open_file(lyc_safetensors_writer *w, const char *path, const lyc_safetensors_writer_options *options,
                            lyc_error *err)
{
    const void *header;
    size_t header_size;
    LYC_TRY(lyc_safetensors_plan_header(&header, &header_size, w->plan, err));
    w->header_size = header_size;
    for (size_t i = 0; i < lyc_safetensors_plan_count(w->plan); i++) {
        lyc_safetensors_plan_find(w->plan, lyc_safetensors_plan_tensor(w->plan, i).name)->written = 0;
    }
    lyc_file_id *inputs = NULL;
    lyc_file_writer_options file_options = {.force = options->force,
                                            .size_bytes = lyc_safetensors_plan_file_bytes(w->plan)};
    LYC_TRY(list_inputs(&inputs, &file_options.input_count, options, err));
    file_options.inputs = inputs;
    const lyc_status status = lyc_file_writer_open(&w->file, path, &file_options, err);
    lyc_free(inputs);
    LYC_TRY(status);
    return lyc_file_writer_append(w->file, header, header_size, err);
}

lyc_status lyc_safetensors_writer_open(lyc_safetensors_writer **out, lyc_safetensors_plan *plan, const char *path,
                                       const lyc_safetensors_writer_options *options, lyc_error *err)
{
    static const lyc_safetensors_writer_options defaults = {0};
    lyc_safetensors_writer *w = lyc_alloc_zero(1, sizeof *w);
    if (w == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to write %s", path);
    }
    w->plan = plan;
    const lyc_status status = open_file(w, path, options != NULL ? options : &defaults, err);
    if (status != LYC_OK) {
        lyc_safetensors_writer_close(w);
        return status;
    }
    *out = w;
    return LYC_OK;
}

/* The tensor of a name that still takes size bytes; all of it when `whole`. */
static lyc_status find_tensor(lyc_plan_tensor **out, const lyc_safetensors_writer *w, const char *name, size_t size,
                              bool whole, lyc_error *err)
{
    char brief[LYC_BRIEF];
    lyc_plan_tensor *tensor = lyc_safetensors_plan_find(w->plan, name);
    lyc_text_brief(brief, sizeof brief, lyc_span_of(name));
    if (tensor == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "tensor '%s' is not in the plan of the file", brief);
    }
    if (whole && tensor->written > 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "tensor '%s' was written already", brief);
    }
    const size_t left = tensor->size - tensor->written;
    if (size > left || (whole && size < left)) {
        return lyc_fail(err, LYC_E_SHAPE, "tensor '%s': %zu bytes, expected %s%zu", brief, size,
                        whole ? "" : "at most ", left);
    }
    *out = tensor;
    return LYC_OK;
}

/* Appends where that is the place; a tensor out of order goes to its place directly. */
static lyc_status write_bytes(lyc_safetensors_writer *w, lyc_plan_tensor *tensor, const void *data, size_t size,
                              lyc_error *err)
{
    const uint64_t offset = w->header_size + tensor->begin + tensor->written;
    if (offset == lyc_file_writer_position(w->file)) {
        LYC_TRY(lyc_file_writer_append(w->file, data, size, err));
    } else {
        LYC_TRY(lyc_file_writer_write_at(w->file, offset, data, size, err));
    }
    tensor->written += size;
    return LYC_OK;
}

lyc_status lyc_safetensors_writer_put(lyc_safetensors_writer *w, const char *name, const void *data, size_t size,
                                      lyc_error *err)
{
    lyc_plan_tensor *tensor;
    LYC_TRY(find_tensor(&tensor, w, name, size, true, err));
    return write_bytes(w, tensor, data, size, err);
}

lyc_status lyc_safetensors_writer_put_part(lyc_safetensors_writer *w, const char *name, const void *data, size_t size,
                                           lyc_error *err)
{
    lyc_plan_tensor *tensor;
    LYC_TRY(find_tensor(&tensor, w, name, size, false, err));
    return write_bytes(w, tensor, data, size, err);
}

lyc_status lyc_safetensors_writer_copy(lyc_safetensors_writer *w, const char *name, const lyc_safetensors *file,
                                       const lyc_tensor_view *source, lyc_error *err)
{
    lyc_plan_tensor *tensor;
    LYC_TRY(find_tensor(&tensor, w, name, source->size_bytes, true, err));
    const lyc_file_map *map = lyc_safetensors_map(file);
    if (map != NULL && w->header_size + tensor->begin == lyc_file_writer_position(w->file)) {
        LYC_TRY(lyc_file_writer_append_map(w->file, map, (size_t)source->file_offset, source->size_bytes, err));
        tensor->written = tensor->size;
        return LYC_OK;
    }
    const lyc_status status = write_bytes(w, tensor, source->data, source->size_bytes, err);
    /* The input's fault is told first: the kernel refuses to write (EFAULT) what a shortened input does not have. */
    if (map != NULL &&
        (lyc_file_map_is_damaged(map) || (status != LYC_OK && lyc_file_map_check(map, NULL) != LYC_OK))) {
        return lyc_file_map_check(map, err);
    }
    return status;
}

lyc_status lyc_safetensors_writer_metadata(lyc_safetensors_writer *w, const char *key, const char *value,
                                           lyc_error *err)
{
    const void *header;
    size_t size;
    LYC_TRY(lyc_safetensors_plan_exchange(w->plan, key, value, err));
    LYC_TRY(lyc_safetensors_plan_header(&header, &size, w->plan, err));
    return lyc_file_writer_rewrite(w->file, 0, header, size, err);
}

lyc_status lyc_safetensors_writer_commit(lyc_safetensors_writer *w, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_plan_count(w->plan); i++) {
        const char *name = lyc_safetensors_plan_tensor(w->plan, i).name;
        const lyc_plan_tensor *tensor = lyc_safetensors_plan_find(w->plan, name);
        if (tensor->written < tensor->size) {
            char brief[LYC_BRIEF];
            return lyc_fail(err, LYC_E_ARGUMENT, "tensor '%s' has %zu bytes of %zu written",
                            lyc_text_brief(brief, sizeof brief, lyc_span_of(name)), tensor->written, tensor->size);
        }
    }
    return lyc_file_writer_commit(w->file, err);
}

void lyc_safetensors_writer_close(lyc_safetensors_writer *w)
{
    if (w == NULL) {
        return;
    }
    lyc_file_writer_close(w->file);
    lyc_free(w);
}
