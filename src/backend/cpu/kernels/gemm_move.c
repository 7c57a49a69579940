/* gemm_move.c - brings the operands of matrix products into rows and panels
 *
 * Four movements: rows from rows (copies), rows from columns, panels from rows (copies side by side), panels from
 * columns. Exchanges of rows and columns go through squares of LYC_LANES vectors in registers. In pairs of bf16 two
 * neighbours along k share a 32-bit lane, so the same squares serve: the lane is the element.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/gemm_isa.h"

#define UNROLL _Pragma("GCC unroll 16")

enum {
    HALVES = 2 * LYC_LANES, /* bf16 elements of a vector's size */
    AHEAD = 32,             /* how many rows of a source are fetched before their turn */
};

LYC_SIMD_INLINE int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* ---- rows from rows ---- */

/* One row; inlined for each pair of types. */
LYC_SIMD_INLINE void copy_row(void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, int n)
{
    int i = 0;
    if (dst_dtype == LYC_BF16 && src_dtype == LYC_BF16) {
        for (; i + HALVES <= n; i += HALVES) {
            lyc_vistore((uint16_t *)dst + i, lyc_viload((const uint16_t *)src + i));
        }
        for (; i < n; i += LYC_LANES) {
            const int left = min_int(n - i, LYC_LANES);
            lyc_vhstore_n((uint16_t *)dst + i, lyc_vhload_n((const uint16_t *)src + i, left), left);
        }
        return;
    }
    for (; i + LYC_LANES <= n; i += LYC_LANES) {
        lyc_vstore_as(dst_dtype, dst, i, lyc_vload_as(src_dtype, src, i));
    }
    if (i < n) {
        lyc_vstore_as_n(dst_dtype, dst, i, lyc_vload_as_n(src_dtype, src, i, n - i), n - i);
    }
}

LYC_SIMD_INLINE void copy_rows(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows,
                               int n)
{
    char *to = dst;
    for (int i = 0; i < rows; i++) {
        if (src[i] != NULL) {
            copy_row(to, dst_dtype, src[i], src_dtype, n);
        } else {
            memset(to, 0, (size_t)n * (dst_dtype == LYC_F32 ? 4 : 2));
        }
        to += LYC_GEMM_ROW_BYTES;
    }
}

static void rows_from_rows(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows, int n)
{
    if (dst_dtype == LYC_F32) {
        if (src_dtype == LYC_F32) {
            copy_rows(dst, LYC_F32, src, LYC_F32, rows, n);
        } else {
            copy_rows(dst, LYC_F32, src, LYC_BF16, rows, n);
        }
    } else if (src_dtype == LYC_F32) {
        copy_rows(dst, LYC_BF16, src, LYC_F32, rows, n);
    } else {
        copy_rows(dst, LYC_BF16, src, LYC_BF16, rows, n);
    }
}

/* ---- vectors and pairs of rows that may be absent ---- */

/* src[0..n), zeros beyond and for NULL. */
LYC_SIMD_INLINE lyc_vf load_or_zero(const void *src, lyc_dtype dtype, int64_t at, int n)
{
    if (src == NULL || n <= 0) {
        return (lyc_vf){0};
    }
    return n >= LYC_LANES ? lyc_vload_as(dtype, src, at) : lyc_vload_as_n(dtype, src, at, n);
}

LYC_SIMD_INLINE lyc_vi load_half_or_zero(const void *src, int64_t at, int n)
{
    if (src == NULL || n <= 0) {
        return (lyc_vi){0};
    }
    const uint16_t *from = (const uint16_t *)src + at;
    return lyc_vwiden(n >= LYC_LANES ? lyc_vhload(from) : lyc_vhload_n(from, n));
}

/* Lane j: elements j of two rows as a pair of bf16. */
LYC_SIMD_INLINE lyc_vi pair_rows(const void *even, const void *odd, lyc_dtype dtype, int64_t at, int n)
{
    if (dtype == LYC_BF16) {
        return load_half_or_zero(even, at, n) | (load_half_or_zero(odd, at, n) << 16);
    }
    return lyc_vpair(load_or_zero(even, dtype, at, n), load_or_zero(odd, dtype, at, n));
}

/* Lane j: elements 2j and 2j + 1 of one row as a pair of bf16; n elements are there. */
LYC_SIMD_INLINE lyc_vi pair_neighbours(const void *src, lyc_dtype dtype, int64_t at, int n)
{
    if (src == NULL || n <= 0) {
        return (lyc_vi){0};
    }
    if (dtype == LYC_BF16 && n >= HALVES) {
        return lyc_viload((const uint16_t *)src + at);
    }
    uint16_t half[HALVES];
    for (int part = 0; part < HALVES; part += LYC_LANES) {
        lyc_vstore_bf16(half + part, load_or_zero(src, dtype, at + part, n - part));
    }
    return lyc_viload(half);
}

/* ---- rows from columns ---- */

/* The square of rows [i, i + LYC_LANES) and k [at, at + LYC_LANES) (twice as many in bf16). Rows of the buffer have
 * room for whole vectors past n. */
LYC_SIMD_INLINE void turn_square(char *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int i,
                                 int rows, int at, int n)
{
    lyc_vf square[LYC_LANES];
    UNROLL for (int k = 0; k < LYC_LANES; k++)
    {
        if (dst_dtype == LYC_F32) {
            square[k] = load_or_zero(at + k < n ? src[at + k] : NULL, src_dtype, i, rows - i);
        } else {
            const int even = at + 2 * k;
            square[k] = (lyc_vf)pair_rows(even < n ? src[even] : NULL, even + 1 < n ? src[even + 1] : NULL, src_dtype,
                                          i, rows - i);
        }
    }
    lyc_vtranspose(square);
    const int element_bytes = dst_dtype == LYC_F32 ? 4 : 2;
    const int height = min_int(rows - i, LYC_LANES);
    char *to = dst + (int64_t)i * LYC_GEMM_ROW_BYTES + at * element_bytes;
    if (height == LYC_LANES) {
        UNROLL for (int r = 0; r < LYC_LANES; r++)
        {
            lyc_vistore(to + r * LYC_GEMM_ROW_BYTES, (lyc_vi)square[r]);
        }
    } else {
        for (int r = 0; r < height; r++) {
            lyc_vistore(to + r * LYC_GEMM_ROW_BYTES, (lyc_vi)square[r]);
        }
    }
}

/* Asks for the first `bytes` of each of src[at, n), at most `count` of them: they lie on pages of their own, which no
 * processor fetches ahead by itself. */
LYC_SIMD_INLINE void fetch_ahead(const void *const *src, int at, int n, int count, int bytes)
{
    for (int k = at; k < min_int(n, at + count); k++) {
        for (int line = 0; line < bytes; line += 64) {
            lyc_vprefetch((const char *)src[k] + line);
        }
    }
}

LYC_SIMD_INLINE void turn_rows(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows,
                               int n)
{
    const int step = dst_dtype == LYC_F32 ? LYC_LANES : HALVES;
    for (int at = 0; at < n; at += step) {
        fetch_ahead(src, at + AHEAD, n, step, rows * (src_dtype == LYC_F32 ? 4 : 2));
        for (int i = 0; i < rows; i += LYC_LANES) {
            turn_square(dst, dst_dtype, src, src_dtype, i, rows, at, n);
        }
    }
}

static void rows_from_columns(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows,
                              int n)
{
    if (dst_dtype == LYC_F32) {
        if (src_dtype == LYC_F32) {
            turn_rows(dst, LYC_F32, src, LYC_F32, rows, n);
        } else {
            turn_rows(dst, LYC_F32, src, LYC_BF16, rows, n);
        }
    } else if (src_dtype == LYC_F32) {
        turn_rows(dst, LYC_BF16, src, LYC_F32, rows, n);
    } else {
        turn_rows(dst, LYC_BF16, src, LYC_BF16, rows, n);
    }
}

/* ---- panels from rows ---- */

/* One line of a panel from one row (f32) or two (pairs). With `full` the rows have all columns and are there. */
LYC_SIMD_INLINE void lay_line(float *dst, lyc_dtype dst_dtype, int vectors, const void *even, const void *odd,
                              lyc_dtype src_dtype, int columns, bool full)
{
    UNROLL for (int j = 0; j < vectors; j++)
    {
        const int at = j * LYC_LANES;
        const int left = full ? LYC_LANES : columns - at;
        if (dst_dtype == LYC_F32) {
            lyc_vstore(dst + at, full ? lyc_vload_as(src_dtype, even, at) : load_or_zero(even, src_dtype, at, left));
        } else if (full && src_dtype == LYC_BF16) {
            const lyc_vi low = lyc_vwiden(lyc_vhload((const uint16_t *)even + at));
            lyc_vistore(dst + at, low | (lyc_vwiden(lyc_vhload((const uint16_t *)odd + at)) << 16));
        } else {
            lyc_vistore(dst + at, pair_rows(even, odd, src_dtype, at, left));
        }
    }
}

LYC_SIMD_INLINE void lay_rows(float *dst, lyc_dtype dst_dtype, int vectors, const void *const *src, lyc_dtype src_dtype,
                              int count, int columns)
{
    const bool pairs = dst_dtype == LYC_BF16;
    const bool all_columns = columns == vectors * LYC_LANES;
    for (int k = 0; k < count; k += pairs ? 2 : 1) {
        const void *even = src[k];
        const void *odd = k + 1 < count ? src[k + 1] : NULL;
        const int ahead = min_int(k + AHEAD, count - 1);
        lyc_vprefetch(src[ahead]);
        if (pairs) {
            lyc_vprefetch(src[min_int(ahead + 1, count - 1)]);
        }
        if (all_columns && even != NULL && (!pairs || odd != NULL)) {
            lay_line(dst, dst_dtype, vectors, even, odd, src_dtype, columns, true);
        } else {
            lay_line(dst, dst_dtype, vectors, even, odd, src_dtype, columns, false);
        }
        dst += vectors * LYC_LANES;
    }
}

/* Nearly all panels have two vectors. */
LYC_SIMD_INLINE void lay_rows_typed(float *dst, lyc_dtype dst_dtype, int vectors, const void *const *src,
                                    lyc_dtype src_dtype, int count, int columns)
{
    if (vectors == 2) {
        lay_rows(dst, dst_dtype, 2, src, src_dtype, count, columns);
    } else {
        lay_rows(dst, dst_dtype, 1, src, src_dtype, count, columns);
    }
}

static void panel_from_rows(void *dst, lyc_dtype dst_dtype, int vectors, const void *const *src, lyc_dtype src_dtype,
                            int count, int columns)
{
    if (dst_dtype == LYC_F32) {
        if (src_dtype == LYC_F32) {
            lay_rows_typed(dst, LYC_F32, vectors, src, LYC_F32, count, columns);
        } else {
            lay_rows_typed(dst, LYC_F32, vectors, src, LYC_BF16, count, columns);
        }
    } else if (src_dtype == LYC_F32) {
        lay_rows_typed(dst, LYC_BF16, vectors, src, LYC_F32, count, columns);
    } else {
        lay_rows_typed(dst, LYC_BF16, vectors, src, LYC_BF16, count, columns);
    }
}

/* ---- panels from columns ---- */

/* Lines [line, line + LYC_LANES) of one vector of columns. */
LYC_SIMD_INLINE void lay_square(float *dst, int width, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype,
                                int line, int count, int columns)
{
    lyc_vf square[LYC_LANES];
    UNROLL for (int j = 0; j < LYC_LANES; j++)
    {
        const void *column = j < columns ? src[j] : NULL;
        if (dst_dtype == LYC_F32) {
            square[j] = load_or_zero(column, src_dtype, line, count - line);
        } else {
            square[j] = (lyc_vf)pair_neighbours(column, src_dtype, 2 * line, count - 2 * line);
        }
    }
    lyc_vtranspose(square);
    const int lines = min_int((dst_dtype == LYC_F32 ? count : (count + 1) / 2) - line, LYC_LANES);
    if (lines == LYC_LANES) {
        UNROLL for (int i = 0; i < LYC_LANES; i++)
        {
            lyc_vstore(dst + (line + i) * width, square[i]);
        }
    } else {
        for (int i = 0; i < lines; i++) {
            lyc_vstore(dst + (line + i) * width, square[i]);
        }
    }
}

LYC_SIMD_INLINE void lay_columns(float *dst, lyc_dtype dst_dtype, int vectors, const void *const *src,
                                 lyc_dtype src_dtype, int count, int columns)
{
    const int lines = dst_dtype == LYC_F32 ? count : (count + 1) / 2;
    for (int line = 0; line < lines; line += LYC_LANES) {
        for (int j = 0; j < vectors; j++) {
            const int at = j * LYC_LANES;
            lay_square(dst + at, vectors * LYC_LANES, dst_dtype, src + at, src_dtype, line, count, columns - at);
        }
    }
}

static void panel_from_columns(void *dst, lyc_dtype dst_dtype, int vectors, const void *const *src, lyc_dtype src_dtype,
                               int count, int columns)
{
    if (dst_dtype == LYC_F32) {
        if (src_dtype == LYC_F32) {
            lay_columns(dst, LYC_F32, vectors, src, LYC_F32, count, columns);
        } else {
            lay_columns(dst, LYC_F32, vectors, src, LYC_BF16, count, columns);
        }
    } else if (src_dtype == LYC_F32) {
        lay_columns(dst, LYC_BF16, vectors, src, LYC_F32, count, columns);
    } else {
        lay_columns(dst, LYC_BF16, vectors, src, LYC_BF16, count, columns);
    }
}

const lyc_gemm_isa LYC_ISA_SYMBOL(lyc_gemm_isa) = {
    .name = LYC_ISA_NAME,
    .lanes = LYC_LANES,
    .tile_rows = TILE_ROWS,
    .has_dot = LYC_SIMD_HAS_DOT_BF16,
    .multiply = LYC_ISA_SYMBOL(lyc_gemm_multiply),
    .finish = LYC_ISA_SYMBOL(lyc_gemm_finish_panel),
    .rows_from_rows = rows_from_rows,
    .rows_from_columns = rows_from_columns,
    .panel_from_rows = panel_from_rows,
    .panel_from_columns = panel_from_columns,
};
