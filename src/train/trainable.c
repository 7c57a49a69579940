/* trainable.c - the numbers that a run trains
 *
 * The order of rows, and so of groups, is that of sd-scripts: text encoders before the U-Net.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/trainable.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static const char *const components[] = {"text_encoder", "text_encoder_2", "unet"};
enum { COMPONENTS = sizeof components / sizeof *components, NAME_SIZE = 1024 };

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for what is trained");
}

/* --- groups and rows -----------------------------------------------------------------------------------------------
 */

static int group_of(lyc_trainables *set, const char *component, bool plus, double rate)
{
    for (int i = 0; i < set->group_count; i++) {
        if (strcmp(set->groups[i].component, component) == 0 && set->groups[i].plus == plus) {
            return i;
        }
    }
    set->groups[set->group_count] = (lyc_trainable_group){.component = component, .plus = plus, .rate = rate};
    return set->group_count++;
}

static lyc_status reserve(lyc_trainables *set, lyc_error *err)
{
    if (set->count < set->capacity) {
        return LYC_OK;
    }
    const size_t capacity = set->capacity == 0 ? 1024 : 2 * set->capacity;
    lyc_trainable *rows = lyc_realloc(set->rows, capacity * sizeof *rows);
    set->rows = rows != NULL ? rows : set->rows;
    float **values = rows != NULL ? lyc_realloc(set->values, capacity * sizeof *values) : NULL;
    set->values = values != NULL ? values : set->values;
    set->capacity = values != NULL ? capacity : set->capacity;
    return values != NULL ? LYC_OK : no_memory(err);
}

/* own: whether the set releases row.value; it does so also when this fails. */
static lyc_status add_row(lyc_trainables *set, lyc_trainable row, bool own, const char *component,
                          const char *graph_name, lyc_error *err)
{
    char key[NAME_SIZE];
    const lyc_status status = reserve(set, err);
    if (status != LYC_OK) {
        if (own) {
            lyc_free(row.value);
        }
        return status;
    }
    const int length = snprintf(key, sizeof key, "%s/%s", component, graph_name);
    set->values[set->count] = own ? row.value : NULL;
    set->rows[set->count++] = row;
    set->groups[row.group].count += row.count;
    set->numbers += row.count;
    if (row.name == NULL || length < 0 || length >= NAME_SIZE ||
        !lyc_hashmap_put(&set->by_graph_name, (lyc_span){key, (size_t)length}, (void *)(uintptr_t)set->count)) {
        return no_memory(err);
    }
    return LYC_OK;
}

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

static double rate_of(double *plus_ratio, const lyc_trainable_rates *rates, int component)
{
    const bool unet = component == COMPONENTS - 1;
    *plus_ratio = unet ? rates->unet_plus_ratio : rates->text_plus_ratio;
    return unet ? rates->unet : rates->text[component];
}

static lyc_status add_param(lyc_trainables *set, const lyc_network_entry *entry, const lyc_adapter_param *param,
                            const lyc_trainable_rates *rates, int component, lyc_error *err)
{
    char graph_name[NAME_SIZE];
    double ratio;
    const double rate = rate_of(&ratio, rates, component);
    const bool plus = ratio > 0 && (ratio < 1 || ratio > 1) && strstr(param->name, "lora_up") != NULL;
    snprintf(graph_name, sizeof graph_name, "%s.%s", entry->adapter->name, param->name);
    const lyc_trainable row = {
        .name = lyc_arena_format(&set->arena, "%s.%s", entry->key, param->name),
        .value = param->data,
        .count = lyc_shape_elements(&param->shape),
        .shape = param->shape,
        .group = group_of(set, components[component], plus, plus ? rate * ratio : rate),
    };
    return add_row(set, row, false, components[component], graph_name, err);
}

lyc_status lyc_trainables_add_network(lyc_trainables *set, const lyc_network *network, size_t member,
                                      const lyc_trainable_rates *rates, lyc_error *err)
{
    for (int component = 0; component < COMPONENTS; component++) {
        for (size_t i = 0; i < lyc_network_entry_count(network, member); i++) {
            const lyc_network_entry *entry = lyc_network_entry_at(network, member, i);
            const lyc_adapter *a = entry->adapter;
            for (int k = 0; k < a->n_params && strcmp(entry->component, components[component]) == 0; k++) {
                if (a->params[k].trainable) {
                    LYC_TRY(add_param(set, entry, &a->params[k], rates, component, err));
                }
            }
        }
    }
    return LYC_OK;
}

/* --- native --------------------------------------------------------------------------------------------------------
 */

/* Values as f32, in the order of shape, which is not that of memory where a matrix lies transposed. */
static lyc_status values_of(float **out, const lyc_weight_view *view, lyc_error *err)
{
    const int64_t n = lyc_shape_elements(&view->shape);
    float *values = lyc_alloc_zero((size_t)n, sizeof *values);
    float *stored = view->transposed ? lyc_alloc_zero((size_t)n, sizeof *stored) : NULL;
    if (values == NULL || (view->transposed && stored == NULL)) {
        lyc_free(values);
        lyc_free(stored);
        return no_memory(err);
    }
    const lyc_status status = lyc_dtype_convert_parallel(view->transposed ? stored : values, LYC_F32, view->data,
                                                         view->dtype, (size_t)n, err);
    for (int64_t i = 0; status == LYC_OK && view->transposed && i < n; i++) {
        values[i] = stored[i % view->shape.dims[1] * view->shape.dims[0] + i / view->shape.dims[1]];
    }
    lyc_free(stored);
    if (status != LYC_OK) {
        lyc_free(values);
        return status;
    }
    *out = values;
    return LYC_OK;
}

lyc_status lyc_trainables_add_component(lyc_trainables *set, const lyc_component *component, double rate,
                                        lyc_error *err)
{
    const char *name = lyc_component_kind_name(lyc_component_kind_of(component));
    const int group = group_of(set, name, false, rate);
    for (size_t i = 0; i < lyc_component_count(component); i++) {
        const lyc_weight_view view = lyc_component_at(component, i);
        float *values = NULL;
        if (!lyc_dtype_is_float(view.dtype)) {
            continue; /* position_ids of old files */
        }
        LYC_TRY(values_of(&values, &view, err));
        const lyc_trainable row = {.name = lyc_arena_format(&set->arena, "%s.%s", name, view.name),
                                   .value = values,
                                   .count = lyc_shape_elements(&view.shape),
                                   .shape = view.shape,
                                   .group = group};
        LYC_TRY(add_row(set, row, true, name, view.name, err));
    }
    lyc_component_release_pages(component);
    return LYC_OK;
}

lyc_status lyc_trainables_add_tensor(float **values, lyc_trainables *set, const char *component, const char *name,
                                     const lyc_shape *shape, double rate, lyc_error *err)
{
    const int64_t count = lyc_shape_elements(shape);
    *values = lyc_alloc_zero((size_t)count, sizeof **values);
    if (*values == NULL) {
        return no_memory(err);
    }
    const lyc_trainable row = {.name = lyc_arena_format(&set->arena, "%s.%s", component, name),
                               .value = *values,
                               .count = count,
                               .shape = *shape,
                               .group = group_of(set, component, false, rate)};
    return add_row(set, row, true, component, name, err);
}

void lyc_trainables_clear(lyc_trainables *set)
{
    for (size_t i = 0; i < set->count; i++) {
        lyc_free(set->values[i]);
    }
    lyc_free(set->values);
    lyc_free(set->rows);
    lyc_hashmap_clear(&set->by_graph_name);
    lyc_arena_clear(&set->arena);
    *set = (lyc_trainables){0};
}

lyc_trainable *lyc_trainables_find(const lyc_trainables *set, const char *component, const char *graph_name)
{
    char key[NAME_SIZE];
    const int length = snprintf(key, sizeof key, "%s/%s", component, graph_name);
    if (length < 0 || length >= NAME_SIZE) {
        return NULL;
    }
    const size_t found = (size_t)(uintptr_t)lyc_hashmap_get(&set->by_graph_name, (lyc_span){key, (size_t)length});
    return found != 0 ? &set->rows[found - 1] : NULL;
}

void lyc_trainables_norms(double norms[LYC_TRAIN_GROUPS], const lyc_trainables *set)
{
    double sums[LYC_TRAIN_GROUPS] = {0};
    for (size_t i = 0; i < set->count; i++) {
        const lyc_trainable *row = &set->rows[i];
        double sum = 0;
        for (int64_t k = 0; k < row->count; k++) {
            sum += (double)row->value[k] * (double)row->value[k];
        }
        sums[row->group] += sum;
    }
    for (int i = 0; i < LYC_TRAIN_GROUPS; i++) {
        norms[i] = sqrt(sums[i]);
    }
}
