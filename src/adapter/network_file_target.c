/* network_file_target.c - what a layer is, from an adapter's tensors alone
 *
 * Tensors say outputs and inputs times kernel. The kernel stands in a tensor of more than two extents, or, where all of
 * them are matrices, is that of the module of that name in the networks that are known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "adapter/network_file_internal.h"

/* Product of the extents behind the second; 0 when it is too large. */
static int64_t positions_of(const lyc_shape *shape)
{
    int64_t positions = 1;
    for (int k = 2; k < shape->rank; k++) {
        positions = lyc_adapter_extent_times(positions, shape->dims[k]);
    }
    return positions;
}

/* The shape, among tensors of three to five extents, of the one with most positions; NULL when all are matrices. */
static const lyc_shape *kernel_in_tensors(const lyc_adapter_group *group)
{
    const lyc_shape *most = NULL;
    for (size_t i = 0; i < group->count; i++) {
        const lyc_shape *shape = &group->tensors[i].shape;
        if (shape->rank > 2 && shape->rank <= 5 && (most == NULL || positions_of(shape) > positions_of(most))) {
            most = shape;
        }
    }
    return most;
}

/* The weight's shape of a module with a kernel. */
static const lyc_shape *kernel_of_module(const lyc_inventory_entry *entry)
{
    const lyc_shape *shape = &entry->target.weight;
    return shape->rank > 2 && positions_of(shape) > 1 ? shape : NULL;
}

lyc_status lyc_network_file_target(lyc_adapter_target *out, const lyc_network_file *file, size_t index, lyc_error *err)
{
    int64_t extents[2];
    const lyc_file_layer *layer = &file->layers[index];
    if (layer->algorithm->extents == NULL || !layer->algorithm->extents(extents, &layer->group)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s': the tensors of %s do not say how large the layer is",
                        file->path, layer->name, layer->algorithm->name);
    }
    *out = (lyc_adapter_target){.kind = LYC_LAYER_LAYER_NORM, .weight = LYC_SHAPE(extents[0]), .groups = 1};
    out->has_bias = lyc_adapter_group_find(&layer->group, "diff_b") != NULL ||
                    lyc_adapter_group_find(&layer->group, "b_norm") != NULL;
    if (layer->algorithm->for_norms) {
        return LYC_OK;
    }
    const lyc_shape *kernel = kernel_in_tensors(&layer->group);
    kernel = kernel != NULL ? kernel : kernel_of_module(layer->entry);
    const int64_t positions = kernel != NULL ? positions_of(kernel) : 1;
    if (positions < 1 || extents[1] % positions != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%s: '%s': %" PRId64 " inputs are not divided by a kernel of %" PRId64,
                        file->path, layer->name, extents[1], positions);
    }
    out->kind = kernel != NULL ? LYC_LAYER_CONV2D : LYC_LAYER_LINEAR;
    out->weight = kernel != NULL ? *kernel : (lyc_shape){.rank = 2};
    out->weight.dims[0] = extents[0];
    out->weight.dims[1] = extents[1] / positions;
    return LYC_OK;
}
