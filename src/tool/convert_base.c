/* convert_base.c - layers whose change depends on the weight that they are for
 *
 * Of DoRA, GLoRA, (IA)^3 and rotations a file does not say the change, and of the last two not even how large the layer
 * is: both come from the base model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/compute.h"
#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/convert.h"

static lyc_status refuse(const lyc_conversion *c, const lyc_file_layer *source, const char *why, lyc_error *err)
{
    return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s' is %s, %s", lyc_network_file_path(c->file), source->name,
                    source->algorithm->name, why);
}

bool lyc_convert_needs_base(const lyc_file_layer *source)
{
    return !source->algorithm->additive || lyc_adapter_group_find(&source->group, "dora_scale") != NULL;
}

static bool find_module(lyc_base_module *out, const lyc_conversion *c, const lyc_file_layer *source)
{
    for (size_t unit = 0; unit < lyc_base_model_unit_count(c->base); unit++) {
        if (lyc_base_model_find(out, c->base, unit, source->component, source->entry->name)) {
            return true;
        }
    }
    return false;
}

/* The file's own shape where that is the same matrix: 1x1 convolutions and linear layers are the same numbers. */
static lyc_shape shape_of(const lyc_conversion *c, size_t index, const lyc_shape *base)
{
    lyc_adapter_target target;
    const bool told = lyc_network_file_target(&target, c->file, index, NULL) == LYC_OK;
    return told && target.weight.rank != base->rank && target.weight.dims[0] == base->dims[0] &&
                   lyc_shape_elements(&target.weight) == lyc_shape_elements(base)
               ? target.weight
               : *base;
}

lyc_status lyc_convert_find_base(lyc_convert_layer *layer, const lyc_conversion *c, lyc_error *err)
{
    const lyc_file_layer *source = lyc_network_file_at(c->file, layer->index);
    if (c->base == NULL) {
        return refuse(c, source, "whose change depends on the base weight (--base)", err);
    }
    if (!find_module(&layer->base, c, source)) {
        return refuse(c, source, "and the base model has no such layer", err);
    }
    const lyc_shape shape = shape_of(c, layer->index, &layer->base.weight.shape);
    if (shape.rank == 2 && layer->base.original != lyc_file_layer_is_original(source) &&
        lyc_fused_swaps_halves(source->entry->name, shape.dims[0], shape.dims[1])) {
        return refuse(c, source, "whose halves the base model has in the other order", err);
    }
    layer->based = true;
    layer->target = (lyc_adapter_target){.kind = shape.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D,
                                         .weight = shape,
                                         .groups = 1,
                                         .has_bias = layer->base.bias.count > 0};
    return LYC_OK;
}

lyc_status lyc_convert_open(lyc_convert_source *out, const lyc_conversion *c, const lyc_convert_layer *layer,
                            bool with_weight, lyc_error *err)
{
    *out = (lyc_convert_source){0};
    lyc_status status = lyc_network_file_adapter(&out->adapter, c->file, layer->index, &layer->target, err);
    if (status == LYC_OK && layer->based && with_weight) {
        const size_t count = (size_t)lyc_shape_elements(&layer->target.weight);
        out->numbers = lyc_alloc_zero(count, sizeof *out->numbers);
        out->weight = (lyc_tensor_view){.name = out->adapter->name,
                                        .dtype = LYC_F32,
                                        .shape = layer->target.weight,
                                        .data = out->numbers,
                                        .size_bytes = count * sizeof *out->numbers};
        status = out->numbers != NULL ? lyc_base_weight_read(out->numbers, c->base, &layer->base, err)
                                      : lyc_fail(err, LYC_E_MEMORY, "no memory for the weight of a layer");
        if (status == LYC_OK && out->adapter->incomplete) {
            status = lyc_adapter_restore(out->adapter, &out->weight, err);
        }
    }
    if (status != LYC_OK) {
        lyc_convert_close(out);
    }
    return status;
}

void lyc_convert_close(lyc_convert_source *source)
{
    lyc_adapter_free(source->adapter);
    lyc_free(source->numbers);
    *source = (lyc_convert_source){0};
}

lyc_status lyc_convert_change(lyc_adapter_change *out, const lyc_convert_source *source, lyc_error *err)
{
    return lyc_adapter_compute(out, source->adapter, source->numbers != NULL ? &source->weight : NULL, 1.0, err);
}
