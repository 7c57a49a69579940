/* merge_write.c - the files of a merged model: changed tensors computed, all others copied
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/file_writer.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/merge_internal.h"
#include "tool/output.h"

/* Files as they are written. */
typedef struct writing {
    const lyc_merge_plan *plan;
    lyc_hashmap by_name; /* tensors of the file that is being written: index + 1 */
    const lyc_task *task;
    lyc_progress progress;
    size_t changed, copied;
    void *values, *stored; /* of a piece */
    size_t values_capacity, stored_capacity;
} writing;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a merged tensor");
}

static bool is_float(lyc_dtype dtype)
{
    return dtype == LYC_F64 || dtype == LYC_F32 || dtype == LYC_F16 || dtype == LYC_BF16;
}

static lyc_dtype dtype_of(const writing *w, const lyc_tensor_view *t)
{
    return w->plan->options->convert && is_float(t->dtype) ? w->plan->options->dtype : t->dtype;
}

/* A diffusers folder, or shards and their index: what is written is a folder. */
static bool is_folder(const lyc_merge_plan *plan)
{
    return lyc_base_model_is_folder(plan->model) || lyc_base_model_file_count(plan->model) > 1;
}

/* --- tensors -------------------------------------------------------------------------------------------------------
 */

/* A number that was finite in the model, or is too large for the type. */
static lyc_status check_finite(const writing *w, const lyc_tensor_view *t, const float *values, size_t count,
                               lyc_dtype dtype, lyc_error *err)
{
    const float limit = dtype == LYC_F16 && !w->plan->options->allow_overflow ? 65520.0f : INFINITY;
    bool bad = false;
    for (size_t i = 0; i < count; i++) { /* without an end on the way, so that it runs as vectors */
        bad |= !(fabsf(values[i]) < limit);
    }
    for (size_t i = 0; bad && i < count; i++) {
        if (!(fabsf(values[i]) < limit)) {
            return isfinite(values[i])
                       ? lyc_fail(err, LYC_E_NUMERIC,
                                  "%s: %g is too large for fp16; bf16 or float as a type, or --allow-overflow", t->name,
                                  (double)values[i])
                       : lyc_fail(err, LYC_E_NUMERIC, "%s: a merged number is not finite", t->name);
        }
    }
    return LYC_OK;
}

static lyc_status put_values(const writing *w, lyc_safetensors_writer *writer, const lyc_tensor_view *t,
                             const float *values, lyc_error *err)
{
    const lyc_dtype dtype = dtype_of(w, t);
    const size_t count = (size_t)lyc_shape_elements(&t->shape);
    size_t bytes;
    LYC_TRY(lyc_shape_bytes(&bytes, &t->shape, dtype, err));
    if (dtype == LYC_F32) {
        return lyc_safetensors_writer_put(writer, t->name, values, bytes, err);
    }
    void *stored = lyc_alloc(bytes > 0 ? bytes : 1);
    if (stored == NULL) {
        return no_memory(err);
    }
    lyc_status status = lyc_dtype_convert_parallel(stored, dtype, values, LYC_F32, count, err);
    status = status == LYC_OK ? lyc_safetensors_writer_put(writer, t->name, stored, bytes, err) : status;
    lyc_free(stored);
    return status;
}

/* Room that is used again. */
static void *scratch(void **memory, size_t *capacity, size_t bytes)
{
    if (bytes > *capacity) {
        lyc_free(*memory);
        *memory = lyc_alloc(bytes);
        *capacity = *memory != NULL ? bytes : 0;
    }
    return *memory;
}

/* A few rows at a time, from the model's file to the new one. */
static lyc_status write_stream(writing *w, lyc_safetensors_writer *writer, lyc_merge_stream *s, lyc_error *err)
{
    const lyc_tensor_view *t = &s->base;
    const int64_t rows = t->shape.dims[0], width = lyc_shape_elements(&t->shape) / rows;
    const lyc_dtype dtype = dtype_of(w, t);
    const size_t largest = (size_t)(s->step * width);
    float *values = scratch(&w->values, &w->values_capacity, largest * sizeof *values);
    void *stored = scratch(&w->stored, &w->stored_capacity, largest * sizeof(double));
    lyc_status status = values != NULL && stored != NULL ? LYC_OK : no_memory(err);
    for (int64_t first = 0; status == LYC_OK && first < rows; first += s->step) {
        const int64_t count = rows - first < s->step ? rows - first : s->step;
        const size_t numbers = (size_t)(count * width);
        status = lyc_merge_stream_rows(values, s, first, count, err);
        status = status == LYC_OK ? check_finite(w, t, values, numbers, dtype, err) : status;
        status = status == LYC_OK ? lyc_dtype_convert_parallel(stored, dtype, values, LYC_F32, numbers, err) : status;
        status = status == LYC_OK ? lyc_safetensors_writer_put_part(writer, t->name, stored,
                                                                    numbers * (size_t)lyc_dtype_bits(dtype) / 8, err)
                                  : status;
    }
    return status;
}

static lyc_status write_changed(writing *w, lyc_safetensors_writer *writer, size_t file, size_t tensor,
                                const lyc_tensor_view *t, lyc_error *err)
{
    const size_t count = (size_t)lyc_shape_elements(&t->shape);
    lyc_merge_stream stream;
    bool possible;
    w->changed++;
    LYC_TRY(lyc_merge_stream_open(&stream, &possible, w->plan, file, tensor, err));
    if (possible) {
        const lyc_status written = write_stream(w, writer, &stream, err);
        lyc_merge_stream_close(&stream);
        return written;
    }
    float *values = lyc_alloc(count * sizeof *values); /* fits: the tensor is in a file */
    if (values == NULL) {
        return no_memory(err);
    }
    lyc_status status = lyc_merge_tensor(values, w->plan, file, tensor, err);
    status = status == LYC_OK ? check_finite(w, t, values, count, dtype_of(w, t), err) : status;
    status = status == LYC_OK ? put_values(w, writer, t, values, err) : status;
    lyc_free(values);
    return status;
}

static lyc_status write_copied(writing *w, lyc_safetensors_writer *writer, const lyc_safetensors *file,
                               const lyc_tensor_view *t, lyc_error *err)
{
    w->copied++;
    if (dtype_of(w, t) == t->dtype) {
        return lyc_safetensors_writer_copy(writer, t->name, file, t, err);
    }
    const size_t count = (size_t)lyc_shape_elements(&t->shape);
    float *values = lyc_alloc(count * sizeof *values + 1);
    if (values == NULL) {
        return no_memory(err);
    }
    lyc_status status = lyc_dtype_convert_parallel(values, LYC_F32, t->data, t->dtype, count, err);
    status = status == LYC_OK ? check_finite(w, t, values, count, dtype_of(w, t), err) : status;
    status = status == LYC_OK ? put_values(w, writer, t, values, err) : status;
    lyc_free(values);
    return status;
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* The name of a file without folder and ending. */
static lyc_status set_metadata(lyc_safetensors_plan *plan, const writing *w, const lyc_safetensors *file,
                               lyc_error *err)
{
    static const char hash[] = "modelspec.hash_sha256";
    const lyc_merge_options *o = w->plan->options;
    lyc_strbuf from = {0}, title = {0};
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        if (!lyc_span_is((lyc_span){entry.key, entry.key_length}, hash)) {
            LYC_TRY(lyc_safetensors_plan_metadata_n(plan, &entry, err));
        }
    }
    if (is_folder(w->plan)) {
        return LYC_OK;
    }
    const lyc_span base = lyc_tool_stem(o->base), output = lyc_tool_stem(o->output);
    lyc_strbuf_append_n(&from, base.text, base.length);
    for (size_t i = 0; i < o->adapter_count; i++) {
        const lyc_span name = lyc_tool_stem(o->adapters[i].path);
        lyc_strbuf_append(&from, ", ");
        lyc_strbuf_append_n(&from, name.text, name.length);
    }
    lyc_strbuf_append_n(&title, output.text, output.length);
    lyc_status status = lyc_strbuf_check(&from, "the metadata of a model", err);
    status = status == LYC_OK ? lyc_strbuf_check(&title, "the metadata of a model", err) : status;
    status = status == LYC_OK ? lyc_safetensors_plan_metadata(plan, "modelspec.merged_from", from.text, err) : status;
    status = status == LYC_OK ? lyc_safetensors_plan_metadata(plan, "modelspec.title", title.text, err) : status;
    lyc_strbuf_clear(&from);
    lyc_strbuf_clear(&title);
    return status;
}

static lyc_status make_plan(lyc_safetensors_plan *plan, writing *w, const lyc_safetensors *file, lyc_error *err)
{
    lyc_hashmap_clear(&w->by_name);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(file, i);
        LYC_TRY(lyc_safetensors_plan_add(plan, t.name, dtype_of(w, &t), &t.shape, err));
        if (!lyc_hashmap_put(&w->by_name, lyc_span_of(t.name), (void *)(uintptr_t)(i + 1))) {
            return no_memory(err);
        }
    }
    return set_metadata(plan, w, file, err);
}

/* Tensors in the order of the new file, so that it is written from front to back. */
static lyc_status write_tensors(writing *w, lyc_safetensors_writer *writer, const lyc_safetensors_plan *plan,
                                size_t index, lyc_error *err)
{
    const lyc_safetensors *file = lyc_base_model_file(w->plan->model, index)->tensors;
    for (size_t i = 0; i < lyc_safetensors_plan_count(plan); i++) {
        const char *name = lyc_safetensors_plan_tensor(plan, i).name;
        const size_t tensor = (size_t)(uintptr_t)lyc_hashmap_get(&w->by_name, lyc_span_of(name)) - 1;
        const lyc_tensor_view t = lyc_safetensors_tensor(file, tensor);
        LYC_TRY(lyc_task_check(w->task, err));
        LYC_TRY(lyc_merge_plan_pieces(w->plan, index, tensor) != NULL ? write_changed(w, writer, index, tensor, &t, err)
                                                                      : write_copied(w, writer, file, &t, err));
        lyc_progress_add(&w->progress, (int64_t)t.size_bytes);
    }
    return LYC_OK;
}

static lyc_status write_file(writing *w, size_t index, const char *path, lyc_error *err)
{
    const lyc_safetensors *file = lyc_base_model_file(w->plan->model, index)->tensors;
    const lyc_safetensors_writer_options options = {
        .force = w->plan->options->force, .inputs = &file, .input_count = 1};
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    lyc_status status = lyc_safetensors_plan_new(&plan, err);
    status = status == LYC_OK ? make_plan(plan, w, file, err) : status;
    status = status == LYC_OK ? lyc_safetensors_writer_open(&writer, plan, path, &options, err) : status;
    status = status == LYC_OK ? write_tensors(w, writer, plan, index, err) : status;
    status = status == LYC_OK ? lyc_base_model_check(w->plan->model, err) : status;
    status = status == LYC_OK ? lyc_safetensors_writer_commit(writer, err) : status;
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return status;
}

/* --- folders -------------------------------------------------------------------------------------------------------
 */

static lyc_status write_member(writing *w, const char *folder, const char *relative, size_t index, bool is_tensors,
                               lyc_error *err)
{
    lyc_arena arena = {0};
    const char *to = lyc_path_join(&arena, folder, lyc_span_of(relative));
    const lyc_span beside = lyc_path_folder(w->plan->options->base); /* of an index of shards */
    const char *root = lyc_base_model_is_folder(w->plan->model) ? w->plan->options->base
                                                                : lyc_arena_text_n(&arena, beside.text, beside.length);
    const char *from = root != NULL ? lyc_path_join(&arena, root, lyc_span_of(relative)) : NULL;
    lyc_status status = to != NULL && from != NULL ? lyc_folder_make_for(folder, relative, err) : no_memory(err);
    if (status == LYC_OK) {
        status = is_tensors ? write_file(w, index, to, err) : lyc_file_copy(from, to, err);
    }
    lyc_arena_clear(&arena);
    return status;
}

/* All of it under another name, which is exchanged for the right one at the end. */
static lyc_status write_folder(writing *w, lyc_error *err)
{
    const lyc_base_model *model = w->plan->model;
    char temporary[LYC_KEY_PATH * 16];
    lyc_status status = lyc_folder_temporary(temporary, sizeof temporary, w->plan->options->output, err);
    for (size_t i = 0; status == LYC_OK && i < lyc_base_model_file_count(model); i++) {
        status = write_member(w, temporary, lyc_base_model_file(model, i)->relative, i, true, err);
    }
    for (size_t i = 0; status == LYC_OK && i < lyc_base_model_other_count(model); i++) {
        status = write_member(w, temporary, lyc_base_model_other(model, i), 0, false, err);
    }
    status = status == LYC_OK ? lyc_folder_rename(temporary, w->plan->options->output, err) : status;
    if (status != LYC_OK) {
        lyc_folder_remove_all(temporary);
    }
    return status;
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */

static lyc_status check_output(const lyc_merge_plan *p, uint64_t bytes, lyc_error *err)
{
    const lyc_merge_options *o = p->options;
    const char **inputs = lyc_alloc_zero(o->adapter_count + 1, sizeof *inputs);
    lyc_file_id id;
    if (inputs == NULL) {
        return no_memory(err);
    }
    inputs[0] = o->base;
    for (size_t i = 0; i < o->adapter_count; i++) {
        inputs[i + 1] = o->adapters[i].path;
    }
    lyc_status status = LYC_OK;
    if (is_folder(p)) {
        status = lyc_file_id_of(&id, o->output, NULL) == LYC_OK
                     ? lyc_fail(err, LYC_E_OUTPUT, "%s is there: a folder is not replaced", o->output)
                     : LYC_OK;
    } else {
        const lyc_tool_output_options options = {
            .path = o->output, .force = o->force, .inputs = inputs, .input_count = o->adapter_count + 1};
        status = lyc_tool_output_check(&options, bytes, err);
    }
    lyc_free(inputs);
    return status;
}

lyc_status lyc_merge_write(size_t *changed, size_t *copied, const lyc_merge_plan *plan, const lyc_task *task,
                           lyc_error *err)
{
    writing w = {.plan = plan, .task = task};
    uint64_t bytes = 0;
    for (size_t i = 0; i < lyc_base_model_file_count(plan->model); i++) {
        bytes += lyc_safetensors_data_bytes(lyc_base_model_file(plan->model, i)->tensors);
    }
    LYC_TRY(check_output(plan, bytes, err));
    if (plan->options->dry_run) {
        return LYC_OK;
    }
    lyc_task_begin(&w.progress, task, "merging", "B", (int64_t)bytes);
    const lyc_status status = is_folder(plan) ? write_folder(&w, err) : write_file(&w, 0, plan->options->output, err);
    lyc_progress_finish(&w.progress);
    lyc_hashmap_clear(&w.by_name);
    lyc_free(w.values);
    lyc_free(w.stored);
    *changed = w.changed;
    *copied = w.copied;
    return status;
}
