/* adapter_write.c - what a file has of an adapter
 *
 * The scalar is never written: it is multiplied into the tensor that the change is proportional to. Alpha is what a
 * reader divides by the rank to get the scale, whatever the adapter was trained with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "adapter/adapter_internal.h"
#include "tensor/shape.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for an adapter's tensors");
}

lyc_status lyc_adapter_file_add(lyc_adapter_file *file, const char *name, lyc_dtype dtype, const lyc_shape *shape,
                                const void *data, lyc_error *err)
{
    assert(file->count < (int)(sizeof file->tensors / sizeof file->tensors[0]));
    lyc_tensor_view *tensor = &file->tensors[file->count];
    if (data == NULL) {
        return no_memory(err);
    }
    *tensor = (lyc_tensor_view){.name = name, .dtype = dtype, .shape = *shape, .data = data};
    LYC_TRY(lyc_shape_bytes(&tensor->size_bytes, shape, dtype, err));
    file->count++;
    return LYC_OK;
}

lyc_status lyc_adapter_file_number(lyc_adapter_file *file, const char *name, double value, lyc_error *err)
{
    const float rounded = (float)value;
    return lyc_adapter_file_add(file, name, LYC_F32, &(lyc_shape){.rank = 0},
                                lyc_arena_copy(&file->arena, &rounded, sizeof rounded), err);
}

static bool is_proportional(const lyc_adapter *a, const char *name)
{
    for (int i = 0; i < 2; i++) {
        const char *p = a->algorithm->proportional[i];
        if (p != NULL && strcmp(p, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A copy of the numbers times a factor; NULL when there is no memory. */
static float *scaled(lyc_arena *arena, const lyc_adapter_param *p, double factor)
{
    const size_t n = (size_t)lyc_shape_elements(&p->shape);
    float *out = lyc_arena_alloc(arena, n, sizeof *out);
    for (size_t i = 0; out != NULL && i < n; i++) {
        out[i] = (float)((double)p->data[i] * factor);
    }
    return out;
}

lyc_status lyc_adapter_file_params(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err)
{
    const lyc_adapter_param *scalar = lyc_adapter_param_find(a, "scalar");
    for (int i = 0; i < a->n_params; i++) {
        const lyc_adapter_param *p = &a->params[i];
        if (!p->saved) {
            continue;
        }
        const void *data = p->data;
        if (scalar != NULL && is_proportional(a, p->name)) {
            data = scaled(&file->arena, p, (double)scalar->data[0]);
        }
        LYC_TRY(lyc_adapter_file_add(file, p->name, LYC_F32, &p->shape, data, err));
    }
    return LYC_OK;
}

lyc_status lyc_adapter_write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err)
{
    const lyc_adapter_config *config = a->config;
    *file = (lyc_adapter_file){0};
    lyc_status status;
    if (a->algorithm->write != NULL) {
        status = a->algorithm->write(file, a, err);
    } else {
        status = (a->algorithm->common & LYC_ADAPTER_ALPHA) != 0
                     ? lyc_adapter_file_number(file, "alpha", a->scale * (double)config->rank, err)
                     : LYC_OK;
        status = status != LYC_OK ? status : lyc_adapter_file_params(file, a, err);
    }
    if (status != LYC_OK) {
        lyc_adapter_file_clear(file);
    }
    return status;
}

void lyc_adapter_file_clear(lyc_adapter_file *file)
{
    lyc_arena_clear(&file->arena);
    file->count = 0;
}

bool lyc_adapter_knows(const lyc_adapter *a, const char *suffix)
{
    const lyc_adapter_param *p = lyc_adapter_param_find(a, suffix);
    if (p != NULL) {
        return p->saved;
    }
    for (const char *const *extra = a->algorithm->extras; extra != NULL && *extra != NULL; extra++) {
        if (strcmp(*extra, suffix) == 0) {
            return true;
        }
    }
    return (a->algorithm->common & LYC_ADAPTER_ALPHA) != 0 && strcmp(suffix, "alpha") == 0;
}
