/* product.h - products of small dense matrices in f32, for the operations of adapters
 *
 *     c[i,j] = sum over k of a[i,k] b[k,j]         or c += that
 *
 * a is read number by number with any two strides, b and c by vectors along j. Made of the register tiles of tile.h,
 * which write whole vectors and whole tiles: columns are a multiple of LYC_LANES, and a and c have room for
 * lyc_product_rows(rows) rows; what is there afterwards means nothing, and may have been anything finite or not.
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
    return lyc_tile_rows_padded(rows);
}

/* A length rounded up to whole vectors. */
static inline int64_t lyc_whole_vectors(int64_t n)
{
    return lyc_ceil_div(n, LYC_LANES) * LYC_LANES;
}

LYC_SIMD_INLINE void lyc_product_tile(const lyc_product *p, int rows, int vectors, int64_t i, int64_t j)
{
    const lyc_tile_operands o = {.a = (const lyc_word *)(p->a + i * p->a_row),
                                 .a_row = p->a_row,
                                 .a_step = p->a_step,
                                 .b = (const lyc_word *)(p->b + j),
                                 .b_step = p->b_row,
                                 .depth = p->depth};
    float *c = p->c + i * p->c_row + j;
    lyc_tile_run(false, rows, vectors, c, p->c_row, &o, p->add ? LYC_TILE_ADD : LYC_TILE_SET, NULL);
}

/* A rest of a full tile and a small one is divided into two middle ones: a small tile waits for its own sums. */
LYC_SIMD_INLINE void lyc_product_panel(const lyc_product *p, int vectors, int64_t j)
{
    enum { FULL = LYC_TILE_ROWS, MIDDLE = LYC_TILE_ROWS * 2 / 3, SMALL = LYC_TILE_ROWS / 3 };
    int64_t i = 0;
    while (p->rows - i > MIDDLE && (p->rows - i <= FULL || p->rows - i > 2 * MIDDLE)) {
        lyc_product_tile(p, FULL, vectors, i, j);
        i += FULL;
    }
    while (p->rows - i > SMALL) {
        lyc_product_tile(p, MIDDLE, vectors, i, j);
        i += MIDDLE;
    }
    if (p->rows - i > 0) {
        lyc_product_tile(p, SMALL, vectors, i, j);
    }
}

__attribute__((noinline, unused)) static void lyc_product_run(const lyc_product *p)
{
    int64_t j = 0;
    for (; j + 2 * LYC_LANES <= p->columns; j += 2 * LYC_LANES) {
        lyc_product_panel(p, 2, j);
    }
    if (j < p->columns) {
        lyc_product_panel(p, 1, j);
    }
}

/* rows x columns elements of src (rows src_row apart, from element `first`) as f32, rows dst_row apart; dst is filled
 * up with zeros to whole vectors along a row. */
static inline void lyc_product_copy(float *dst, int64_t dst_row, const void *src, lyc_dtype dtype, int64_t first,
                                    int64_t src_row, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, columns - j);
            lyc_vstore(dst + i * dst_row + j, lyc_vload_some(dtype, src, first + i * src_row + j, m));
        }
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

/* The other way: the first `columns` of each row of src to dst (from element `first` on, rows dst_row apart). */
static inline void lyc_product_store(void *dst, lyc_dtype dtype, int64_t first, int64_t dst_row, const float *src,
                                     int64_t src_row, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, columns - j);
            lyc_vstore_some(dtype, dst, first + i * dst_row + j, lyc_vload(src + i * src_row + j), m);
        }
    }
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
