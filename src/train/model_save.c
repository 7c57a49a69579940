/* model_save.c - a file of a model with the weights that were trained
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/model_save.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* Numbers that belong into a tensor of the source; several where it stacks matrices. */
typedef struct piece {
    lyc_weight_view view;
    const lyc_trainable *row;
    size_t next; /* index + 1 of another piece of the same tensor; 0: none */
} piece;

typedef struct saving {
    const lyc_model_save_options *options;
    lyc_safetensors *source;
    piece *pieces;
    size_t count;
    lyc_hashmap by_key; /* key of the source: index + 1 */
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
} saving;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for saving a model");
}

/* --- what goes where -----------------------------------------------------------------------------------------------
 */

static lyc_status add_component(saving *s, const char *source, const lyc_component *component,
                                const lyc_trainables *trained, lyc_error *err)
{
    const char *name = lyc_component_kind_name(lyc_component_kind_of(component));
    for (size_t i = 0; i < lyc_component_count(component); i++) {
        const lyc_weight_view view = lyc_component_at(component, i);
        const lyc_trainable *row = lyc_trainables_find(trained, name, view.name);
        if (row == NULL || strcmp(view.file, source) != 0) {
            continue;
        }
        const lyc_span key = lyc_span_of(view.key);
        s->pieces[s->count] = (piece){view, row, (size_t)(uintptr_t)lyc_hashmap_get(&s->by_key, key)};
        if (!lyc_hashmap_put(&s->by_key, key, (void *)(uintptr_t)++s->count)) {
            return no_memory(err);
        }
    }
    return LYC_OK;
}

static lyc_status find_pieces(saving *s, const char *source, const lyc_train_model *model,
                              const lyc_trainables *trained, lyc_error *err)
{
    s->pieces = lyc_alloc_zero(trained->count + 1, sizeof *s->pieces);
    if (s->pieces == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < model->part_count; i++) {
        LYC_TRY(add_component(s, source, model->parts[i].weights, trained, err));
    }
    return s->count > 0 ? LYC_OK : lyc_fail(err, LYC_E_ARGUMENT, "nothing that was trained lies in %s", source);
}

static size_t first_piece(const saving *s, const char *key)
{
    return (size_t)(uintptr_t)lyc_hashmap_get(&s->by_key, lyc_span_of(key));
}

static lyc_dtype dtype_of(const saving *s, const lyc_tensor_view *tensor)
{
    return s->options->as_stored || first_piece(s, tensor->name) == 0 ? tensor->dtype : s->options->dtype;
}

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

static lyc_status check(const piece *p, const char *data, lyc_dtype dtype, lyc_error *err)
{
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    for (int64_t i = 0; i < p->row->count; i++) {
        if (!isfinite(lyc_dtype_load(dtype, data + (size_t)i * element))) {
            return lyc_fail(err, LYC_E_NUMERIC, "%s has a number that is not finite in %s", p->row->name,
                            lyc_dtype_name(dtype));
        }
    }
    return LYC_OK;
}

/* Puts a row where the source has it; data is the tensor in the type that is written. */
static lyc_status put_piece(char *data, const lyc_tensor_view *tensor, const piece *p, lyc_dtype dtype, lyc_error *err)
{
    const size_t stored = (size_t)lyc_dtype_bits(tensor->dtype) / 8;
    const size_t first = (size_t)(p->view.file_offset - tensor->file_offset) / stored;
    char *place = data + first * (size_t)lyc_dtype_bits(dtype) / 8;
    const float *values = p->row->value;
    float *turned = NULL;
    if (p->view.transposed) {
        const int64_t rows = p->row->shape.dims[0];
        const int64_t columns = p->row->shape.dims[1];
        turned = lyc_alloc_zero((size_t)p->row->count, sizeof *turned);
        if (turned == NULL) {
            return no_memory(err);
        }
        for (int64_t i = 0; i < p->row->count; i++) {
            turned[i % columns * rows + i / columns] = values[i];
        }
        values = turned;
    }
    const lyc_status status = lyc_dtype_convert_parallel(place, dtype, values, LYC_F32, (size_t)p->row->count, err);
    lyc_free(turned);
    return status == LYC_OK ? check(p, place, dtype, err) : status;
}

static lyc_status write_trained(saving *s, const lyc_tensor_view *tensor, size_t first, lyc_error *err)
{
    size_t size;
    const lyc_dtype dtype = dtype_of(s, tensor);
    LYC_TRY(lyc_shape_bytes(&size, &tensor->shape, dtype, err));
    char *data = lyc_alloc(size);
    if (data == NULL) {
        return no_memory(err);
    }
    lyc_status status = lyc_dtype_convert_parallel(data, dtype, tensor->data, tensor->dtype,
                                                   (size_t)lyc_shape_elements(&tensor->shape), err);
    for (size_t i = first; i != 0 && status == LYC_OK; i = s->pieces[i - 1].next) {
        status = put_piece(data, tensor, &s->pieces[i - 1], dtype, err);
    }
    status = status == LYC_OK ? lyc_safetensors_writer_put(s->writer, tensor->name, data, size, err) : status;
    lyc_free(data);
    return status;
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

static lyc_status make_plan(saving *s, lyc_error *err)
{
    LYC_TRY(lyc_safetensors_plan_new(&s->plan, err));
    for (size_t i = 0; i < lyc_safetensors_count(s->source); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(s->source, i);
        LYC_TRY(lyc_safetensors_plan_add(s->plan, tensor.name, dtype_of(s, &tensor), &tensor.shape, err));
    }
    LYC_TRY(lyc_safetensors_plan_copy_metadata(s->plan, s->source, err));
    for (size_t i = 0; i < s->options->metadata_count; i++) {
        LYC_TRY(lyc_safetensors_plan_metadata_n(s->plan, &s->options->metadata[i], err));
    }
    return LYC_OK;
}

static lyc_status write_file(saving *s, const char *path, lyc_error *err)
{
    const lyc_safetensors *inputs[] = {s->source};
    const lyc_safetensors_writer_options options = {.force = s->options->force, .inputs = inputs, .input_count = 1};
    LYC_TRY(make_plan(s, err));
    LYC_TRY(lyc_safetensors_writer_open(&s->writer, s->plan, path, &options, err));
    for (size_t i = 0; i < lyc_safetensors_plan_count(s->plan); i++) {
        lyc_tensor_view tensor;
        const char *name = lyc_safetensors_plan_tensor(s->plan, i).name;
        if (!lyc_safetensors_find(&tensor, s->source, name)) {
            return lyc_fail(err, LYC_E_IO, "the source has lost %s", name);
        }
        const size_t first = first_piece(s, name);
        LYC_TRY(first != 0 ? write_trained(s, &tensor, first, err)
                           : lyc_safetensors_writer_copy(s->writer, name, s->source, &tensor, err));
    }
    return lyc_safetensors_writer_commit(s->writer, err);
}

lyc_status lyc_model_save(const char *path, const char *source, const lyc_train_model *model,
                          const lyc_trainables *trained, const lyc_model_save_options *options, lyc_error *err)
{
    saving s = {.options = options};
    lyc_status status = lyc_safetensors_open(&s.source, source, NULL, err);
    status = status == LYC_OK ? find_pieces(&s, source, model, trained, err) : status;
    status = status == LYC_OK ? write_file(&s, path, err) : status;
    lyc_safetensors_writer_close(s.writer);
    lyc_safetensors_plan_free(s.plan);
    lyc_safetensors_close(s.source);
    lyc_hashmap_clear(&s.by_key);
    lyc_free(s.pieces);
    return status;
}
