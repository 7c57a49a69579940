/* attention.h - what the forward and the backward kernel of attention share: sizes and packing
 *
 * Both work with queries in the lanes of vectors: a panel holds LYC_TILE_WIDTH queries, [words][queries], while keys
 * and values are read one word at a time and spread over the lanes. So no head size wastes a lane, sums and maxima over
 * keys are taken lane by lane, and keys and values are packed as they lie.
 *
 * A word is an f32, or two neighbours of bf16 where the processor multiplies such pairs; bf16 is widened to f32 when
 * packed elsewhere. Packing also removes the stride of heads * d elements, at which rows fall into a few sets of the
 * first-level cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_ATTENTION_H
#define LYC_BACKEND_CPU_KERNELS_ATTENTION_H

#include <math.h>

#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/simd_math.h"
#include "backend/cpu/kernels/tile.h"
#include "base/memory.h"
#include "graph/ops/attention.h"

/* Whether bf16 problems are computed in pairs: where the processor can, and in the tests' build with plain vectors. */
#if LYC_SIMD_HAS_DOT_BF16 || defined(LYC_SIMD_PLAIN)
#define LYC_ATTENTION_PAIRS 1
#else
#define LYC_ATTENTION_PAIRS 0
#endif

enum { PANEL = LYC_TILE_WIDTH };

typedef struct attention_sizes {
    int64_t n, tq, tk, heads, d;
    lyc_dtype dtype;
    bool causal;
    bool pairs;
    float scale;        /* of q kT */
    int64_t words;      /* of one row of a head: d, or half of it in pairs */
    int64_t row;        /* words between packed rows, a multiple of the lanes */
    int64_t channels;   /* d, rounded up to whole vectors */
    int64_t block_keys; /* keys that are packed at a time: results depend on it */
    float c;            /* |scale| log2(e) */
    uint32_t flip;      /* the sign bits of a word when scale is negative, which q then takes in */
} attention_sizes;

LYC_SIMD_INLINE int64_t round_up(int64_t x, int64_t unit)
{
    return (x + unit - 1) / unit * unit;
}

/* `words_fitting`: of packed keys that a block may have. */
LYC_SIMD_INLINE attention_sizes attention_sizes_of(const lyc_problem *p, int64_t words_fitting, int64_t most_keys)
{
    const lyc_attention_attr *attr = p->attr;
    const lyc_shape *q = &p->in[0].shape;
    attention_sizes s = {.n = q->dims[0], .tq = q->dims[1], .tk = p->in[1].shape.dims[1], .heads = attr->heads};
    s.d = q->dims[2] / s.heads;
    s.dtype = p->in[0].dtype;
    s.causal = attr->causal;
    s.pairs = LYC_ATTENTION_PAIRS && s.dtype == LYC_BF16;
    s.words = s.pairs ? (s.d + 1) / 2 : s.d;
    s.row = round_up(s.words, LYC_LANES);
    s.channels = round_up(s.d, LYC_LANES);
    s.block_keys = lyc_max(24, lyc_min(most_keys, words_fitting / s.d / 12 * 12));
    s.scale = (float)lyc_attention_scale(attr, s.d);
    s.c = fabsf(s.scale) * LYC_LOG2_E;
    s.flip = s.scale >= 0 ? 0 : s.pairs ? 0x80008000u : 0x80000000u;
    return s;
}

/* Tensors of one type, f32 or bf16, and something to do. The log-sum-exp, output 1 of two and input 4, is f32. */
LYC_SIMD_INLINE bool attention_accepts(const lyc_problem *p)
{
    const lyc_dtype dtype = p->in[0].dtype;
    bool accepted = lyc_is_float(dtype);
    for (int i = 0; i < p->n_inputs; i++) {
        accepted = accepted && p->in[i].dtype == (i == 4 ? LYC_F32 : dtype) && lyc_shape_elements(&p->in[i].shape) > 0;
    }
    for (int i = 0; i < p->n_outputs; i++) {
        accepted = accepted && lyc_result_is(&p->out[i], p->n_outputs == 2 && i == 1 ? LYC_F32 : dtype);
    }
    return accepted;
}

/* Element of channel 0 of a head in the row of a token; tokens is tq or tk. */
LYC_SIMD_INLINE int64_t attention_index(const attention_sizes *s, int64_t tokens, int64_t n, int64_t token,
                                        int64_t head)
{
    return ((n * tokens + token) * s->heads + head) * s->d;
}

LYC_SIMD_INLINE const char *attention_at(const attention_sizes *s, const void *base, int64_t tokens, int64_t n,
                                         int64_t token, int64_t head)
{
    return (const char *)base + attention_index(s, tokens, n, token, head) * lyc_bytes_of(s->dtype);
}

/* Bytes from one token to the next. */
LYC_SIMD_INLINE int64_t attention_token_bytes(const attention_sizes *s)
{
    return s->heads * s->d * lyc_bytes_of(s->dtype);
}

/* Words [w, w + LYC_LANES) of a head's row as they are packed; zero past its end. */
LYC_SIMD_INLINE lyc_vf attention_words(const attention_sizes *s, const char *row, int64_t w)
{
    if (s->pairs) {
        const uint16_t *half = (const uint16_t *)row + 2 * w;
        if (2 * (w + LYC_LANES) <= s->d) {
            return (lyc_vf)lyc_viload(half);
        }
        uint16_t last[2 * LYC_LANES] = {0};
        memcpy(last, half, (size_t)(s->d - 2 * w) * sizeof *last);
        return (lyc_vf)lyc_viload(last);
    }
    if (w + LYC_LANES <= s->d) {
        return lyc_vload_as(s->dtype, row, w);
    }
    return lyc_vload_as_n(s->dtype, row, w, (int)(s->d - w));
}

/* count rows, one after the other with a stride of s->row words. */
LYC_SIMD_INLINE void attention_pack_rows(lyc_word *dst, const attention_sizes *s, const char *src, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        for (int64_t w = 0; w < s->words; w += LYC_LANES) {
            lyc_vstore(&dst[i * s->row + w].f, attention_words(s, src, w));
        }
        src += attention_token_bytes(s);
    }
}

/* The same for sums over the rows: in pairs, word c of packed row j holds channel c of rows 2 j and 2 j + 1, and the
 * stride is s->channels. Rows from count on, up to a multiple of 2, are zero. */
LYC_SIMD_INLINE void attention_pack_sums(lyc_word *dst, const attention_sizes *s, const char *src, int64_t count)
{
    if (!s->pairs) {
        attention_pack_rows(dst, s, src, count);
        return;
    }
    const int64_t token = attention_token_bytes(s);
    for (int64_t j = 0; j < count; j += 2) {
        const uint16_t *even = (const uint16_t *)(src + j * token);
        const uint16_t *odd = (const uint16_t *)(src + (j + 1) * token);
        for (int64_t c = 0; c < s->d; c += LYC_LANES) {
            const int n = (int)lyc_min(LYC_LANES, s->d - c);
            const lyc_vi low = lyc_vwiden(lyc_vhload_n(even + c, n));
            const lyc_vi high = j + 1 < count ? lyc_vwiden(lyc_vhload_n(odd + c, n)) : (lyc_vi){0};
            lyc_vistore(dst + j / 2 * s->channels + c, low | high << 16);
        }
    }
}

/* Up to PANEL rows as columns: dst [words][PANEL], columns from count on are zero. Bits of `flip` are inverted. */
LYC_SIMD_INLINE void attention_pack_panel(lyc_word *dst, const attention_sizes *s, const char *src, int64_t count,
                                          uint32_t flip)
{
    const int64_t token = attention_token_bytes(s);
    for (int64_t first = 0; first < PANEL; first += LYC_LANES) {
        const int64_t here = count - first < LYC_LANES ? count - first : LYC_LANES;
        for (int64_t w = 0; w < s->words; w += LYC_LANES) {
            lyc_vf v[LYC_LANES];
            for (int64_t i = 0; i < LYC_LANES; i++) {
                v[i] = i < here ? attention_words(s, src + (first + i) * token, w) : (lyc_vf){0};
            }
            lyc_vtranspose(v);
            for (int64_t i = 0; i < LYC_LANES && w + i < s->words; i++) {
                const lyc_vi flipped = (lyc_vi)v[i] ^ lyc_viset((int32_t)flip);
                lyc_vistore(dst + (w + i) * PANEL + first, flipped);
            }
        }
    }
}

/* Asks for the cache lines of two tensors' rows that are packed next, whose stride hides them from the processor's own
 * prefetching, a few at a time: requests that come faster than memory answers are dropped. Without this, packing took a
 * quarter of the time at 4096 keys of 8 heads. */
typedef struct attention_fetcher {
    const char *a, *b;
    int64_t token;  /* bytes between rows */
    int64_t bytes;  /* of a row */
    int64_t rows;   /* still to come */
    int64_t offset; /* in the row */
    int64_t burst;  /* lines of each at a time */
} attention_fetcher;

/* For `rows` rows from a and from b, to be asked for in so many bursts. */
LYC_SIMD_INLINE attention_fetcher attention_fetcher_of(const attention_sizes *s, const char *a, const char *b,
                                                       int64_t rows, int64_t bursts)
{
    attention_fetcher f = {a, b, attention_token_bytes(s), s->d * lyc_bytes_of(s->dtype), rows, 0, 0};
    f.burst = (rows * (f.bytes / 64 + 1) + bursts - 1) / bursts;
    return f;
}

/* Inline: the compiler would leave out the call of a function that does nothing but prefetch. */
LYC_SIMD_INLINE void attention_fetch(attention_fetcher *f)
{
    for (int64_t i = 0; i < f->burst && f->rows > 0; i++) {
        lyc_vprefetch(f->a + f->offset);
        lyc_vprefetch(f->b + f->offset);
        f->offset += 64;
        if (f->offset >= f->bytes + 63) {
            f->a += f->token;
            f->b += f->token;
            f->offset = 0;
            f->rows--;
        }
    }
}

/* Query i of the panel sees keys up to last + i. */
LYC_SIMD_INLINE void attention_hide_later_keys(lyc_word *scores, int64_t keys, int64_t last)
{
    for (int64_t j = lyc_max(0, last + 1); j < keys; j++) {
        for (int64_t i = 0; i < lyc_min(PANEL, j - last); i++) {
            scores[j * PANEL + i].f = -INFINITY;
        }
    }
}

/* One vector of a head's row from channel c on, as the tensor's type. */
LYC_SIMD_INLINE void attention_store(void *tensor, int64_t index, const attention_sizes *s, int64_t c, lyc_vf v)
{
    if (c + LYC_LANES <= s->d) {
        lyc_vstore_as(s->dtype, tensor, index + c, v);
    } else {
        lyc_vstore_as_n(s->dtype, tensor, index + c, v, (int)(s->d - c));
    }
}

/* The first `count` columns of [d][PANEL], each times its factor, to as many rows of a tensor; index: of the first. */
LYC_SIMD_INLINE void attention_store_columns(void *tensor, int64_t index, const attention_sizes *s,
                                             const float *columns, int count, lyc_vf factor)
{
    for (int64_t c = 0; c < s->d; c += LYC_LANES) {
        lyc_vf v[LYC_LANES];
        for (int i = 0; i < LYC_LANES; i++) {
            v[i] = c + i < s->d ? lyc_vload(columns + (c + i) * PANEL) * factor : (lyc_vf){0};
        }
        lyc_vtranspose(v);
        for (int i = 0; i < count; i++) {
            attention_store(tensor, index + i * s->heads * s->d, s, c, v[i]);
        }
    }
}

/* Two vectors rounded to bf16 and paired lane by lane. Half rounds up, and only a NaN whose low bits are ones would be
 * lost; those of bf16 are zeros. A third of the instructions of lyc_vpair. */
LYC_SIMD_INLINE lyc_vi attention_pair(lyc_vf even, lyc_vf odd)
{
    const lyc_vi low = (lyc_vi)((lyc_vu)((lyc_vi)even + 0x8000) >> 16);
    return low | (((lyc_vi)odd + 0x8000) & (int32_t)0xffff0000);
}

/* One vector rounded in the same way. */
LYC_SIMD_INLINE lyc_vh attention_half(lyc_vf v)
{
    return lyc_vnarrow((lyc_vi)((lyc_vu)((lyc_vi)v + 0x8000) >> 16));
}

/* A guess at the time of `products` products of queries with keys on one core. */
static inline double attention_ns(const attention_sizes *s, int products)
{
    const double ns_a_product = 0.05;
    return ns_a_product * products * (double)(s->n * s->heads * s->d) * (double)(s->tq * s->tk);
}

#endif
