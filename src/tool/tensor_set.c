/* tensor_set.c - the tensors of a file that a tool is going to write
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/tensor_set.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/hashed_write.h"
#include "tensor/shape.h"

/* Where the data of a tensor comes from: view.data, or what is made. */
typedef struct lyc_tensor_source {
    lyc_tensor_view view;
    lyc_tensor_maker make;
    void *context;
    size_t row_bytes; /* of the matrix at view.data, of whose rows the tensor has the beginnings; 0: it has all */
} lyc_tensor_source;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of a file");
}

lyc_status lyc_tensor_set_start(lyc_tensor_set *set, bool allow_overflow, lyc_error *err)
{
    *set = (lyc_tensor_set){.allow_overflow = allow_overflow};
    return lyc_safetensors_plan_new(&set->plan, err);
}

void lyc_tensor_set_clear(lyc_tensor_set *set)
{
    lyc_safetensors_plan_free(set->plan);
    lyc_hashmap_clear(&set->tensors);
    lyc_arena_clear(&set->arena);
    lyc_free(set->narrow);
    lyc_free(set->made);
    *set = (lyc_tensor_set){0};
}

static lyc_status add(lyc_tensor_set *set, const char *name, const lyc_tensor_source *source, lyc_dtype dtype,
                      lyc_error *err)
{
    const lyc_tensor_view *view = &source->view;
    const bool narrows = lyc_dtype_is_float(view->dtype) && lyc_dtype_is_float(dtype);
    lyc_tensor_source *kept = lyc_arena_copy(&set->arena, source, sizeof *source);
    if (kept == NULL || !lyc_hashmap_put(&set->tensors, lyc_span_of(name), kept)) {
        return no_memory(err);
    }
    return lyc_safetensors_plan_add(set->plan, name, narrows ? dtype : view->dtype, &view->shape, err);
}

lyc_status lyc_tensor_set_add(lyc_tensor_set *set, const char *name, const lyc_tensor_view *data, lyc_dtype dtype,
                              lyc_error *err)
{
    return add(set, name, &(lyc_tensor_source){.view = *data}, dtype, err);
}

lyc_status lyc_tensor_set_add_columns(lyc_tensor_set *set, const char *name, const lyc_tensor_view *matrix,
                                      int64_t columns, lyc_error *err)
{
    lyc_tensor_source source = {.view = *matrix};
    source.row_bytes = matrix->shape.dims[0] > 0 ? matrix->size_bytes / (size_t)matrix->shape.dims[0] : 0;
    source.view.shape.dims[1] = columns;
    LYC_TRY(lyc_shape_bytes(&source.view.size_bytes, &source.view.shape, matrix->dtype, err));
    return add(set, name, &source, matrix->dtype, err);
}

lyc_status lyc_tensor_set_add_made(lyc_tensor_set *set, const char *name, lyc_tensor_maker make, void *context,
                                   const lyc_shape *shape, lyc_dtype dtype, lyc_error *err)
{
    lyc_tensor_source source = {.view = {.dtype = LYC_F32, .shape = *shape}, .make = make, .context = context};
    LYC_TRY(lyc_shape_bytes(&source.view.size_bytes, shape, LYC_F32, err));
    return add(set, name, &source, dtype, err);
}

lyc_status lyc_tensor_set_add_f32(lyc_tensor_set *set, const char *name, const float *data, const lyc_shape *shape,
                                  lyc_dtype dtype, lyc_error *err)
{
    lyc_tensor_view view = {.name = name, .dtype = LYC_F32, .shape = *shape, .data = data};
    LYC_TRY(lyc_shape_bytes(&view.size_bytes, shape, LYC_F32, err));
    return lyc_tensor_set_add(set, name, &view, dtype, err);
}

lyc_status lyc_tensor_set_add_number(lyc_tensor_set *set, const char *name, double value, const lyc_shape *shape,
                                     lyc_dtype dtype, lyc_error *err)
{
    const float number = (float)value;
    const float *kept = lyc_arena_copy(&set->arena, &number, sizeof number);
    return kept == NULL ? no_memory(err) : lyc_tensor_set_add_f32(set, name, kept, shape, dtype, err);
}

lyc_status lyc_tensor_set_copy_metadata(lyc_tensor_set *set, const lyc_safetensors *file, const char *const *without,
                                        lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        const lyc_span key = {entry.key, entry.key_length};
        bool left_out = lyc_span_starts_with(key, "sshs_") || lyc_span_is(key, "modelspec.hash_sha256");
        for (size_t k = 0; without != NULL && without[k] != NULL; k++) {
            left_out |= lyc_span_is(key, without[k]);
        }
        if (!left_out) {
            LYC_TRY(lyc_safetensors_plan_metadata_n(set->plan, &entry, err));
        }
    }
    return LYC_OK;
}

uint64_t lyc_tensor_set_bytes(const lyc_tensor_set *set)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < lyc_safetensors_plan_count(set->plan); i++) {
        sum += lyc_safetensors_plan_tensor(set->plan, i).size_bytes;
    }
    return sum;
}

static lyc_status check_numbers(const lyc_tensor_view *tensor, const void *data, lyc_error *err)
{
    char brief[LYC_BRIEF];
    const size_t element = (size_t)lyc_dtype_bits(tensor->dtype) / 8;
    const size_t n = (size_t)lyc_shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(lyc_dtype_load(tensor->dtype, (const char *)data + i * element))) {
            return lyc_fail(
                err, LYC_E_NUMERIC, "'%s' has a number that is not finite, or too large for %s; BF16 and F32 hold more",
                lyc_text_brief(brief, sizeof brief, lyc_span_of(tensor->name)), lyc_dtype_name(tensor->dtype));
        }
    }
    return LYC_OK;
}

static lyc_status grow(void **block, size_t *size, size_t wanted, lyc_error *err)
{
    if (wanted > *size) {
        lyc_free(*block);
        *block = lyc_alloc(wanted);
        *size = *block != NULL ? wanted : 0;
    }
    return *block == NULL ? no_memory(err) : LYC_OK;
}

static lyc_status make(const void **data, lyc_tensor_set *set, const lyc_tensor_source *source, lyc_error *err)
{
    LYC_TRY(grow(&set->made, &set->made_size, source->view.size_bytes, err));
    *data = set->made;
    if (source->make != NULL) {
        return source->make(source->context, set->made, err);
    }
    const size_t rows = (size_t)source->view.shape.dims[0], bytes = source->view.size_bytes / rows;
    for (size_t i = 0; i < rows; i++) {
        memcpy((char *)set->made + i * bytes, (const char *)source->view.data + i * source->row_bytes, bytes);
    }
    return LYC_OK;
}

static lyc_status produce(void *context, const void **data, const lyc_tensor_view *tensor, lyc_error *err)
{
    lyc_tensor_set *set = context;
    const lyc_tensor_source *source = lyc_hashmap_get(&set->tensors, lyc_span_of(tensor->name));
    *data = source->view.data;
    if (source->make != NULL || source->row_bytes > 0) {
        LYC_TRY(make(data, set, source, err));
    }
    if (source->view.dtype != tensor->dtype) {
        const size_t n = (size_t)lyc_shape_elements(&tensor->shape);
        LYC_TRY(grow(&set->narrow, &set->narrow_size, tensor->size_bytes, err));
        LYC_TRY(lyc_dtype_convert_parallel(set->narrow, tensor->dtype, *data, source->view.dtype, n, err));
        *data = set->narrow;
    }
    const bool last = ++set->written == lyc_safetensors_plan_count(set->plan);
    for (size_t i = 0; last && i < set->options->input_count; i++) {
        LYC_TRY(lyc_safetensors_check(set->options->inputs[i], err));
    }
    return set->allow_overflow || !lyc_dtype_is_float(tensor->dtype) ? LYC_OK : check_numbers(tensor, *data, err);
}

lyc_status lyc_tensor_set_write(const char *path, lyc_tensor_set *set, const lyc_safetensors_writer_options *options,
                                const lyc_task *task, lyc_error *err)
{
    set->options = options;
    set->written = 0;
    return lyc_hashed_write(path, set->plan, options, produce, set, "writing", task, err);
}
