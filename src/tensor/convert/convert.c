/* convert.c - widening and narrowing loops
 *
 * Compiled once for each instruction set (LYC_KERNEL_ISA). The loops have no branches, so that compilers turn them into
 * vectors; where gcc 12 makes too many instructions of that, AVX2 is written out. tensor/float_bits.h has the same
 * rules one number at a time, and a test compares the two.
 *
 * Narrow formats, m bits of mantissa, smallest exponent e: a normal number rounds by adding half a unit (less one when
 * the last bit is even) to its bits; below 2^e adding and subtracting 2^(23 + e - m) makes the processor round to the
 * smallest subnormal. Both are computed, one is chosen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/convert/convert.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)

typedef uint16_t half_any __attribute__((aligned(1), may_alias));
typedef uint32_t word_any __attribute__((aligned(1), may_alias));
typedef float float_any __attribute__((aligned(1), may_alias));
typedef double double_any __attribute__((aligned(1), may_alias));

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* --- to f32 --------------------------------------------------------------------------------------------------------
 */

static void widen_f32(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(float));
}

static void widen_bf16(void *dst, const void *src, size_t n)
{
    word_any *y = dst;
    const half_any *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = (uint32_t)x[i] << 16;
    }
}

/* A half-precision magnitude shifted into place is the number times 2^-112, subnormals too; one product repairs that.
 */
static inline float half_to_float(uint32_t half)
{
    const uint32_t magnitude = (half & 0x7FFF) << 13;
    const uint32_t scaled = bits_of(of_bits(magnitude) * 0x1p112f);
    const uint32_t special = 0x7F800000 | magnitude | ((half & 0x3FF) != 0 ? 0x400000u : 0u);
    return of_bits((half & 0x8000) << 16 | ((half & 0x7C00) == 0x7C00 ? special : scaled));
}

static void widen_f16(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const half_any *x = src;
    size_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps((float *)y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
    }
#endif
    for (; i < n; i++) {
        y[i] = half_to_float(x[i]);
    }
}

/* e5m2 is the upper byte of an f16. e4m3, shifted by 7, is an f16 of a number 2^-8 times as large; subnormals too. */
#if defined(__AVX2__)
static inline __m256 load_e5m2(const uint8_t *x)
{
    const __m128i half = _mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)x)), 8);
    return _mm256_cvtph_ps(half);
}

static inline __m256 load_e4m3(const uint8_t *x)
{
    const __m128i byte = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)x));
    const __m128i magnitude = _mm_and_si128(byte, _mm_set1_epi16(0x7F));
    const __m128i sign = _mm_slli_epi16(_mm_xor_si128(byte, magnitude), 8);
    const __m128i is_nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7F));
    const __m128i special = _mm_and_si128(is_nan, _mm_set1_epi16(0x7E00)); /* a product with a NaN is a NaN */
    const __m128i finite = _mm_andnot_si128(is_nan, _mm_slli_epi16(magnitude, 7));
    const __m128i half = _mm_or_si128(sign, _mm_or_si128(special, finite));
    return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(0x1p8f));
}
#endif

static void widen_f8_e5m2(void *restrict dst, const void *restrict src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    size_t i = 0;
#if defined(__AVX2__)
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps((float *)y + i, load_e5m2(x + i));
    }
#endif
    for (; i < n; i++) {
        y[i] = half_to_float((uint32_t)x[i] << 8);
    }
}

static void widen_f8_e4m3(void *restrict dst, const void *restrict src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    size_t i = 0;
#if defined(__AVX2__)
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps((float *)y + i, load_e4m3(x + i));
    }
#endif
    for (; i < n; i++) {
        const uint32_t magnitude = (uint32_t)(x[i] & 0x7F) << 20;
        const uint32_t scaled = bits_of(of_bits(magnitude) * 0x1p120f);
        y[i] = of_bits((uint32_t)(x[i] & 0x80) << 24 | (magnitude == 0x07F00000 ? 0x7FC00000u : scaled));
    }
}

static void widen_u8(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = (float)x[i];
    }
}

static void widen_i8(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const int8_t *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = (float)x[i];
    }
}

static void widen_bool(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] != 0 ? 1.0f : 0.0f;
    }
}

static void widen_f64(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const double_any *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = (float)x[i];
    }
}

/* The nearest f32, or its neighbour with an odd last bit when it is not exact. */
static inline float odd_float(double x)
{
    const float nearest = (float)x;
    const double back = (double)nearest;
    const uint32_t bits = bits_of(nearest);
    const uint32_t away = (x > 0.0) == (back > x) ? bits - 1 : bits + 1;
    const int keep = back == x || x != x || (bits & 1) != 0;
    return of_bits(keep ? bits : away);
}

#if defined(__AVX2__)
/* The lower halves of four masks of 64 bits. */
static inline __m128i narrow_mask(__m256d mask)
{
    const __m256 both = _mm256_castpd_ps(mask);
    return _mm_castps_si128(_mm_shuffle_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1), 0x88));
}

static inline __m128i odd_float4(__m256d x)
{
    const __m256d sign = _mm256_set1_pd(-0.0);
    const __m128 nearest = _mm256_cvtpd_ps(x);
    const __m128i bits = _mm_castps_si128(nearest);
    const __m256d back = _mm256_cvtps_pd(nearest);
    const __m128i inexact = narrow_mask(_mm256_cmp_pd(back, x, _CMP_NEQ_OQ)); /* not for NaN */
    const __m256d larger = _mm256_cmp_pd(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, x), _CMP_GT_OQ);
    const __m128i even = _mm_cmpeq_epi32(_mm_and_si128(bits, _mm_set1_epi32(1)), _mm_setzero_si128());
    const __m128i step = _mm_or_si128(narrow_mask(larger), _mm_set1_epi32(1)); /* -1 where larger, else 1 */
    return _mm_add_epi32(bits, _mm_and_si128(step, _mm_and_si128(inexact, even)));
}
#endif

static void f64_to_f32_odd(void *restrict dst, const void *restrict src, size_t n)
{
    float_any *y = dst;
    const double_any *x = src;
    size_t i = 0;
#if defined(__AVX2__)
    for (; i + 4 <= n; i += 4) {
        _mm_storeu_si128((__m128i *)(void *)(y + i), odd_float4(_mm256_loadu_pd((const double *)x + i)));
    }
#endif
    for (; i < n; i++) {
        y[i] = odd_float(x[i]);
    }
}

/* --- from f32 ------------------------------------------------------------------------------------------------------
 */

static void narrow_f32(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(float));
}

#if defined(__AVX2__)
/* bf16 of eight numbers, in 32 bits each. vcvtneps2bf16 of AVX-512 is no substitute: it takes subnormals for zero. */
static inline __m256i bf16_of_floats(const word_any *x)
{
    const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)x);
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i half_unit =
        _mm256_add_epi32(_mm256_and_si256(upper, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7FFF));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half_unit), 16);
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
    const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7F800000));
    return _mm256_blendv_epi8(rounded, _mm256_or_si256(upper, _mm256_set1_epi32(0x40)), is_nan);
}
#endif

static void narrow_bf16(void *restrict dst, const void *restrict src, size_t n)
{
    half_any *y = dst;
    const word_any *x = src;
    size_t i = 0;
#if defined(__AVX2__)
    for (; i + 16 <= n; i += 16) {
        const __m256i packed = _mm256_packus_epi32(bf16_of_floats(x + i), bf16_of_floats(x + i + 8));
        _mm256_storeu_si256((__m256i *)(void *)(y + i), _mm256_permute4x64_epi64(packed, 0xD8));
    }
#endif
    for (; i < n; i++) {
        const uint32_t rounded = (x[i] + 0x7FFF + (x[i] >> 16 & 1)) >> 16;
        const uint32_t quiet = x[i] >> 16 | 0x40;
        y[i] = (uint16_t)((x[i] & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
    }
}

/* Bits of exponent and mantissa of a magnitude in a format of m bits and smallest exponent e. */
static inline uint32_t round_to_small(uint32_t magnitude, int m, int e)
{
    const int shift = 23 - m;
    const uint32_t magic = (uint32_t)(127 + 23 + e - m) << 23;
    const uint32_t subnormal = bits_of(of_bits(magnitude) + of_bits(magic)) - magic;
    const uint32_t normal =
        ((magnitude + (1u << (shift - 1)) - 1 + (magnitude >> shift & 1)) >> shift) - ((uint32_t)(126 + e) << m);
    return magnitude < (uint32_t)(127 + e) << 23 ? subnormal : normal;
}

static void narrow_f16(void *dst, const void *src, size_t n)
{
    half_any *y = dst;
    const word_any *x = src;
    size_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8) {
        const __m256 wide = _mm256_loadu_ps((const float *)(const void *)(x + i));
        _mm_storeu_si128((__m128i *)(void *)(y + i), _mm256_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT));
    }
#endif
    for (; i < n; i++) {
        const uint32_t magnitude = x[i] & 0x7FFFFFFF;
        const uint32_t rounded = round_to_small(magnitude, 10, -14);
        const uint32_t finite = magnitude >= 0x477FF000 ? 0x7C00 : rounded; /* 65520 and more are infinite */
        const uint32_t quiet = 0x7E00 | (magnitude >> 13 & 0x3FF);
        y[i] = (uint16_t)((x[i] >> 16 & 0x8000) | (magnitude > 0x7F800000 ? quiet : finite));
    }
}

/* To a format of one byte: magnitudes from `end` on become what `end` rounds to, NaN is 7F. */
static inline uint8_t byte_of_float(uint32_t bits, int m, int e, uint32_t end)
{
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    const uint32_t finite = round_to_small(magnitude < end ? magnitude : end, m, e);
    return (uint8_t)((bits >> 24 & 0x80) | (magnitude > 0x7F800000 ? 0x7F : finite));
}

#if defined(__AVX2__)
/* byte_of_float of eight numbers, in 32 bits each. */
static inline __m256i bytes_of_floats(const word_any *x, int m, int e, uint32_t end)
{
    const int shift = 23 - m;
    const uint32_t unit_less = (1u << (shift - 1)) - 1 - ((uint32_t)(126 + e) << 23);
    const __m256i magic = _mm256_set1_epi32((127 + 23 + e - m) << 23);
    const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)x);
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
    const __m256i capped = _mm256_min_epu32(magnitude, _mm256_set1_epi32((int)end));
    const __m256i last = _mm256_and_si256(_mm256_srli_epi32(capped, shift), _mm256_set1_epi32(1));
    const __m256i raised = _mm256_add_epi32(_mm256_add_epi32(capped, last), _mm256_set1_epi32((int)unit_less));
    const __m256i normal = _mm256_srli_epi32(raised, shift);
    const __m256i sum = _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(capped), _mm256_castsi256_ps(magic)));
    const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32((127 + e) << 23), capped);
    const __m256i finite = _mm256_blendv_epi8(normal, _mm256_sub_epi32(sum, magic), is_small);
    const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7F800000));
    const __m256i rounded = _mm256_or_si256(finite, _mm256_and_si256(is_nan, _mm256_set1_epi32(0x7F)));
    return _mm256_or_si256(rounded, _mm256_and_si256(_mm256_srli_epi32(bits, 24), _mm256_set1_epi32(0x80)));
}

/* As many of the first n numbers as fill vectors; returns how many. */
static inline size_t narrow_bytes(uint8_t *y, const word_any *x, size_t n, int m, int e, uint32_t end)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packing works on halves */
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i low =
            _mm256_packus_epi32(bytes_of_floats(x + i, m, e, end), bytes_of_floats(x + i + 8, m, e, end));
        const __m256i high =
            _mm256_packus_epi32(bytes_of_floats(x + i + 16, m, e, end), bytes_of_floats(x + i + 24, m, e, end));
        const __m256i packed = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)(void *)(y + i), packed);
    }
    return i;
}
#else
static inline size_t narrow_bytes(uint8_t *y, const word_any *x, size_t n, int m, int e, uint32_t end)
{
    (void)y;
    (void)x;
    (void)n;
    (void)m;
    (void)e;
    (void)end;
    return 0;
}
#endif

static inline void narrow_f8(void *restrict dst, const void *restrict src, size_t n, int m, int e, uint32_t end)
{
    uint8_t *y = dst;
    const word_any *x = src;
    for (size_t i = narrow_bytes(y, x, n, m, e, end); i < n; i++) {
        y[i] = byte_of_float(x[i], m, e, end);
    }
}

static void narrow_f8_e4m3(void *dst, const void *src, size_t n)
{
    narrow_f8(dst, src, n, 3, -6, 0x43E00000); /* 448, the largest one */
}

static void narrow_f8_e5m2(void *dst, const void *src, size_t n)
{
    narrow_f8(dst, src, n, 2, -14, 0x47700000); /* 61440, half way to what would be 65536: infinity */
}

static void f32_to_f64(void *dst, const void *src, size_t n)
{
    double_any *y = dst;
    const float_any *x = src;
    for (size_t i = 0; i < n; i++) {
        y[i] = (double)x[i];
    }
}

/* --- copies --------------------------------------------------------------------------------------------------------
 */

#if defined(__AVX512F__)
typedef __m512i stream_piece;
static inline void stream_one(void *dst, const void *src)
{
    _mm512_stream_si512(dst, _mm512_loadu_si512(src));
}
#elif defined(__AVX__)
typedef __m256i stream_piece;
static inline void stream_one(void *dst, const void *src)
{
    _mm256_stream_si256(dst, _mm256_loadu_si256(src));
}
#elif defined(__x86_64__)
typedef __m128i stream_piece;
static inline void stream_one(void *dst, const void *src)
{
    _mm_stream_si128(dst, _mm_loadu_si128(src));
}
#endif

/* Stores around the caches: the destination is not read first, which a plain copy of a large array does. */
static void stream(void *dst, const void *src, size_t bytes)
{
    char *y = dst;
    const char *x = src;
    size_t i = 0;
#if defined(__x86_64__)
    const size_t head = (size_t)(-(uintptr_t)y & (sizeof(stream_piece) - 1));
    if (bytes >= head + sizeof(stream_piece)) {
        memcpy(y, x, head);
        for (i = head; i + sizeof(stream_piece) <= bytes; i += sizeof(stream_piece)) {
            stream_one(y + i, x + i);
        }
    }
#endif
    memcpy(y + i, x + i, bytes - i);
}

extern const lyc_convert_table JOIN(lyc_convert_table, LYC_KERNEL_ISA);
const lyc_convert_table JOIN(lyc_convert_table, LYC_KERNEL_ISA) = {
    .widen =
        {
            [LYC_BOOL] = widen_bool,
            [LYC_U8] = widen_u8,
            [LYC_I8] = widen_i8,
            [LYC_F8_E5M2] = widen_f8_e5m2,
            [LYC_F8_E4M3] = widen_f8_e4m3,
            [LYC_F16] = widen_f16,
            [LYC_BF16] = widen_bf16,
            [LYC_F32] = widen_f32,
            [LYC_F64] = widen_f64,
        },
    .narrow =
        {
            [LYC_F8_E5M2] = narrow_f8_e5m2,
            [LYC_F8_E4M3] = narrow_f8_e4m3,
            [LYC_F16] = narrow_f16,
            [LYC_BF16] = narrow_bf16,
            [LYC_F32] = narrow_f32,
        },
    .f64_to_f32_odd = f64_to_f32_odd,
    .f32_to_f64 = f32_to_f64,
    .stream = stream,
};
