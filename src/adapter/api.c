/* api.c - lycoris/adapter.h: what an engine asks of an adapter file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adapter/compute.h"
#include "adapter/network_file_internal.h"
#include "adapter/preset.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* --- algorithms ----------------------------------------------------------------------------------------------------
 */

size_t lyc_algorithm_count(void)
{
    size_t n = 0;
    while (lyc_adapter_algorithms[n] != NULL) {
        n++;
    }
    return n;
}

lyc_algorithm_info lyc_algorithm_at(size_t index)
{
    const lyc_adapter_algorithm *a = lyc_adapter_algorithms[index];
    return (lyc_algorithm_info){.name = a->name, .summary = a->summary, .formula = a->formula, .source = a->source};
}

bool lyc_algorithm_option_at(lyc_algorithm_option *out, size_t algorithm, size_t index)
{
    const lyc_option *option = lyc_adapter_option(lyc_adapter_algorithms[algorithm], (int)index);
    if (option != NULL) {
        *out = (lyc_algorithm_option){.name = option->name, .standard = option->standard, .help = option->help};
    }
    return option != NULL;
}

static lyc_adapter_target target_of_shape(const lyc_shape *weight, int groups, bool has_bias)
{
    const lyc_layer_kind kind = weight->rank == 1   ? LYC_LAYER_LAYER_NORM
                                : weight->rank == 2 ? LYC_LAYER_LINEAR
                                                    : LYC_LAYER_CONV2D;
    return (lyc_adapter_target){
        .kind = kind, .weight = *weight, .groups = groups > 0 ? groups : 1, .has_bias = has_bias};
}

bool lyc_algorithm_tensor_at(char *out, size_t size, size_t algorithm, const lyc_shape *weight, size_t index)
{
    lyc_adapter *a = NULL;
    lyc_adapter_file written = {0};
    const lyc_adapter_target target = target_of_shape(weight, 1, true);
    bool found = lyc_adapter_new(&a, lyc_adapter_algorithms[algorithm], "layer", &target, NULL, 0, NULL) == LYC_OK &&
                 lyc_adapter_write(&written, a, NULL) == LYC_OK;
    if (found) {
        found = index < (size_t)written.count;
    }
    if (found) {
        char shape[LYC_SHAPE_TEXT];
        const lyc_tensor_view *tensor = &written.tensors[index];
        snprintf(out, size, "%s %s", tensor->name, lyc_shape_text(shape, sizeof shape, &tensor->shape));
    }
    lyc_adapter_file_clear(&written);
    lyc_adapter_free(a);
    return found;
}

const char *lyc_preset_name_at(size_t index)
{
    return lyc_preset_built_in_name(index);
}

const char *lyc_preset_summary_at(size_t index)
{
    return lyc_preset_built_in_summary(index);
}

/* --- layers of a file ----------------------------------------------------------------------------------------------
 */

lyc_network_layer lyc_network_file_layer(const lyc_network_file *file, size_t index)
{
    const lyc_file_layer *layer = &file->layers[index];
    double alpha = (double)NAN;
    if (lyc_adapter_number(&alpha, &layer->group, "alpha", (double)NAN, NULL) != LYC_OK) {
        alpha = (double)NAN;
    }
    lyc_adapter_target target = {0};
    if (lyc_network_file_target(&target, file, index, NULL) != LYC_OK) {
        target.weight = (lyc_shape){0};
    }
    return (lyc_network_layer){
        .weight = target.weight,
        .name = layer->name,
        .scheme = lyc_key_scheme_name(layer->scheme),
        .component = layer->component,
        .module = layer->entry->name,
        .original = layer->entry->original,
        .algorithm = layer->algorithm->name,
        .rank = lyc_file_layer_rank(layer),
        .alpha = alpha,
        .dora = lyc_adapter_group_find(&layer->group, "dora_scale") != NULL,
        .tensors = layer->group.tensors,
        .tensor_count = layer->group.count,
    };
}

/* --- changes of weights --------------------------------------------------------------------------------------------
 */

/* Buffers of one change, in f32. */
typedef struct change {
    lyc_adapter *adapter;
    size_t elements, outputs; /* of the weight, of the bias */
    lyc_adapter_change values;
} change;

static void change_clear(change *c)
{
    lyc_adapter_free(c->adapter);
    lyc_free(c->values.weight);
    lyc_free(c->values.bias);
}

static lyc_status check_base(const lyc_base_layer *base, lyc_error *err)
{
    size_t bytes;
    if (base->shape.rank < 1 || base->shape.rank > 5) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a weight of %d extents; expected 1 to 5", base->shape.rank);
    }
    return lyc_shape_bytes(&bytes, &base->shape, LYC_F32, err);
}

static lyc_tensor_view base_weight(const lyc_base_layer *base)
{
    lyc_tensor_view view = {.name = "weight", .dtype = base->dtype, .shape = base->shape, .data = base->weight};
    lyc_shape_bytes(&view.size_bytes, &view.shape, view.dtype, NULL);
    return view;
}

lyc_status lyc_network_file_open_adapter(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                         const lyc_base_layer *base, lyc_error *err)
{
    const lyc_file_layer *layer = &file->layers[index];
    const bool has_bias = base->bias != NULL || lyc_adapter_group_find(&layer->group, "diff_b") != NULL ||
                          lyc_adapter_group_find(&layer->group, "b_norm") != NULL;
    const lyc_adapter_target target = target_of_shape(&base->shape, base->groups, has_bias);
    LYC_TRY(check_base(base, err));
    LYC_TRY(lyc_network_file_adapter(out, file, index, &target, err));
    if (!(*out)->incomplete) {
        return LYC_OK;
    }
    const lyc_tensor_view weight = base_weight(base);
    return base->weight != NULL ? lyc_adapter_restore(*out, &weight, err)
                                : lyc_fail(err, LYC_E_ARGUMENT, "%s: the adapter of %s needs the layer's weight",
                                           file->path, layer->name);
}

static lyc_status compute(change *c, const lyc_network_file *file, size_t index, const lyc_base_layer *base,
                          double strength, bool merged, bool with_bias, lyc_error *err)
{
    LYC_TRY(lyc_network_file_open_adapter(&c->adapter, file, index, base, err));
    c->elements = (size_t)lyc_shape_elements(&base->shape);
    c->outputs = (size_t)base->shape.dims[0];
    c->values.merged = merged;
    c->values.weight = lyc_alloc_zero(c->elements, sizeof(float));
    c->values.bias = with_bias ? lyc_alloc_zero(c->outputs, sizeof(float)) : NULL;
    if (c->values.weight == NULL || (with_bias && c->values.bias == NULL)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the change of a layer");
    }
    if (base->weight == NULL && (merged || lyc_adapter_depends_on_weight(c->adapter))) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: the change of %s depends on the layer's weight, which is not given",
                        file->path, file->layers[index].name);
    }
    const lyc_tensor_view weight = base_weight(base);
    lyc_error own;
    const lyc_status status =
        lyc_adapter_compute(&c->values, c->adapter, base->weight != NULL ? &weight : NULL, strength, &own);
    return status == LYC_OK ? LYC_OK
                            : lyc_fail(err, status, "%s: %s: %s", file->path, file->layers[index].name, own.message);
}

lyc_status lyc_network_file_change(void *weight, void *bias, lyc_dtype dtype, const lyc_network_file *file,
                                   size_t index, const lyc_base_layer *base, double strength, lyc_error *err)
{
    change c = {0};
    lyc_status status = compute(&c, file, index, base, strength, false, bias != NULL, err);
    if (status == LYC_OK) {
        status = lyc_dtype_convert_parallel(weight, dtype, c.values.weight, LYC_F32, c.elements, err);
    }
    if (status == LYC_OK && bias != NULL) {
        status = lyc_dtype_convert(bias, dtype, c.values.bias, LYC_F32, c.outputs, err);
    }
    change_clear(&c);
    return status;
}

static lyc_status merge_bias(void *bias, const lyc_base_layer *base, const change *c, lyc_error *err)
{
    float *sum = lyc_alloc_zero(c->outputs, sizeof *sum);
    if (sum == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a bias");
    }
    lyc_status status = lyc_dtype_convert(sum, LYC_F32, base->bias, base->dtype, c->outputs, err);
    for (size_t i = 0; i < c->outputs; i++) {
        sum[i] += c->values.bias[i];
    }
    if (status == LYC_OK) {
        status = lyc_dtype_convert(bias, base->dtype, sum, LYC_F32, c->outputs, err);
    }
    lyc_free(sum);
    return status;
}

/* Bit for bit, to where the caller wants it. */
static void copy_base(void *weight, void *bias, const lyc_base_layer *base)
{
    const lyc_tensor_view view = base_weight(base);
    const size_t element = (size_t)lyc_dtype_bits(base->dtype) / 8;
    if (weight != base->weight) {
        memmove(weight, base->weight, view.size_bytes);
    }
    if (bias != NULL && base->bias != NULL && bias != base->bias) {
        memmove(bias, base->bias, element * (size_t)base->shape.dims[0]);
    }
}

lyc_status lyc_network_file_merge(void *weight, void *bias, const lyc_network_file *file, size_t index,
                                  const lyc_base_layer *base, double strength, lyc_error *err)
{
    change c = {0};
    if (strength == 0 && base->weight != NULL) {
        LYC_TRY(check_base(base, err));
        copy_base(weight, bias, base);
        return LYC_OK;
    }
    const bool with_bias = bias != NULL && base->bias != NULL;
    lyc_status status = compute(&c, file, index, base, strength, true, with_bias, err);
    if (status == LYC_OK && with_bias) {
        status = merge_bias(bias, base, &c, err);
    }
    if (status == LYC_OK) {
        status = lyc_dtype_convert_parallel(weight, base->dtype, c.values.weight, LYC_F32, c.elements, err);
    }
    change_clear(&c);
    return status;
}
