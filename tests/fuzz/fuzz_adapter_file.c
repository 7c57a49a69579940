/* fuzz_adapter_file.c - adapter files: layers, detection, and adapters from their tensors
 *
 * The input is a safetensors file. Each layer is read as an adapter of some small weights, among them those that the
 * extents of its tensors suggest; either there is an error in words, or an adapter whose numbers are all there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/network_file.h"
#include "base/string.h"
#include "tensor/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile float sink;

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

static const lyc_known_networks *known_networks(void)
{
    static lyc_known_networks known;
    if (known.count == 0) {
        require(lyc_known_networks_open(&known, NULL) == LYC_OK);
    }
    return &known;
}

static void check_adapter(const lyc_network_file *file, size_t index, lyc_shape weight)
{
    const lyc_adapter_target target = {.kind = weight.rank == 1   ? LYC_LAYER_LAYER_NORM
                                               : weight.rank == 2 ? LYC_LAYER_LINEAR
                                                                  : LYC_LAYER_CONV2D,
                                       .weight = weight,
                                       .groups = 1,
                                       .has_bias = true};
    lyc_adapter *a = NULL;
    lyc_error err = {0};
    if (lyc_network_file_adapter(&a, file, index, &target, &err) != LYC_OK) {
        require(a == NULL && err.message[0] != '\0');
        return;
    }
    for (int i = 0; i < a->n_params; i++) {
        const int64_t n = lyc_shape_elements(&a->params[i].shape);
        sink = n > 0 ? a->params[i].data[0] + a->params[i].data[n - 1] : 0;
    }
    lyc_adapter_free(a);
}

/* Extents that a layer's tensors have, so that a file can be right. */
static void check_layer(const lyc_network_file *file, size_t index)
{
    static const lyc_shape fixed[] = {{1, {8}}, {2, {6, 8}}, {2, {8, 4}}, {4, {6, 8, 3, 3}}, {4, {6, 8, 1, 1}}};
    const lyc_network_layer layer = lyc_network_file_layer(file, index);
    require(layer.module != NULL && layer.algorithm != NULL && layer.tensor_count > 0);
    size_t found = 99;
    require(lyc_network_file_find(&found, file, layer.component, layer.module) && found == index);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        check_adapter(file, index, fixed[i]);
    }
    const lyc_shape *first = &layer.tensors[0].shape, *last = &layer.tensors[layer.tensor_count - 1].shape;
    if (first->rank > 0 && last->rank > 0 && lyc_shape_elements(first) < 1 << 16 &&
        lyc_shape_elements(last) < 1 << 16) {
        check_adapter(file, index, LYC_SHAPE(last->dims[0] + 1, first->dims[first->rank - 1] + 1));
        check_adapter(file, index, LYC_SHAPE(last->dims[0], first->dims[first->rank - 1]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lyc_safetensors *tensors = NULL;
    lyc_network_file *file = NULL;
    lyc_error err = {0};
    if (lyc_safetensors_open_memory(&tensors, data, size, NULL, NULL) != LYC_OK) {
        return 0;
    }
    const size_t count = lyc_safetensors_count(tensors);
    if (lyc_network_file_from(&file, tensors, "file", NULL, known_networks(), &err) != LYC_OK) {
        require(strncmp(err.message, "file: ", 6) == 0);
        require(lyc_utf8_valid_prefix(err.message, strlen(err.message)) == strlen(err.message));
        return 0;
    }
    require(lyc_network_file_count(file) > 0 && lyc_network_file_unmatched_count(file) < count);
    for (size_t i = 0; i < lyc_network_file_count(file); i++) {
        check_layer(file, i);
    }
    lyc_network_file_close(file);
    return 0;
}
