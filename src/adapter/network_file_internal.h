/* network_file_internal.h - shared by the files that read adapter files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_FILE_INTERNAL_H
#define LYC_ADAPTER_NETWORK_FILE_INTERNAL_H

#include "adapter/network_file.h"
#include "adapter/peft_config.h"

struct lyc_network_file {
    lyc_safetensors *tensors;
    const char *path;
    lyc_known_networks own;
    const lyc_known_networks *known; /* own, or the caller's */
    lyc_file_layer *layers;
    size_t count, capacity;
    lyc_hashmap by_module; /* "component/module": index in layers, + 1 */
    const char **unmatched;
    size_t unmatched_count;
    size_t *embeddings; /* indices in tensors */
    size_t embedding_count;
    lyc_peft_config config; /* of a folder of PEFT */
    lyc_arena arena;
};

/* Room that a layer's list of tensors has for those that lyc_file_layer_normalise makes. */
enum { LYC_FILE_LAYER_SPARE = 2 };

/* Turns what PEFT and others store differently into the tensors that the algorithms know: alpha from the configuration
 * or from `scale`, magnitudes of DoRA, multiplicative (IA)3. */
lyc_status lyc_file_layer_normalise(lyc_network_file *file, lyc_file_layer *layer, lyc_error *err);

/* The rank that the tensors have; 0: none. */
int64_t lyc_file_layer_rank(const lyc_file_layer *layer);

#endif
