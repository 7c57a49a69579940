/* sha256.h - SHA-256 (FIPS 180-4) of data that comes in pieces
 *
 * Uses the processor's SHA instructions where it has them: model files of many gigabytes are hashed whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SHA256_H
#define LYC_TENSOR_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { LYC_SHA256_BLOCK = 64, LYC_SHA256_HEX = 65 /* digits and NUL */ };

typedef struct lyc_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[LYC_SHA256_BLOCK];
} lyc_sha256;

void lyc_sha256_init(lyc_sha256 *hash);
void lyc_sha256_update(lyc_sha256 *hash, const void *data, size_t size);

/* The hash in lower-case hexadecimal digits. Returns hex. */
const char *lyc_sha256_finish(char hex[LYC_SHA256_HEX], lyc_sha256 *hash);

/* Takes in whole blocks; what lyc_sha256_update calls, in portable C and in SHA instructions. The second may only be
 * called where lyc_cpu_has_sha256(). */
void lyc_sha256_blocks_generic(uint32_t state[8], const unsigned char *data, size_t blocks);
void lyc_sha256_blocks_x86(uint32_t state[8], const unsigned char *data, size_t blocks);

/* FIPS 180-4, 4.2.2. */
extern const uint32_t lyc_sha256_constants[64];

#endif
