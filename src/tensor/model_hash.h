/* model_hash.h - sshs_model_hash and sshs_legacy_hash, by which adapters are known
 *
 * sd-scripts writes the tensors with the metadata that begins with ss_ into a file in memory and hashes the bytes
 * behind its header (sshs_model_hash), or 64 KiB at 1 MiB of it (sshs_legacy_hash): library/train_util.py,
 * precalculate_safetensors_hashes. Here that file is never made: its header is passed, then its data in its order. A
 * range that is not in the file is empty, and then the hash is that of nothing, e3b0c442.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_MODEL_HASH_H
#define LYC_TENSOR_MODEL_HASH_H

#include "tensor/sha256.h"

enum { LYC_LEGACY_HASH = 9 /* digits and NUL */ };

/* {0} is not ready: lyc_model_hasher_init. */
typedef struct lyc_model_hasher {
    lyc_sha256 data;
    lyc_sha256 legacy;
    uint64_t position; /* in the file */
} lyc_model_hasher;

void lyc_model_hasher_init(lyc_model_hasher *h);

/* The header, with its length in front: it counts for the legacy hash alone. */
void lyc_model_hasher_header(lyc_model_hasher *h, const void *header, size_t size);
void lyc_model_hasher_data(lyc_model_hasher *h, const void *data, size_t size);
void lyc_model_hasher_finish(char model[LYC_SHA256_HEX], char legacy[LYC_LEGACY_HASH], lyc_model_hasher *h);

#endif
