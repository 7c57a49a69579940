/* sha256.c - SHA-256 (FIPS 180-4) of data that comes in pieces
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/sha256.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const uint32_t lyc_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static uint32_t load_big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* 6.2.2 of the standard, with its names. */
static void take_block(uint32_t state[8], const unsigned char *data)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++) {
        w[t] = load_big_endian(data + (size_t)4 * t);
    }
    for (int t = 16; t < 64; t++) {
        const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        const uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + lyc_sha256_constants[t] + w[t];
        const uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] += sums[i];
    }
}

void lyc_sha256_blocks_generic(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++) {
        take_block(state, data + i * LYC_SHA256_BLOCK);
    }
}

static void take_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
#if defined(__x86_64__)
    if (lyc_cpu_has_sha256()) {
        lyc_sha256_blocks_x86(state, data, blocks);
        return;
    }
#endif
    lyc_sha256_blocks_generic(state, data, blocks);
}

void lyc_sha256_init(lyc_sha256 *hash)
{
    /* The first 32 bits of the fractional parts of the square roots of the first 8 primes. */
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, start, sizeof start);
    hash->length = 0;
}

void lyc_sha256_update(lyc_sha256 *hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    const size_t waiting = hash->length % LYC_SHA256_BLOCK;
    hash->length += size;
    if (waiting > 0) {
        const size_t room = LYC_SHA256_BLOCK - waiting;
        const size_t taken = size < room ? size : room;
        memcpy(hash->block + waiting, bytes, taken);
        bytes += taken;
        size -= taken;
        if (taken < room) {
            return;
        }
        take_blocks(hash->state, hash->block, 1);
    }
    take_blocks(hash->state, bytes, size / LYC_SHA256_BLOCK);
    const size_t rest = size % LYC_SHA256_BLOCK;
    if (rest > 0) {
        memcpy(hash->block, bytes + (size - rest), rest);
    }
}

const char *lyc_sha256_finish(char hex[LYC_SHA256_HEX], lyc_sha256 *hash)
{
    static const unsigned char padding[LYC_SHA256_BLOCK] = {0x80};
    const uint64_t bits = hash->length * 8;
    const size_t waiting = hash->length % LYC_SHA256_BLOCK;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    }
    lyc_sha256_update(hash, padding, waiting < 56 ? 56 - waiting : 120 - waiting);
    lyc_sha256_update(hash, length, sizeof length);
    for (size_t i = 0; i < 8; i++) {
        snprintf(hex + 8 * i, 9, "%08x", (unsigned)hash->state[i]);
    }
    return hex;
}
