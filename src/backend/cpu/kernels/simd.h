/* simd.h - portable vectors for the kernels of this folder
 *
 * lyc_vf is a vector of LYC_LANES floats (4, 8 or 16: SSE2 and NEON, AVX2, AVX-512), lyc_vi its twin of int32. Both
 * are vectors of the compiler: + - * / & | ^ ~ << >> and comparisons (all bits of a lane set when true) work on them
 * directly. This file is the only one with intrinsics; each function has a plain form as well, which is what the
 * generic build uses, and LYC_SIMD_PLAIN with LYC_LANES given builds wide vectors from it on any processor, so that
 * the tests can run the layouts of a machine that is not there.
 *
 * Loads and stores need the alignment of one element only. The _n forms touch the first n elements alone
 * (0 <= n <= LYC_LANES); lanes past them load as zero. Conversion to bf16 and f16 rounds to nearest, ties to even,
 * keeps subnormals and keeps NaN. It does not use vcvtneps2bf16, which flushes subnormals: the stored bits would depend
 * on the machine.
 *
 * lyc_vmax and lyc_vmin give the second operand when either one is NaN (the rule of x86).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_SIMD_H
#define LYC_BACKEND_CPU_KERNELS_SIMD_H

#include <stdint.h>
#include <string.h>

#include "backend/cpu/kernels/isa.h"
#include "lycoris/tensor.h"

#if !defined(LYC_SIMD_PLAIN) && (defined(__SSE2__) || defined(__AVX2__))
#include <immintrin.h>
#endif

/* LYC_SIMD_*: which intrinsics the rest of this file may use. */
#if !defined(LYC_SIMD_PLAIN) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define LYC_SIMD_AVX512
#define LYC_LANES 16
#ifdef __AVX512BF16__
#define LYC_SIMD_BF16
#endif
#elif !defined(LYC_SIMD_PLAIN) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LYC_SIMD_AVX2
#define LYC_LANES 8
#elif !defined(LYC_SIMD_PLAIN) && defined(__SSE2__)
#define LYC_SIMD_SSE2
#define LYC_LANES 4
#elif !defined(LYC_LANES)
#define LYC_LANES 4
#endif

/* Whether lyc_vdot_bf16 is one instruction. */
#ifdef LYC_SIMD_BF16
#define LYC_SIMD_HAS_DOT_BF16 1
#else
#define LYC_SIMD_HAS_DOT_BF16 0
#endif

typedef float lyc_vf __attribute__((vector_size(4 * LYC_LANES)));
typedef int32_t lyc_vi __attribute__((vector_size(4 * LYC_LANES)));
typedef uint32_t lyc_vu __attribute__((vector_size(4 * LYC_LANES)));
typedef uint16_t lyc_vh __attribute__((vector_size(2 * LYC_LANES))); /* bf16 or f16 as stored */

/* The same in memory, with the alignment of one element. */
typedef float lyc_vf_memory __attribute__((vector_size(4 * LYC_LANES), aligned(4), may_alias));
typedef int32_t lyc_vi_memory __attribute__((vector_size(4 * LYC_LANES), aligned(1), may_alias)); /* also pairs */
typedef uint16_t lyc_vh_memory __attribute__((vector_size(2 * LYC_LANES), aligned(2), may_alias));

#define LYC_SIMD_INLINE static inline __attribute__((always_inline, unused))

/* ---- bits and constants ---- */

LYC_SIMD_INLINE lyc_vf lyc_vset(float x)
{
    return x - (lyc_vf){0}; /* the compilers' broadcast; x - 0 keeps -0 */
}

LYC_SIMD_INLINE lyc_vi lyc_viset(int32_t x)
{
    return x - (lyc_vi){0};
}

LYC_SIMD_INLINE lyc_vi lyc_vbits(lyc_vf v)
{
    return (lyc_vi)v;
}

LYC_SIMD_INLINE lyc_vf lyc_vfrom_bits(lyc_vi v)
{
    return (lyc_vf)v;
}

/* 0, 1, 2, ... */
LYC_SIMD_INLINE lyc_vi lyc_vindex(void)
{
    lyc_vi v;
    for (int i = 0; i < LYC_LANES; i++) {
        v[i] = i;
    }
    return v;
}

/* All bits set in the first n lanes. */
LYC_SIMD_INLINE lyc_vi lyc_vmask_first(int n)
{
    return lyc_vindex() < lyc_viset(n);
}

/* mask ? a : b, where each lane of mask is all ones or all zeros. */
LYC_SIMD_INLINE lyc_vf lyc_vselect(lyc_vi mask, lyc_vf a, lyc_vf b)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_ternarylogic_epi32((__m512i)mask, (__m512i)a, (__m512i)b, 0xca);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
    return (lyc_vf)((mask & (lyc_vi)a) | (~mask & (lyc_vi)b));
#endif
}

LYC_SIMD_INLINE lyc_vi lyc_viselect(lyc_vi mask, lyc_vi a, lyc_vi b)
{
    return (lyc_vi)lyc_vselect(mask, (lyc_vf)a, (lyc_vf)b);
}

/* ---- arithmetic ---- */

/* a * b + c, rounded once where the processor can. */
LYC_SIMD_INLINE lyc_vf lyc_vfma(lyc_vf a, lyc_vf b, lyc_vf c)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* c - a * b */
LYC_SIMD_INLINE lyc_vf lyc_vfnma(lyc_vf a, lyc_vf b, lyc_vf c)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_fnmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return c - a * b;
#endif
}

LYC_SIMD_INLINE lyc_vf lyc_vmax(lyc_vf a, lyc_vf b)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(LYC_SIMD_SSE2)
    return (lyc_vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return lyc_vselect(a > b, a, b);
#endif
}

LYC_SIMD_INLINE lyc_vf lyc_vmin(lyc_vf a, lyc_vf b)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(LYC_SIMD_SSE2)
    return (lyc_vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return lyc_vselect(a < b, a, b);
#endif
}

LYC_SIMD_INLINE lyc_vf lyc_vabs(lyc_vf v)
{
    return (lyc_vf)((lyc_vi)v & 0x7fffffff);
}

LYC_SIMD_INLINE lyc_vf lyc_vsqrt(lyc_vf v)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_sqrt_ps((__m512)v);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_sqrt_ps((__m256)v);
#elif defined(LYC_SIMD_SSE2)
    return (lyc_vf)_mm_sqrt_ps((__m128)v);
#else
    for (int i = 0; i < LYC_LANES; i++) {
        v[i] = __builtin_sqrtf(v[i]);
    }
    return v;
#endif
}

/* int32 to float, exact below 2^24. */
LYC_SIMD_INLINE lyc_vf lyc_vfrom_int(lyc_vi v)
{
    return __builtin_convertvector(v, lyc_vf);
}

/* Sum of the lanes by halves: the order depends on LYC_LANES alone. */
LYC_SIMD_INLINE float lyc_vsum(lyc_vf v)
{
#if defined(LYC_SIMD_AVX512) || defined(LYC_SIMD_AVX2)
#if defined(LYC_SIMD_AVX512)
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256((__m512)v),
                                   _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1)));
#else
    const __m256 h = (__m256)v;
#endif
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
#else
    float lane[LYC_LANES];
    memcpy(lane, &v, sizeof lane);
    for (int half = LYC_LANES / 2; half >= 1; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
#endif
}

/* The largest lane. */
LYC_SIMD_INLINE float lyc_vmax_across(lyc_vf v)
{
#if defined(LYC_SIMD_AVX512) || defined(LYC_SIMD_AVX2)
#if defined(LYC_SIMD_AVX512)
    const __m256 h = _mm256_max_ps(_mm512_castps512_ps256((__m512)v),
                                   _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1)));
#else
    const __m256 h = (__m256)v;
#endif
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
#else
    float lane[LYC_LANES];
    memcpy(lane, &v, sizeof lane);
    for (int half = LYC_LANES / 2; half >= 1; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
        }
    }
    return lane[0];
#endif
}

/* ---- f32 and int32 in memory ---- */

LYC_SIMD_INLINE lyc_vf lyc_vload(const float *p)
{
    return *(const lyc_vf_memory *)p;
}

LYC_SIMD_INLINE void lyc_vstore(float *p, lyc_vf v)
{
    *(lyc_vf_memory *)p = v;
}

LYC_SIMD_INLINE lyc_vi lyc_viload(const void *p)
{
    return *(const lyc_vi_memory *)p;
}

LYC_SIMD_INLINE void lyc_vistore(void *p, lyc_vi v)
{
    *(lyc_vi_memory *)p = v;
}

LYC_SIMD_INLINE lyc_vf lyc_vload_n(const float *p, int n)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_maskload_ps(p, (__m256i)lyc_vmask_first(n));
#else
    lyc_vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
#endif
}

LYC_SIMD_INLINE void lyc_vstore_n(float *p, lyc_vf v, int n)
{
#if defined(LYC_SIMD_AVX512)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(LYC_SIMD_AVX2)
    _mm256_maskstore_ps(p, (__m256i)lyc_vmask_first(n), (__m256)v);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* ---- 16-bit elements: as stored ---- */

LYC_SIMD_INLINE lyc_vh lyc_vhload(const uint16_t *p)
{
    return *(const lyc_vh_memory *)p;
}

LYC_SIMD_INLINE void lyc_vhstore(uint16_t *p, lyc_vh v)
{
    *(lyc_vh_memory *)p = v;
}

LYC_SIMD_INLINE lyc_vh lyc_vhload_n(const uint16_t *p, int n)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#else
    lyc_vh v = {0};
    memcpy(&v, p, (size_t)n * sizeof(uint16_t));
    return v;
#endif
}

LYC_SIMD_INLINE void lyc_vhstore_n(uint16_t *p, lyc_vh v, int n)
{
#if defined(LYC_SIMD_AVX512)
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)v);
#else
    memcpy(p, &v, (size_t)n * sizeof(uint16_t));
#endif
}

/* The low halves of 32-bit lanes. */
LYC_SIMD_INLINE lyc_vh lyc_vnarrow(lyc_vi v)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vh)_mm512_cvtepi32_epi16((__m512i)v);
#elif defined(LYC_SIMD_AVX2)
    const __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xffff));
    const __m128i first = _mm256_castsi256_si128(low), second = _mm256_extracti128_si256(low, 1);
    return (lyc_vh)_mm_packus_epi32(first, second);
#else
    return __builtin_convertvector((lyc_vu)v, lyc_vh);
#endif
}

LYC_SIMD_INLINE lyc_vi lyc_vwiden(lyc_vh v)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vi)_mm512_cvtepu16_epi32((__m256i)v);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vi)_mm256_cvtepu16_epi32((__m128i)v);
#else
    return (lyc_vi) __builtin_convertvector(v, lyc_vu);
#endif
}

/* ---- bf16: the upper half of an f32 ---- */

LYC_SIMD_INLINE lyc_vf lyc_vfrom_bf16(lyc_vh v)
{
    return (lyc_vf)(lyc_vwiden(v) << 16);
}

/* Each lane rounded to bf16; the result is in the upper halves, the lower ones hold rubbish. */
LYC_SIMD_INLINE lyc_vi lyc_vround_bf16(lyc_vf v)
{
    const lyc_vi bits = (lyc_vi)v;
    const lyc_vi rounded = (lyc_vi)((lyc_vu)bits + 0x7fff + (lyc_vu)((bits >> 16) & 1));
    const lyc_vi is_number = v == v;
    return lyc_viselect(is_number, rounded, bits | 0x00400000); /* a NaN stays one, made quiet */
}

LYC_SIMD_INLINE lyc_vh lyc_vto_bf16(lyc_vf v)
{
    return lyc_vnarrow((lyc_vi)((lyc_vu)lyc_vround_bf16(v) >> 16));
}

LYC_SIMD_INLINE lyc_vf lyc_vload_bf16(const uint16_t *p)
{
    return lyc_vfrom_bf16(lyc_vhload(p));
}

LYC_SIMD_INLINE lyc_vf lyc_vload_bf16_n(const uint16_t *p, int n)
{
    return lyc_vfrom_bf16(lyc_vhload_n(p, n));
}

LYC_SIMD_INLINE void lyc_vstore_bf16(uint16_t *p, lyc_vf v)
{
    lyc_vhstore(p, lyc_vto_bf16(v));
}

LYC_SIMD_INLINE void lyc_vstore_bf16_n(uint16_t *p, lyc_vf v, int n)
{
    lyc_vhstore_n(p, lyc_vto_bf16(v), n);
}

/* ---- f16 ---- */

LYC_SIMD_INLINE lyc_vf lyc_vfrom_f16(lyc_vh v)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vf)_mm512_cvtph_ps((__m256i)v);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vf)_mm256_cvtph_ps((__m128i)v);
#else
    const lyc_vi wide = lyc_vwiden(v);
    const lyc_vi magnitude = (wide & 0x7fff) << 13, sign = (wide & 0x8000) << 16;
    /* 2^112 moves the exponent's bias, for subnormals as well. */
    const lyc_vi finite = (lyc_vi)((lyc_vf)magnitude * 0x1p112f);
    const lyc_vi is_nan = magnitude > 0x7c00 << 13;
    const lyc_vi special = magnitude | 0x7f800000 | (is_nan & 0x00400000);
    return (lyc_vf)(lyc_viselect(magnitude >= 0x7c00 << 13, special, finite) | sign);
#endif
}

LYC_SIMD_INLINE lyc_vh lyc_vto_f16(lyc_vf v)
{
#if defined(LYC_SIMD_AVX512)
    return (lyc_vh)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
#elif defined(LYC_SIMD_AVX2)
    return (lyc_vh)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
#else
    const lyc_vi bits = (lyc_vi)v, magnitude = bits & 0x7fffffff;
    const lyc_vi sign = (lyc_vi)((lyc_vu)bits >> 16) & 0x8000;
    const lyc_vi normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112 << 23)) >> 13;
    /* One unit of 0.5 is 2^-24, the smallest f16: the addition rounds. */
    const lyc_vi subnormal = (lyc_vi)((lyc_vf)magnitude + 0.5f) - 0x3f000000;
    const lyc_vi nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    lyc_vi half = lyc_viselect(magnitude < 0x38800000, subnormal, normal);
    half = lyc_viselect(magnitude >= 0x477ff000, lyc_viset(0x7c00), half);
    half = lyc_viselect(magnitude > 0x7f800000, nan, half);
    return lyc_vnarrow(half | sign);
#endif
}

LYC_SIMD_INLINE lyc_vf lyc_vload_f16(const uint16_t *p)
{
    return lyc_vfrom_f16(lyc_vhload(p));
}

LYC_SIMD_INLINE lyc_vf lyc_vload_f16_n(const uint16_t *p, int n)
{
    return lyc_vfrom_f16(lyc_vhload_n(p, n));
}

LYC_SIMD_INLINE void lyc_vstore_f16(uint16_t *p, lyc_vf v)
{
    lyc_vhstore(p, lyc_vto_f16(v));
}

LYC_SIMD_INLINE void lyc_vstore_f16_n(uint16_t *p, lyc_vf v, int n)
{
    lyc_vhstore_n(p, lyc_vto_f16(v), n);
}

/* ---- f32, bf16 or f16 by a type that is the same for a whole loop ---- */

/* Elements [index, index + LYC_LANES) of the array at base. dtype is LYC_F32, LYC_BF16 or LYC_F16; the compiler moves
 * the test out of the loop when the function around it is inlined with a constant, and it is predicted otherwise. */
LYC_SIMD_INLINE lyc_vf lyc_vload_as(lyc_dtype dtype, const void *base, int64_t index)
{
    if (dtype == LYC_F32) {
        return lyc_vload((const float *)base + index);
    }
    const lyc_vh half = lyc_vhload((const uint16_t *)base + index);
    return dtype == LYC_BF16 ? lyc_vfrom_bf16(half) : lyc_vfrom_f16(half);
}

LYC_SIMD_INLINE lyc_vf lyc_vload_as_n(lyc_dtype dtype, const void *base, int64_t index, int n)
{
    if (dtype == LYC_F32) {
        return lyc_vload_n((const float *)base + index, n);
    }
    const lyc_vh half = lyc_vhload_n((const uint16_t *)base + index, n);
    return dtype == LYC_BF16 ? lyc_vfrom_bf16(half) : lyc_vfrom_f16(half);
}

LYC_SIMD_INLINE void lyc_vstore_as(lyc_dtype dtype, void *base, int64_t index, lyc_vf v)
{
    if (dtype == LYC_F32) {
        lyc_vstore((float *)base + index, v);
    } else {
        lyc_vhstore((uint16_t *)base + index, dtype == LYC_BF16 ? lyc_vto_bf16(v) : lyc_vto_f16(v));
    }
}

LYC_SIMD_INLINE void lyc_vstore_as_n(lyc_dtype dtype, void *base, int64_t index, lyc_vf v, int n)
{
    if (dtype == LYC_F32) {
        lyc_vstore_n((float *)base + index, v, n);
    } else {
        lyc_vhstore_n((uint16_t *)base + index, dtype == LYC_BF16 ? lyc_vto_bf16(v) : lyc_vto_f16(v), n);
    }
}

/* ---- past the cache ---- */

/* p is a multiple of the vector's size. lyc_vstream_end before other threads read what was stored. */
LYC_SIMD_INLINE void lyc_vstream(void *p, lyc_vf v)
{
#if defined(LYC_SIMD_AVX512)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(LYC_SIMD_AVX2)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(LYC_SIMD_SSE2)
    _mm_stream_ps(p, (__m128)v);
#else
    memcpy(p, &v, sizeof v);
#endif
}

LYC_SIMD_INLINE void lyc_vstream_end(void)
{
#if !defined(LYC_SIMD_PLAIN) && (defined(__SSE2__) || defined(__AVX2__))
    _mm_sfence();
#endif
}

/* ---- pairs of bf16 in one 32-bit lane: the even element in the lower half, as two neighbours lie in memory ---- */

LYC_SIMD_INLINE lyc_vf lyc_vpair_even(lyc_vi pairs)
{
    return (lyc_vf)(pairs << 16);
}

LYC_SIMD_INLINE lyc_vf lyc_vpair_odd(lyc_vi pairs)
{
    return (lyc_vf)(pairs & (int32_t)0xffff0000);
}

/* Rounds two vectors to bf16 and pairs them lane by lane: for panels in which neighbours along k share a lane. */
LYC_SIMD_INLINE lyc_vi lyc_vpair(lyc_vf even, lyc_vf odd)
{
    const lyc_vi low = (lyc_vi)((lyc_vu)lyc_vround_bf16(even) >> 16);
    return low | (lyc_vround_bf16(odd) & (int32_t)0xffff0000);
}

/* acc + a.even * b.even + a.odd * b.odd in each lane: vdpbf16ps. The instruction treats subnormals as zero and adds the
 * odd product first; the emulation keeps subnormals. */
LYC_SIMD_INLINE lyc_vf lyc_vdot_bf16(lyc_vf acc, lyc_vi a, lyc_vi b)
{
#ifdef LYC_SIMD_BF16
    return (lyc_vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
#else
    acc = lyc_vfma(lyc_vpair_odd(a), lyc_vpair_odd(b), acc);
    return lyc_vfma(lyc_vpair_even(a), lyc_vpair_even(b), acc);
#endif
}

/* ---- exchange of rows and columns ---- */

/* Transposes the square of LYC_LANES vectors: lane j of v[i] and lane i of v[j] change places. */
LYC_SIMD_INLINE void lyc_vtranspose(lyc_vf *v)
{
#if LYC_LANES == 4
    const lyc_vf a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5),
                 b = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
    const lyc_vf c = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7),
                 d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
#elif LYC_LANES == 8
    lyc_vf t[8];
    _Pragma("GCC unroll 4") for (int i = 0; i < 8; i += 2) /* pairs of rows, in each 128-bit part */
    {
        t[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    _Pragma("GCC unroll 2") for (int i = 0; i < 8; i += 4) /* fours of rows */
    {
        v[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        v[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        v[i + 2] = __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        v[i + 3] = __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) /* the two halves */
    {
        const lyc_vf low = v[i], high = v[i + 4];
        v[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11);
        v[i + 4] = __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
    }
#elif LYC_LANES == 16
    lyc_vf t[16];
    _Pragma("GCC unroll 8") for (int i = 0; i < 16; i += 2)
    {
        t[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        t[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 16; i += 4)
    {
        v[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        v[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        v[i + 2] =
            __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        v[i + 3] =
            __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) /* a 4 x 4 square of 128-bit parts */
    {
        const lyc_vf a =
            __builtin_shufflevector(v[i], v[i + 4], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const lyc_vf b =
            __builtin_shufflevector(v[i + 8], v[i + 12], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const lyc_vf c =
            __builtin_shufflevector(v[i], v[i + 4], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        const lyc_vf d =
            __builtin_shufflevector(v[i + 8], v[i + 12], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        t[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[i + 8] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        t[i + 4] = __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        t[i + 12] = __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++)
    {
        v[i] = t[i];
    }
#endif
}

/* Fetches the cache line at p for reading; any address will do. */
LYC_SIMD_INLINE void lyc_vprefetch(const void *p)
{
    __builtin_prefetch(p, 0, 3);
}

#endif
