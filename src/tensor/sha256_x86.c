/* sha256_x86.c - SHA-256 by the SHA instructions of x86-64 (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2)
 *
 * The instructions keep the state in two registers, as the words a b e f and c d g h from the highest down. Four rounds
 * take one group of four message words w; groups 4 to 15 are computed from the four before them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/sha256.h"

#if defined(__x86_64__)

#include <immintrin.h>

enum { GROUPS = 16 };

/* The group after the four in m: m[0] is the oldest one. */
__attribute__((target("sha,sse4.1"))) static inline __m128i next_group(__m128i m0, __m128i m1, __m128i m2, __m128i m3)
{
    const __m128i w_minus_7 = _mm_alignr_epi8(m3, m2, 4);
    return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(m0, m1), w_minus_7), m3);
}

__attribute__((target("sha,sse4.1"))) void lyc_sha256_blocks_x86(uint32_t state[8], const unsigned char *data,
                                                                 size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    const __m128i dcba = _mm_loadu_si128((const __m128i *)state);
    const __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; blocks > 0; blocks--, data += LYC_SHA256_BLOCK) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i m[4];
        for (int i = 0; i < 4; i++) {
            m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), swap);
        }
#pragma GCC unroll 16
        for (int i = 0; i < GROUPS; i++) {
            const __m128i k = _mm_loadu_si128((const __m128i *)lyc_sha256_constants + i);
            const __m128i wk = _mm_add_epi32(m[i % 4], k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
            if (i + 4 < GROUPS) {
                m[i % 4] = next_group(m[i % 4], m[(i + 1) % 4], m[(i + 2) % 4], m[(i + 3) % 4]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#endif
