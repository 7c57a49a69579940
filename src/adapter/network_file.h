/* network_file.h - an adapter file: its tensors by layer
 *
 * The public functions are in lycoris/adapter.h; here is what the library itself needs beside them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_FILE_H
#define LYC_ADAPTER_NETWORK_FILE_H

#include "adapter/key_names.h"
#include "lycoris/adapter.h"

/* A layer of a file. */
typedef struct lyc_file_layer {
    lyc_key_scheme scheme;
    const char *name;
    const char *component;
    const lyc_inventory_entry *entry; /* names; sizes are not those of the model */
    const lyc_adapter_algorithm *algorithm;
    lyc_adapter_group group;
} lyc_file_layer;

/* An open file's layers: takes over tensors, also when it fails; path is for messages. known: borrowed; NULL: its own.
 */
lyc_status lyc_network_file_from(lyc_network_file **out, lyc_safetensors *tensors, const char *path,
                                 const lyc_network_file_options *options, const lyc_known_networks *known,
                                 lyc_error *err);

const lyc_file_layer *lyc_network_file_at(const lyc_network_file *file, size_t index);
const char *lyc_network_file_path(const lyc_network_file *file);

/* Of Flux.1 and SD3: whether the file calls the layer as the original code does, where rows have another order. */
bool lyc_file_layer_is_original(const lyc_file_layer *layer);

/* What the layer must be for its tensors, where they say it: (IA)^3 and rotations do not know a layer's inputs. Of
 * groups nothing is known: 1. LYC_E_UNSUPPORTED: they do not say it. */
lyc_status lyc_network_file_target(lyc_adapter_target *out, const lyc_network_file *file, size_t index, lyc_error *err);

/* The adapter of a layer; errors name the file. Tensors that the algorithm does not know are no error. */
lyc_status lyc_network_file_adapter(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                    const lyc_adapter_target *target, lyc_error *err);

/* The same under another name than the file's. */
lyc_status lyc_network_file_adapter_named(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                          const char *name, const lyc_adapter_target *target, lyc_error *err);

/* The adapter of a layer for a base layer, with what its file lacks from the base's weight. */
lyc_status lyc_network_file_open_adapter(lyc_adapter **out, const lyc_network_file *file, size_t index,
                                         const lyc_base_layer *base, lyc_error *err);

#endif
