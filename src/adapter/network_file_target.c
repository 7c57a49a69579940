/* network_file_target.c - what a layer is, and its model, from an adapter's tensors alone
 *
 * Tensors say outputs and inputs times kernel. The kernel stands in a tensor of more than two extents, or, where all of
 * them are matrices, is that of the module of that name in the networks that are known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <string.h>

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

/* --- the model -----------------------------------------------------------------------------------------------------
 */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* By the width of the text states that cross attention reads. */
static const char *family_of_text_width(int64_t width)
{
    static const struct {
        int64_t width;
        const char *family;
    } families[] = {{768, "SD 1.x"}, {1024, "SD 2.x"}, {2048, "SDXL"}};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (families[i].width == width) {
            return families[i].family;
        }
    }
    return NULL;
}

static const char *family_of_layer(const lyc_network_file *file, size_t index)
{
    const lyc_file_layer *layer = &file->layers[index];
    const char *module = layer->entry->name;
    lyc_adapter_target target;
    if (strcmp(layer->component, "transformer") == 0) {
        const bool joint = strncmp(layer->entry->original, "joint_blocks", 12) == 0;
        return joint ? "SD3" : strstr(layer->entry->original, "_blocks.") != NULL ? "Flux.1" : NULL;
    }
    if (strcmp(layer->component, "unet") != 0) {
        return NULL;
    }
    if (strstr(module, ".transformer_blocks.1.") != NULL) {
        return "SDXL";
    }
    const bool cross = ends_with(module, "attn2.to_k") || ends_with(module, "attn2.to_v");
    return cross && lyc_network_file_target(&target, file, index, NULL) == LYC_OK
               ? family_of_text_width(target.weight.dims[1])
               : NULL;
}

const char *lyc_network_file_family(const lyc_network_file *file)
{
    const char *family = NULL;
    bool second = false, transformer = false;
    for (size_t i = 0; i < file->count && family == NULL; i++) {
        family = family_of_layer(file, i);
        second |= strcmp(file->layers[i].component, "text_encoder_2") == 0;
        transformer |= strcmp(file->layers[i].component, "transformer") == 0;
    }
    return family == NULL && second && !transformer ? "SDXL" : family;
}
