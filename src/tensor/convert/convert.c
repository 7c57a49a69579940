/* convert.c - widening and narrowing loops
 *
 * Compiled once for each instruction set (LYC_KERNEL_ISA). The loops have no branches, so that compilers turn them into
 * vectors; tensor/float_bits.h has the same rules one number at a time, and a test compares the two.
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

static void widen_f8_e5m2(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    for (size_t i = 0; i < n; i++) { /* the upper byte of an f16 */
        y[i] = half_to_float((uint32_t)x[i] << 8);
    }
}

static void widen_f8_e4m3(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const uint8_t *x = src;
    for (size_t i = 0; i < n; i++) {
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
static void f64_to_f32_odd(void *dst, const void *src, size_t n)
{
    float_any *y = dst;
    const double_any *x = src;
    for (size_t i = 0; i < n; i++) {
        const float nearest = (float)x[i];
        const double back = (double)nearest;
        const uint32_t bits = bits_of(nearest);
        const uint32_t away = (x[i] > 0.0) == (back > x[i]) ? bits - 1 : bits + 1;
        const int keep = back == x[i] || x[i] != x[i] || (bits & 1) != 0;
        y[i] = of_bits(keep ? bits : away);
    }
}

/* --- from f32 ------------------------------------------------------------------------------------------------------
 */

static void narrow_f32(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof(float));
}

static void narrow_bf16(void *dst, const void *src, size_t n)
{
    half_any *y = dst;
    const word_any *x = src;
    for (size_t i = 0; i < n; i++) {
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

static void narrow_f8_e4m3(void *dst, const void *src, size_t n)
{
    uint8_t *y = dst;
    const word_any *x = src;
    for (size_t i = 0; i < n; i++) {
        const uint32_t magnitude = x[i] & 0x7FFFFFFF;
        const uint32_t rounded = round_to_small(magnitude, 3, -6);
        const uint32_t finite = magnitude >= 0x43E00000 ? 0x7E : rounded; /* 448 and more saturate */
        y[i] = (uint8_t)((x[i] >> 24 & 0x80) | (magnitude > 0x7F800000 ? 0x7F : finite));
    }
}

static void narrow_f8_e5m2(void *dst, const void *src, size_t n)
{
    uint8_t *y = dst;
    const word_any *x = src;
    for (size_t i = 0; i < n; i++) {
        const uint32_t magnitude = x[i] & 0x7FFFFFFF;
        const uint32_t rounded = round_to_small(magnitude, 2, -14);
        const uint32_t finite = magnitude >= 0x47700000 ? 0x7C : rounded; /* 61440 and more are infinite */
        y[i] = (uint8_t)((x[i] >> 24 & 0x80) | (magnitude > 0x7F800000 ? 0x7F : finite));
    }
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

/* Stores around the caches: the destination is not read first, which a plain copy of a large array does. */
static void stream(void *dst, const void *src, size_t bytes)
{
    char *y = dst;
    const char *x = src;
    size_t i = 0;
#if defined(__x86_64__)
    const size_t head = (size_t)(-(uintptr_t)y & 15);
    if (bytes >= head + 16) {
        memcpy(y, x, head);
        for (i = head; i + 16 <= bytes; i += 16) {
            _mm_stream_si128((__m128i *)(void *)(y + i), _mm_loadu_si128((const __m128i *)(const void *)(x + i)));
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
