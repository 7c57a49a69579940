/* product.h - products of small dense matrices in f32, for the operations of adapters
 *
 *     c[i,j] = sum over k of a[i,k] b[k,j]         or c += that
 *
 * a is read number by number with any two strides, b and c by vectors along j. Tiles of registers like those of tile.h
 * (with three vectors in a row, too) read and write whole vectors and whole tiles: columns are a multiple of LYC_LANES,
 * and a and c have room for lyc_product_rows(rows) rows; what the last ones hold means nothing.
 *
 * Operands that are bf16, have odd sizes or would be read past their ends are copied into scratch first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_PRODUCT_H
#define LYC_BACKEND_CPU_KERNELS_PRODUCT_H

#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/kernels/tile.h"

typedef struct lyc_product {
    float *c;
    int64_t c_row;
    const float *a;
    int64_t a_row;  /* from i to i + 1 */
    int64_t a_step; /* from k to k + 1 */
    const float *b;
    int64_t b_row;
    int64_t rows;
    int64_t columns; /* a multiple of LYC_LANES */
    int64_t depth;
    bool add;
} lyc_product;

static inline int64_t lyc_product_rows(int64_t rows)
{
    return lyc_ceil_div(rows, LYC_TILE_ROWS / 3) * (LYC_TILE_ROWS / 3);
}

/* A length rounded up to whole vectors. */
static inline int64_t lyc_whole_vectors(int64_t n)
{
    return lyc_ceil_div(n, LYC_LANES) * LYC_LANES;
}

/* One step of the depth. */
LYC_SIMD_INLINE void lyc_product_step(int rows, int vectors, lyc_vf acc[][3], const float *a, int64_t a_row,
                                      const float *b)
{
    lyc_vf x[3];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++) {
        x[v] = lyc_vload(b + v * LYC_LANES);
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        const lyc_vf y = lyc_vset(a[r * a_row]);
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = lyc_vfma(y, x[v], acc[r][v]);
        }
    }
}

/* A block of c that stays in registers: rows x vectors is 12 with AVX2, 24 with AVX-512, where there is enough to do.
 */
LYC_SIMD_INLINE void lyc_product_tile(const lyc_product *p, int rows, int vectors, int64_t i, int64_t j)
{
    lyc_vf acc[LYC_TILE_ROWS][3];
    float *c = p->c + i * p->c_row + j;
    const float *a = p->a + i * p->a_row;
    const float *b = p->b + j;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = p->add ? lyc_vload(c + r * p->c_row + v * LYC_LANES) : (lyc_vf){0};
        }
    }
    int64_t k = 0;
    for (; k + 4 <= p->depth; k += 4) {
#pragma GCC unroll 4
        for (int step = 0; step < 4; step++) {
            lyc_product_step(rows, vectors, acc, a, p->a_row, b);
            a += p->a_step;
            b += p->b_row;
        }
    }
    for (; k < p->depth; k++) {
        lyc_product_step(rows, vectors, acc, a, p->a_row, b);
        a += p->a_step;
        b += p->b_row;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            lyc_vstore(c + r * p->c_row + v * LYC_LANES, acc[r][v]);
        }
    }
}

enum {
    LYC_PRODUCT_FULL = LYC_TILE_ROWS,
    LYC_PRODUCT_MIDDLE = LYC_TILE_ROWS * 2 / 3,
    LYC_PRODUCT_SMALL = LYC_TILE_ROWS / 3
};

/* One or two vectors of columns. A rest of a full tile and a small one is divided into two middle ones: a small tile
 * waits for its own sums. */
LYC_SIMD_INLINE void lyc_product_panel(const lyc_product *p, int vectors, int64_t j)
{
    int64_t i = 0;
    while (p->rows - i > LYC_PRODUCT_MIDDLE &&
           (p->rows - i <= LYC_PRODUCT_FULL || p->rows - i > 2 * LYC_PRODUCT_MIDDLE)) {
        lyc_product_tile(p, LYC_PRODUCT_FULL, vectors, i, j);
        i += LYC_PRODUCT_FULL;
    }
    for (; p->rows - i > LYC_PRODUCT_SMALL; i += LYC_PRODUCT_MIDDLE) {
        lyc_product_tile(p, LYC_PRODUCT_MIDDLE, vectors, i, j);
    }
    if (p->rows - i > 0) {
        lyc_product_tile(p, LYC_PRODUCT_SMALL, vectors, i, j);
    }
}

/* Three vectors, so that none is left alone: 20 and 40 columns are what LoKr has most. */
LYC_SIMD_INLINE void lyc_product_wide_panel(const lyc_product *p, int64_t j)
{
    int64_t i = 0;
    for (; p->rows - i > LYC_PRODUCT_SMALL; i += LYC_PRODUCT_MIDDLE) {
        lyc_product_tile(p, LYC_PRODUCT_MIDDLE, 3, i, j);
    }
    if (p->rows - i > 0) {
        lyc_product_tile(p, LYC_PRODUCT_SMALL, 3, i, j);
    }
}

__attribute__((noinline, unused)) static void lyc_product_run(const lyc_product *p)
{
    int64_t left = p->columns / LYC_LANES;
    int64_t j = 0;
    for (; left > 3 || left == 2; left -= 2) {
        lyc_product_panel(p, 2, j);
        j += 2 * LYC_LANES;
    }
    if (left == 3) {
        lyc_product_wide_panel(p, j);
    } else if (left == 1) {
        lyc_product_panel(p, 1, j);
    }
}

LYC_SIMD_INLINE void lyc_product_copy_rows(float *dst, int64_t dst_row, const void *src, lyc_dtype dtype, int64_t first,
                                           int64_t src_row, int64_t rows, int64_t columns)
{
    const int tail = (int)(columns % LYC_LANES);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns - tail; j += LYC_LANES) {
            lyc_vstore(dst + i * dst_row + j, lyc_vload_as(dtype, src, first + i * src_row + j));
        }
        if (tail > 0) {
            const int64_t j = columns - tail;
            lyc_vstore(dst + i * dst_row + j, lyc_vload_as_n(dtype, src, first + i * src_row + j, tail));
        }
    }
}

/* rows x columns elements of src (rows src_row apart, from element `first`) as f32, rows dst_row apart; dst is filled
 * up with zeros to whole vectors along a row. */
static inline void lyc_product_copy(float *dst, int64_t dst_row, const void *src, lyc_dtype dtype, int64_t first,
                                    int64_t src_row, int64_t rows, int64_t columns)
{
    if (dtype == LYC_F32) {
        lyc_product_copy_rows(dst, dst_row, src, LYC_F32, first, src_row, rows, columns);
    } else {
        lyc_product_copy_rows(dst, dst_row, src, LYC_BF16, first, src_row, rows, columns);
    }
}

/* The same turned: dst[j,i] = src[i,j], rows of dst filled up with zeros. */
static inline void lyc_product_turn(float *dst, int64_t dst_row, const void *src, lyc_dtype dtype, int64_t first,
                                    int64_t src_row, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i += LYC_LANES) {
        for (int64_t j = 0; j < columns; j += LYC_LANES) {
            const int n_i = (int)lyc_min(LYC_LANES, rows - i);
            const int n_j = (int)lyc_min(LYC_LANES, columns - j);
            lyc_vf v[LYC_LANES];
            for (int k = 0; k < LYC_LANES; k++) {
                v[k] = k < n_i ? lyc_vload_some(dtype, src, first + (i + k) * src_row + j, n_j) : (lyc_vf){0};
            }
            lyc_vtranspose(v);
            for (int k = 0; k < n_j; k++) {
                lyc_vstore(dst + (j + k) * dst_row + i, v[k]);
            }
        }
    }
}

/* What becomes of a product on its way to memory: its rows to dst (from element `first` on, rows dst_row apart), with a
 * residual at the same places added when there is one; it may be dst itself. */
typedef struct lyc_product_target {
    void *dst;
    lyc_dtype dtype;
    const void *residual;
    lyc_dtype residual_dtype;
    int64_t first;
    int64_t row;
} lyc_product_target;

LYC_SIMD_INLINE void lyc_product_store_rows(const lyc_product_target *t, lyc_dtype dtype, bool add, lyc_dtype add_dtype,
                                            const float *src, int64_t src_row, int64_t rows, int64_t columns)
{
    const int tail = (int)(columns % LYC_LANES);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t to = t->first + i * t->row;
        const float *from = src + i * src_row;
        for (int64_t j = 0; j < columns - tail; j += LYC_LANES) {
            const lyc_vf v = lyc_vload(from + j);
            lyc_vstore_as(dtype, t->dst, to + j, add ? v + lyc_vload_as(add_dtype, t->residual, to + j) : v);
        }
        if (tail > 0) {
            const int64_t j = columns - tail;
            const lyc_vf v = lyc_vload(from + j);
            lyc_vstore_as_n(dtype, t->dst, to + j, add ? v + lyc_vload_as_n(add_dtype, t->residual, to + j, tail) : v,
                            tail);
        }
    }
}

/* The first `columns` of each row of src. */
static inline void lyc_product_finish(const lyc_product_target *t, const float *src, int64_t src_row, int64_t rows,
                                      int64_t columns)
{
    if (t->residual != NULL) {
        lyc_product_store_rows(t, t->dtype, true, t->residual_dtype, src, src_row, rows, columns);
    } else if (t->dtype == LYC_F32) {
        lyc_product_store_rows(t, LYC_F32, false, LYC_F32, src, src_row, rows, columns);
    } else {
        lyc_product_store_rows(t, LYC_BF16, false, LYC_F32, src, src_row, rows, columns);
    }
}

static inline void lyc_product_store(void *dst, lyc_dtype dtype, int64_t first, int64_t dst_row, const float *src,
                                     int64_t src_row, int64_t rows, int64_t columns)
{
    const lyc_product_target t = {.dst = dst, .dtype = dtype, .first = first, .row = dst_row};
    lyc_product_finish(&t, src, src_row, rows, columns);
}

/* The sums of the first chunk += those of the others, in their order. size: a multiple of LYC_LANES. */
static inline void lyc_product_add_up(float *sums, int64_t size, int64_t chunks)
{
    for (int64_t i = 0; i < size; i += LYC_LANES) {
        lyc_vf sum = lyc_vload(sums + i);
        for (int64_t c = 1; c < chunks; c++) {
            sum += lyc_vload(sums + c * size + i);
        }
        lyc_vstore(sums + i, sum);
    }
}

#endif
