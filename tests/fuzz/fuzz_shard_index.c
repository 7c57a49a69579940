/* fuzz_shard_index.c - an index of shards: whatever comes in, an error in words or plain names of files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"
#include "base/string.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lyc_shard_index *index = NULL;
    lyc_error err = {0};
    const lyc_status status = lyc_shard_index_parse(&index, (const char *)data, size, &err);
    if (status != LYC_OK) {
        require(index == NULL && err.message[0] != '\0');
        require(lyc_utf8_valid_prefix(err.message, strlen(err.message)) == strlen(err.message));
        return 0;
    }
    const size_t files = lyc_shard_index_file_count(index);
    require(files >= 1 && files <= LYC_MAX_SHARDS && lyc_shard_index_tensor_count(index) >= files);
    for (size_t i = 0; i < files; i++) {
        const char *name = lyc_shard_index_file(index, i);
        require(strchr(name, '/') == NULL && strcmp(name, "..") != 0);
        require(lyc_path_check_name(lyc_span_of(name), NULL) == LYC_OK);
    }
    for (size_t i = 0; i < lyc_shard_index_tensor_count(index); i++) {
        size_t shard = SIZE_MAX;
        const char *name = lyc_shard_index_tensor(&shard, index, i);
        require(shard < files && lyc_shard_index_find(index, name) == shard);
    }
    require(lyc_shard_index_find(index, "") == SIZE_MAX || lyc_shard_index_tensor_count(index) > 0);
    lyc_shard_index_close(index);
    return 0;
}
