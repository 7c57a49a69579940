/* float_bits.h - the bits of the small floating-point types, one value at a time
 *
 *     type      sign exponent mantissa  bias  special
 *     f16       1    5        10        15    IEEE 754 binary16
 *     bf16      1    8        7         127   the upper half of an f32
 *     f8_e4m3   1    4        3         7     no infinities, NaN is 7F and FF, maximum 448 ("fn" variant)
 *     f8_e5m2   1    5        2         15    IEEE-like, maximum 57344
 *     f8_e8m0   0    8        0         127   2^(e - 127), NaN is FF, no zero
 *
 * OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0 (e8m0). Rounding to nearest, ties to even;
 * subnormals are kept; a NaN keeps its sign and becomes quiet. These are the definition; the vectorised conversions are
 * compared with them over all values.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_FLOAT_BITS_H
#define LYC_TENSOR_FLOAT_BITS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t lyc_f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float lyc_f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest bf16; the carry out of the mantissa moves into the exponent, up to infinity. */
static inline uint16_t lyc_bf16_of_f32(float value)
{
    const uint32_t bits = lyc_f32_bits(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) {
        return (uint16_t)((bits >> 16) | 0x40);
    }
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static inline float lyc_f32_of_bf16(uint16_t half)
{
    return lyc_f32_of_bits((uint32_t)half << 16);
}

/* Rounds |value| to a format of m mantissa bits and the given smallest normal exponent: adding and subtracting a power
 * of two makes the processor do the rounding, in the subnormal range too. Returns bits of exponent and mantissa,
 * counted from the format's zero, without looking at its upper end. */
static inline uint32_t lyc_round_to_small(float magnitude, int m, int min_exponent)
{
    const int bias = 1 - min_exponent;
    uint32_t bits = lyc_f32_bits(magnitude);
    const uint32_t min_normal = (uint32_t)(127 + min_exponent) << 23;
    if (bits < min_normal) {
        /* In f32 the unit of the last place at 2^(23 + min_exponent - m) is the format's smallest subnormal. */
        const uint32_t magic = (uint32_t)(127 + 23 + min_exponent - m) << 23;
        return lyc_f32_bits(magnitude + lyc_f32_of_bits(magic)) - magic;
    }
    const int shift = 23 - m;
    bits += (UINT32_C(1) << (shift - 1)) - 1 + ((bits >> shift) & 1);
    return (bits >> shift) - ((uint32_t)(127 - bias) << m);
}

static inline uint16_t lyc_f16_of_f32(float value)
{
    const uint32_t bits = lyc_f32_bits(value);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
        return (uint16_t)(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
    }
    if (magnitude >= 0x477FF000) { /* 65520, half way between 65504 and 65536 */
        return sign | 0x7C00;
    }
    return (uint16_t)(sign | lyc_round_to_small(lyc_f32_of_bits(magnitude), 10, -14));
}

static inline float lyc_f32_of_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t magnitude = half & 0x7FFF;
    if (magnitude >= 0x7C00) {
        const uint32_t quiet = magnitude > 0x7C00 ? 0x400000 : 0;
        return lyc_f32_of_bits(sign | 0x7F800000 | quiet | (magnitude << 13));
    }
    if (magnitude < 0x400) { /* subnormal: magnitude * 2^-24, exact */
        return lyc_f32_of_bits(sign | lyc_f32_bits((float)magnitude * 0x1p-24f));
    }
    return lyc_f32_of_bits(sign | ((magnitude << 13) + ((127 - 15) << 23)));
}

static inline uint8_t lyc_f8_e4m3_of_f32(float value)
{
    const uint32_t bits = lyc_f32_bits(value);
    const uint8_t sign = (uint8_t)((bits >> 24) & 0x80);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
        return sign | 0x7F;
    }
    if (magnitude >= 0x43E00000) { /* 448: larger ones and infinities saturate */
        return sign | 0x7E;
    }
    return (uint8_t)(sign | lyc_round_to_small(lyc_f32_of_bits(magnitude), 3, -6));
}

static inline float lyc_f32_of_f8_e4m3(uint8_t byte)
{
    const uint32_t sign = (uint32_t)(byte & 0x80) << 24;
    const uint32_t magnitude = byte & 0x7F;
    if (magnitude == 0x7F) {
        return lyc_f32_of_bits(sign | 0x7FC00000);
    }
    if (magnitude < 8) { /* subnormal: magnitude * 2^-9 */
        return lyc_f32_of_bits(sign | lyc_f32_bits((float)magnitude * 0x1p-9f));
    }
    return lyc_f32_of_bits(sign | ((magnitude << 20) + ((127 - 7) << 23)));
}

static inline uint8_t lyc_f8_e5m2_of_f32(float value)
{
    const uint32_t bits = lyc_f32_bits(value);
    const uint8_t sign = (uint8_t)((bits >> 24) & 0x80);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
        return sign | 0x7F;
    }
    if (magnitude >= 0x47700000) { /* 61440, half way between 57344 and 65536 */
        return sign | 0x7C;
    }
    return (uint8_t)(sign | lyc_round_to_small(lyc_f32_of_bits(magnitude), 2, -14));
}

static inline float lyc_f32_of_f8_e5m2(uint8_t byte)
{
    return lyc_f32_of_f16((uint16_t)(byte << 8));
}

#endif
