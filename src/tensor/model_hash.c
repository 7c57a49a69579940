/* model_hash.c - sshs_model_hash and sshs_legacy_hash
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/model_hash.h"

#include <string.h>

enum { LEGACY_BEGIN = 1 << 20, LEGACY_END = LEGACY_BEGIN + (64 << 10) };

void lyc_model_hasher_init(lyc_model_hasher *h)
{
    lyc_sha256_init(&h->data);
    lyc_sha256_init(&h->legacy);
    h->position = 0;
}

void lyc_model_hasher_header(lyc_model_hasher *h, const void *header, size_t size)
{
    const uint64_t first = h->position > LEGACY_BEGIN ? h->position : LEGACY_BEGIN;
    const uint64_t end = h->position + size;
    const uint64_t last = end < LEGACY_END ? end : LEGACY_END;
    if (first < last) {
        lyc_sha256_update(&h->legacy, (const char *)header + (first - h->position), (size_t)(last - first));
    }
    h->position = end;
}

void lyc_model_hasher_data(lyc_model_hasher *h, const void *data, size_t size)
{
    lyc_sha256_update(&h->data, data, size);
    lyc_model_hasher_header(h, data, size);
}

void lyc_model_hasher_finish(char model[LYC_SHA256_HEX], char legacy[LYC_LEGACY_HASH], lyc_model_hasher *h)
{
    char hex[LYC_SHA256_HEX];
    lyc_sha256_finish(model, &h->data);
    lyc_sha256_finish(hex, &h->legacy);
    memcpy(legacy, hex, LYC_LEGACY_HASH - 1);
    legacy[LYC_LEGACY_HASH - 1] = '\0';
}
