/* network_save_internal.h - shared by the files that write adapter files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_NETWORK_SAVE_INTERNAL_H
#define LYC_ADAPTER_NETWORK_SAVE_INTERNAL_H

#include "adapter/network_save.h"

typedef struct lyc_saved_tensor {
    const char *name; /* in the file */
    lyc_tensor_view view;
    lyc_dtype dtype; /* in the file */
} lyc_saved_tensor;

typedef struct lyc_save {
    const lyc_network_save_options *options;
    lyc_adapter_file *files; /* of each adapter */
    size_t file_count;
    lyc_saved_tensor *tensors;
    size_t count, capacity;
    lyc_hashmap by_name; /* index in tensors + 1 */
    void *scratch;
    size_t scratch_size;
    lyc_arena arena;
} lyc_save;

/* Writes adapter_config.json and, by `write`, adapter_model.safetensors into the folder `path`, which is made when it
 * is not there. */
typedef lyc_status lyc_save_writer(const char *path, lyc_save *s, lyc_error *err);
lyc_status lyc_save_peft(const char *path, lyc_save *s, const lyc_network *network, size_t member,
                         lyc_save_writer *write, lyc_error *err);

#endif
