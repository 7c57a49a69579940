/* shard_index.h - <name>.safetensors.index.json: which file of a folder each tensor is in
 *
 *     {"metadata": {"total_size": n}, "weight_map": {"conv_in.weight": "model-00001-of-00002.safetensors", ...}}
 *
 * The names of files come from a stranger: plain names in the folder of the index alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_SHARD_INDEX_H
#define LYC_CHECKPOINT_SHARD_INDEX_H

#include <stddef.h>

#include "base/error.h"

typedef struct lyc_shard_index lyc_shard_index;

lyc_status lyc_shard_index_open(lyc_shard_index **out, const char *path, lyc_error *err);
lyc_status lyc_shard_index_parse(lyc_shard_index **out, const char *text, size_t length, lyc_error *err);
void lyc_shard_index_close(lyc_shard_index *index);

/* At least one file, and at most LYC_MAX_SHARDS, in the order in which they come first. */
size_t lyc_shard_index_file_count(const lyc_shard_index *index);
const char *lyc_shard_index_file(const lyc_shard_index *index, size_t shard);

/* Number of tensors, the name of one and its shard, and the shard of a name; SIZE_MAX when it is unknown. */
size_t lyc_shard_index_tensor_count(const lyc_shard_index *index);
const char *lyc_shard_index_tensor(size_t *shard, const lyc_shard_index *index, size_t i);
size_t lyc_shard_index_find(const lyc_shard_index *index, const char *name);

#endif
