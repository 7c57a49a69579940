/* source.h - where the tensors of a component lie: one safetensors file, or the shards that an index names
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_SOURCE_H
#define LYC_CHECKPOINT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "lycoris/safetensors.h"

enum { LYC_MAX_SHARDS = 512, LYC_INDEX_MAX_BYTES = 64 << 20 };

typedef struct lyc_source_file {
    const char *path;
    lyc_safetensors *tensors;
    bool *used; /* [count of tensors]: belongs to a component */
} lyc_source_file;

typedef struct lyc_source lyc_source;

/* Opens a file, or the shards of an index if the name ends with .json. Shards are plain names in the folder of the
 * index; each tensor is in the shard that the index says, and in no other. Pickles are refused with a message that
 * says how to convert them. */
lyc_status lyc_source_open(lyc_source **out, const char *path, lyc_error *err);
void lyc_source_close(lyc_source *source);

const char *lyc_source_path(const lyc_source *source); /* as it was opened */
size_t lyc_source_file_count(const lyc_source *source);
const lyc_source_file *lyc_source_file_at(const lyc_source *source, size_t index);

/* The tensor of a name and the file that it is in; false when there is none. */
bool lyc_source_find(lyc_tensor_view *out, const lyc_source_file **file, const lyc_source *source, const char *key);

bool lyc_source_has(const lyc_source *source, const char *key);

/* Whether a key begins with prefix and then rest. */
bool lyc_source_has_prefix(const lyc_source *source, const char *prefix, const char *rest);

/* Notes that the tensor belongs to a component. */
void lyc_source_use(lyc_source *source, const char *key);

/* Lists the keys that begin with prefix, belong to no component and are not known to be of no use; once, when all
 * components are made. */
lyc_status lyc_source_list_unmatched(lyc_source *source, const char *prefix, lyc_error *err);
size_t lyc_source_unmatched_count(const lyc_source *source);
const char *lyc_source_unmatched(const lyc_source *source, size_t index);

/* LYC_E_IO when a file was changed after it was opened. */
lyc_status lyc_source_check(const lyc_source *source, lyc_error *err);

void lyc_source_release_pages(const lyc_source *source);

/* Whether the name of a file is one that pickles have, whether its first bytes are, and the message for such a file. */
bool lyc_pickle_is_name(const char *path);
bool lyc_pickle_is_file(const char *path);
lyc_status lyc_pickle_refuse(const char *path, lyc_error *err);

/* Whether there is something of that name. */
bool lyc_path_exists(const char *path);

#endif
