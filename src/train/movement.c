/* movement.c - how far training has moved the weights
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/movement.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* A layer belongs to the first group whose component and beginning of the name are its own. */
static const struct {
    const char *name, *component, *prefix;
} groups[LYC_MOVEMENT_GROUPS] = {
    {"text_encoder", "text_encoder", ""}, {"text_encoder_2", "text_encoder_2", ""},
    {"unet/down", "unet", "down_"},       {"unet/middle", "unet", "mid_"},
    {"unet/up", "unet", "up_"},           {"unet/other", "unet", ""},
};

typedef struct sums {
    double change[LYC_MOVEMENT_GROUPS];
    double weight[LYC_MOVEMENT_GROUPS];
} sums;

const char *lyc_movement_group_name(int group)
{
    return groups[group].name;
}

static int group_of(const char *component, const char *module)
{
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        if (strcmp(groups[i].component, component) == 0 &&
            strncmp(groups[i].prefix, module, strlen(groups[i].prefix)) == 0) {
            return i;
        }
    }
    return LYC_MOVEMENT_GROUPS - 1;
}

static double squares(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for measuring how far weights have moved");
}

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

static const lyc_component *component_named(const lyc_train_model *model, const char *name)
{
    for (size_t i = 0; i < model->part_count; i++) {
        if (strcmp(model->parts[i].inventory->component, name) == 0) {
            return model->parts[i].weights;
        }
    }
    return NULL;
}

static lyc_status add_adapter(sums *s, const lyc_component *component, const lyc_network_entry *entry, lyc_error *err)
{
    char name[512];
    lyc_weight_view view;
    snprintf(name, sizeof name, "%s.weight", entry->module);
    if (component == NULL || !lyc_component_find(&view, component, name) || view.transposed) {
        return LYC_OK;
    }
    const int64_t n = lyc_shape_elements(&view.shape);
    const int group = group_of(entry->component, entry->module);
    const lyc_tensor_view weight = {.name = view.name,
                                    .dtype = view.dtype,
                                    .shape = view.shape,
                                    .data = view.data,
                                    .size_bytes = view.size_bytes,
                                    .file_offset = view.file_offset};
    float *numbers = lyc_alloc_zero((size_t)n, sizeof *numbers);
    if (numbers == NULL) {
        return no_memory(err);
    }
    lyc_adapter_change change = {.weight = numbers};
    lyc_status status = lyc_adapter_compute(&change, entry->adapter, &weight, 1, err);
    s->change[group] += squares(numbers, n);
    status =
        status == LYC_OK ? lyc_dtype_convert_parallel(numbers, LYC_F32, view.data, view.dtype, (size_t)n, err) : status;
    s->weight[group] += squares(numbers, n);
    lyc_free(numbers);
    return status;
}

/* --- native --------------------------------------------------------------------------------------------------------
 */

static lyc_status add_component(sums *s, const lyc_component *component, const lyc_trainables *set, lyc_error *err)
{
    const char *name = lyc_component_kind_name(lyc_component_kind_of(component));
    for (size_t i = 0; i < lyc_component_count(component); i++) {
        const lyc_weight_view view = lyc_component_at(component, i);
        const lyc_trainable *row = lyc_trainables_find(set, name, view.name);
        if (row == NULL || view.transposed) {
            continue;
        }
        const int group = group_of(name, view.name);
        float *numbers = lyc_alloc_zero((size_t)row->count, sizeof *numbers);
        if (numbers == NULL) {
            return no_memory(err);
        }
        const lyc_status status =
            lyc_dtype_convert_parallel(numbers, LYC_F32, view.data, view.dtype, (size_t)row->count, err);
        s->weight[group] += squares(numbers, row->count);
        for (int64_t k = 0; k < row->count; k++) {
            numbers[k] = row->value[k] - numbers[k];
        }
        s->change[group] += squares(numbers, row->count);
        lyc_free(numbers);
        LYC_TRY(status);
    }
    lyc_component_release_pages(component);
    return LYC_OK;
}

lyc_status lyc_movement_measure(lyc_movement *out, const lyc_train_model *model, const lyc_network *network,
                                size_t member, const lyc_trainables *set, lyc_error *err)
{
    sums s = {{0}, {0}};
    double change = 0;
    double weight = 0;
    for (size_t i = 0; network != NULL && i < lyc_network_entry_count(network, member); i++) {
        const lyc_network_entry *entry = lyc_network_entry_at(network, member, i);
        LYC_TRY(add_adapter(&s, component_named(model, entry->component), entry, err));
    }
    for (size_t i = 0; network == NULL && i < model->part_count; i++) {
        LYC_TRY(add_component(&s, model->parts[i].weights, set, err));
    }
    for (int i = 0; i < LYC_MOVEMENT_GROUPS; i++) {
        out->groups[i] = s.weight[i] > 0 ? sqrt(s.change[i] / s.weight[i]) : (double)NAN;
        change += s.change[i];
        weight += s.weight[i];
    }
    out->all = weight > 0 ? sqrt(change / weight) : (double)NAN;
    return LYC_OK;
}
