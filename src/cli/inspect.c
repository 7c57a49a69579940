/* inspect.c - what both forms of `lycoris inspect` count and decide
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/inspect.h"

#include <fnmatch.h>
#include <string.h>

bool lyc_inspect_lists_tensors(const lyc_inspection *in)
{
    return in->config->keys || in->config->stats || in->config->patterns.count > 0;
}

bool lyc_inspect_wants(void *context, const lyc_tensor_view *tensor)
{
    const lyc_option_list *patterns = &((const lyc_inspection *)context)->config->patterns;
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->items[i], tensor->name, 0) == 0) {
            return true;
        }
    }
    return patterns->count == 0;
}

static uint64_t element_count(const lyc_shape *shape)
{
    uint64_t count = 1;
    for (int axis = 0; axis < shape->rank; axis++) {
        count *= (uint64_t)shape->dims[axis]; /* the reader has checked that it fits */
    }
    return count;
}

void lyc_inspect_count_types(lyc_type_count counts[LYC_DTYPE_COUNT], const lyc_safetensors *file)
{
    memset(counts, 0, LYC_DTYPE_COUNT * sizeof *counts);
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        counts[tensor.dtype].tensors++;
        counts[tensor.dtype].elements += element_count(&tensor.shape);
        counts[tensor.dtype].bytes += tensor.size_bytes;
    }
}

/* LyCORIS writes "0x" in front, and hashes the tensors in the order in which it made them; that is the order of the
 * file now and then. */
lyc_hash_verdict lyc_inspect_compare_hash(const lyc_safetensors *file, const char *key, const char *computed)
{
    const char *stored = lyc_safetensors_metadata(file, key);
    if (stored == NULL) {
        return LYC_HASH_NOT_STORED;
    }
    const bool by_lycoris = strncmp(stored, "0x", 2) == 0;
    if (strcmp(by_lycoris ? stored + 2 : stored, computed) == 0) {
        return LYC_HASH_SAME;
    }
    return by_lycoris ? LYC_HASH_UNKNOWN : LYC_HASH_DIFFERENT;
}
