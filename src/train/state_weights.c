/* state_weights.c - the tensors of a state: trained numbers, what their optimiser has, their average
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/state_weights.h"

#include <stdio.h>

#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { NAME_SIZE = 1100 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the state of a training");
}

/* --- saving --------------------------------------------------------------------------------------------------------
 */

static lyc_status reserve(lyc_state_list *list, lyc_error *err)
{
    if (list->count < list->capacity) {
        return LYC_OK;
    }
    const size_t capacity = list->capacity == 0 ? 1024 : 2 * list->capacity;
    lyc_state_tensor *tensors = lyc_realloc(list->tensors, capacity * sizeof *tensors);
    if (tensors == NULL) {
        return no_memory(err);
    }
    list->tensors = tensors;
    list->capacity = capacity;
    return LYC_OK;
}

lyc_status lyc_state_list_add(lyc_state_list *list, const char *prefix, const char *name, const lyc_tensor_view *view,
                              lyc_error *err)
{
    const char *full = lyc_arena_format(&list->names, "%s%s", prefix, name);
    LYC_TRY(full != NULL ? reserve(list, err) : no_memory(err));
    list->tensors[list->count++] = (lyc_state_tensor){.name = full, .view = *view};
    return LYC_OK;
}

static lyc_status add_values(lyc_state_list *list, const lyc_trainable *row, lyc_dtype dtype, lyc_error *err)
{
    lyc_tensor_view view = {.dtype = dtype, .shape = row->shape, .data = row->value};
    LYC_TRY(lyc_shape_bytes(&view.size_bytes, &row->shape, dtype, err));
    if (dtype != LYC_F32) {
        void *narrow = lyc_arena_alloc(&list->names, view.size_bytes + 1, 1);
        if (narrow == NULL) {
            return no_memory(err);
        }
        LYC_TRY(lyc_dtype_convert_parallel(narrow, dtype, row->value, LYC_F32, (size_t)row->count, err));
        view.data = narrow;
    }
    return lyc_state_list_add(list, "param.", row->name, &view, err);
}

lyc_status lyc_state_list_weights(lyc_state_list *list, const lyc_trainables *set, lyc_dtype dtype,
                                  const lyc_optimizer *optimizer, const lyc_ema *ema, lyc_error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const lyc_trainable *row = &set->rows[i];
        LYC_TRY(add_values(list, row, dtype, err));
        if (ema != NULL) {
            const lyc_tensor_view view = {.dtype = LYC_F32,
                                          .shape = row->shape,
                                          .data = ema->averages[i],
                                          .size_bytes = (size_t)row->count * sizeof(float)};
            LYC_TRY(lyc_state_list_add(list, "ema.", row->name, &view, err));
        }
    }
    for (size_t i = 0; i < lyc_optimizer_state_count(optimizer); i++) {
        char name[NAME_SIZE];
        const lyc_tensor_view view = lyc_optimizer_state_at(optimizer, i);
        lyc_optimizer_state_name(name, sizeof name, optimizer, i);
        LYC_TRY(lyc_state_list_add(list, "", name, &view, err));
    }
    return LYC_OK;
}

void lyc_state_list_clear(lyc_state_list *list)
{
    lyc_free(list->tensors);
    lyc_arena_clear(&list->names);
    *list = (lyc_state_list){0};
}

/* --- going on ------------------------------------------------------------------------------------------------------
 */

/* A tensor of one type, as numbers of another, which can be the same. */
static lyc_status take_as(void *out, lyc_dtype wanted, const lyc_safetensors *file, const char *prefix,
                          const char *name, lyc_dtype dtype, int64_t count, lyc_error *err)
{
    char full[NAME_SIZE];
    lyc_tensor_view view;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (!lyc_safetensors_find(&view, file, full) || view.dtype != dtype || lyc_shape_elements(&view.shape) != count) {
        return lyc_fail(err, LYC_E_FORMAT, "the state has no %s of %lld numbers of type %s", full, (long long)count,
                        lyc_dtype_name(dtype));
    }
    return lyc_dtype_convert_parallel(out, wanted, view.data, dtype, (size_t)count, err);
}

lyc_status lyc_state_take(void *out, const lyc_safetensors *file, const char *prefix, const char *name, lyc_dtype dtype,
                          int64_t count, lyc_error *err)
{
    return take_as(out, dtype, file, prefix, name, dtype, count, err);
}

lyc_status lyc_state_take_weights(lyc_trainables *set, lyc_dtype dtype, lyc_optimizer *optimizer, lyc_ema *ema,
                                  const lyc_safetensors *file, lyc_error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const lyc_trainable *row = &set->rows[i];
        LYC_TRY(take_as(row->value, LYC_F32, file, "param.", row->name, dtype, row->count, err));
        if (ema != NULL) {
            LYC_TRY(lyc_state_take(ema->averages[i], file, "ema.", row->name, LYC_F32, row->count, err));
        }
    }
    return lyc_optimizer_load(optimizer, file, err);
}
