/* convert.c - conversion between any two computable element types
 *
 * Runs go through f32 in blocks where f32 holds the source exactly or rounds it on the way (convert/convert.h), else
 * one element at a time through double, or through 64-bit integers. Large results are stored around the caches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/convert/convert.h"

#include <stdint.h>
#include <string.h>

#include "base/size.h"
#include "base/thread.h"
#include "tensor/dtype.h"

extern const lyc_convert_table lyc_convert_table_generic;
#if defined(__x86_64__)
extern const lyc_convert_table lyc_convert_table_avx2;
extern const lyc_convert_table lyc_convert_table_avx512;
extern const lyc_convert_table lyc_convert_table_avx512bf16;
#endif

enum { BLOCK = 1024 };                       /* elements: 4 KiB of f32 */
static const size_t STREAM_BYTES = 4u << 20; /* results above this do not fit beside their sources in caches */
static const size_t PARALLEL_ELEMENTS = 1u << 16;

const lyc_convert_table *lyc_convert_table_isa(lyc_isa isa)
{
    static const lyc_convert_table *const tables[LYC_ISA_COUNT] = {
        [LYC_ISA_GENERIC] = &lyc_convert_table_generic,
#if defined(__x86_64__)
        [LYC_ISA_AVX2] = &lyc_convert_table_avx2,
        [LYC_ISA_AVX512] = &lyc_convert_table_avx512,
        [LYC_ISA_AVX512BF16] = &lyc_convert_table_avx512bf16,
#endif
    };
    return tables[isa];
}

const lyc_convert_table *lyc_convert_table_get(void)
{
    return lyc_convert_table_isa(lyc_cpu_isa());
}

/* How a pair is converted: first to f32 (or copied), then from it; NULL where that does not exist. */
typedef struct route {
    lyc_convert_run first;
    lyc_convert_run second; /* NULL: first writes the result */
} route;

static route find_route(const lyc_convert_table *t, lyc_dtype dst, lyc_dtype src)
{
    if (dst == LYC_F32) {
        return (route){t->widen[src], NULL};
    }
    if (src == LYC_F32) {
        return (route){dst == LYC_F64 ? t->f32_to_f64 : t->narrow[dst], NULL};
    }
    if (dst == LYC_F64) {
        return (route){t->widen[src], t->f32_to_f64};
    }
    return (route){src == LYC_F64 ? t->f64_to_f32_odd : t->widen[src], t->narrow[dst]};
}

static void convert_block(const route *r, void *dst, const void *src, size_t n)
{
    float wide[BLOCK];
    if (r->second == NULL) {
        r->first(dst, src, n);
        return;
    }
    r->first(wide, src, n);
    r->second(dst, wide, n);
}

/* Asks for the bytes of the next block while this one is converted and stored: without it reading and writing memory
 * take turns. */
static void prefetch(const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(from + i);
    }
}

static void convert_blocks(const lyc_convert_table *t, const route *r, char *dst, size_t dst_size, const char *src,
                           size_t src_size, size_t n, bool around_caches)
{
    _Alignas(64) char result[BLOCK * 8];
    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t count = n - i < BLOCK ? n - i : BLOCK;
        if (around_caches) {
            const size_t left = n - i - count;
            prefetch(src + (i + count) * src_size, (left < BLOCK ? left : BLOCK) * src_size);
            convert_block(r, result, src + i * src_size, count);
            t->stream(dst + i * dst_size, result, count * dst_size);
        } else {
            convert_block(r, dst + i * dst_size, src + i * src_size, count);
        }
    }
}

/* Integers of 64 bits do not pass through double. */
static bool is_wide_integer(lyc_dtype dtype)
{
    return dtype == LYC_I64 || dtype == LYC_U64;
}

static void convert_wide_integer(char *dst, lyc_dtype dst_dtype, const char *src, size_t n)
{
    /* I64 to U64 and back: negative numbers become 0, numbers above the range its end. */
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, src + i * 8, sizeof bits);
        if (bits > INT64_MAX) {
            bits = dst_dtype == LYC_U64 ? 0 : INT64_MAX;
        }
        memcpy(dst + i * 8, &bits, sizeof bits);
    }
}

static void convert_elements(char *dst, lyc_dtype dst_dtype, size_t dst_size, const char *src, lyc_dtype src_dtype,
                             size_t src_size, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lyc_dtype_store(dst_dtype, dst + i * dst_size, lyc_dtype_load(src_dtype, src + i * src_size));
    }
}

typedef struct conversion {
    const lyc_convert_table *table;
    char *dst;
    const char *src;
    lyc_dtype dst_dtype;
    lyc_dtype src_dtype;
    bool around_caches;
} conversion;

static void convert_range(const conversion *c, size_t first, size_t n)
{
    const size_t dst_size = (size_t)lyc_dtype_bits(c->dst_dtype) / 8;
    const size_t src_size = (size_t)lyc_dtype_bits(c->src_dtype) / 8;
    char *dst = c->dst + first * dst_size;
    const char *src = c->src + first * src_size;
    const route r = find_route(c->table, c->dst_dtype, c->src_dtype);
    if (c->dst_dtype == c->src_dtype) {
        if (c->around_caches) {
            c->table->stream(dst, src, n * dst_size);
        } else if (n > 0) {
            memcpy(dst, src, n * dst_size);
        }
    } else if (is_wide_integer(c->dst_dtype) && is_wide_integer(c->src_dtype)) {
        convert_wide_integer(dst, c->dst_dtype, src, n);
    } else if (r.first != NULL && (r.second != NULL || c->dst_dtype == LYC_F32 || c->src_dtype == LYC_F32)) {
        convert_blocks(c->table, &r, dst, dst_size, src, src_size, n, c->around_caches);
    } else {
        convert_elements(dst, c->dst_dtype, dst_size, src, c->src_dtype, src_size, n);
    }
}

static void convert_body(void *context, int64_t first, int64_t last, int thread)
{
    (void)thread;
    convert_range(context, (size_t)first, (size_t)(last - first));
}

static lyc_status prepare(conversion *c, void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, size_t n,
                          lyc_error *err)
{
    if (!lyc_dtype_computable(src_dtype) || !lyc_dtype_computable(dst_dtype)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "no conversion from %s to %s", lyc_dtype_name(src_dtype),
                        lyc_dtype_name(dst_dtype));
    }
    size_t bytes;
    if (!lyc_size_mul(&bytes, n, sizeof(uint64_t))) {
        return lyc_fail(err, LYC_E_SHAPE, "%zu elements are more than memory can hold", n);
    }
    *c = (conversion){.table = lyc_convert_table_get(),
                      .dst = dst,
                      .src = src,
                      .dst_dtype = dst_dtype,
                      .src_dtype = src_dtype,
                      .around_caches = n > STREAM_BYTES / ((size_t)lyc_dtype_bits(dst_dtype) / 8)};
    return LYC_OK;
}

lyc_status lyc_dtype_convert(void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, size_t n,
                             lyc_error *err)
{
    conversion c;
    LYC_TRY(prepare(&c, dst, dst_dtype, src, src_dtype, n, err));
    convert_range(&c, 0, n);
    return LYC_OK;
}

lyc_status lyc_dtype_convert_parallel(void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, size_t n,
                                      lyc_error *err)
{
    conversion c;
    LYC_TRY(prepare(&c, dst, dst_dtype, src, src_dtype, n, err));
    if (n < PARALLEL_ELEMENTS) {
        convert_range(&c, 0, n);
    } else {
        lyc_parallel_for((int64_t)n, convert_body, &c);
    }
    return LYC_OK;
}
