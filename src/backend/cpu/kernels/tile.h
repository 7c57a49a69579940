/* tile.h - the register tile: a small block of a product that stays in registers while it sums over the depth
 *
 *     acc[r][v] += sum over k of A(r, k) * B(k, v)
 *
 * A is read one word at a time and spread over a vector, B and acc are vectors. A word is an f32, or a pair of bf16
 * neighbours along the depth (`pairs`), whose two products go into the same f32 sum. A is addressed by two strides, so
 * that it may lie in either order; B has a stride between steps and its vectors lie side by side.
 *
 * Rows and vectors must be constants where these are called: everything is inlined and unrolled, and acc becomes
 * registers. 12 sums (AVX2) or 24 (AVX-512) hide the latency of the multiply-add and leave registers for the operands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_TILE_H
#define LYC_BACKEND_CPU_KERNELS_TILE_H

#include <stdbool.h>

#include "backend/cpu/kernels/simd.h"

/* Rows of a full tile with two vectors, and the most that any tile has. */
#if LYC_LANES == 16
enum { LYC_TILE_ROWS = 12 };
#else
enum { LYC_TILE_ROWS = 6 };
#endif
enum { LYC_TILE_VECTORS = 2, LYC_TILE_WIDTH = LYC_TILE_VECTORS * LYC_LANES };

typedef union lyc_word {
    float f;
    int32_t pair;
} lyc_word;

/* A product's operands: strides in words. */
typedef struct lyc_tile_operands {
    const lyc_word *a;
    int64_t a_row;
    int64_t a_step;
    const lyc_word *b;
    int64_t b_step;
    int64_t depth;
} lyc_tile_operands;

LYC_SIMD_INLINE lyc_vf lyc_tile_step(bool pairs, lyc_vf acc, const lyc_word *a, lyc_vf b)
{
    return pairs ? lyc_vdot_bf16(acc, lyc_viset(a->pair), (lyc_vi)b) : lyc_vfma(lyc_vset(a->f), b, acc);
}

LYC_SIMD_INLINE void lyc_tile_zero(int rows, int vectors, lyc_vf acc[][LYC_TILE_VECTORS])
{
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = (lyc_vf){0};
        }
    }
}

/* acc = c * factor[v]; a factor of NULL stands for 1. */
LYC_SIMD_INLINE void lyc_tile_load(int rows, int vectors, lyc_vf acc[][LYC_TILE_VECTORS], const float *c, int64_t c_row,
                                   const lyc_vf *factor)
{
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = lyc_vload(c + r * c_row + v * LYC_LANES);
            if (factor != NULL) {
                acc[r][v] *= factor[v];
            }
        }
    }
}

LYC_SIMD_INLINE void lyc_tile_store(int rows, int vectors, lyc_vf acc[][LYC_TILE_VECTORS], float *c, int64_t c_row)
{
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            lyc_vstore(c + r * c_row + v * LYC_LANES, acc[r][v]);
        }
    }
}

/* One step of the depth. */
LYC_SIMD_INLINE void lyc_tile_add(bool pairs, int rows, int vectors, lyc_vf acc[][LYC_TILE_VECTORS], const lyc_word *a,
                                  int64_t a_row, const lyc_word *b)
{
    lyc_vf x[LYC_TILE_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        x[v] = lyc_vload(&b[v * LYC_LANES].f);
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = lyc_tile_step(pairs, acc[r][v], a + r * a_row, x[v]);
        }
    }
}

/* Four steps at a time: a loop of 40 rounds ends with a wrong guess of the branch, one of 10 does not. */
LYC_SIMD_INLINE void lyc_tile_multiply(bool pairs, int rows, int vectors, lyc_vf acc[][LYC_TILE_VECTORS],
                                       const lyc_tile_operands *o)
{
    const lyc_word *a = o->a;
    const lyc_word *b = o->b;
    int64_t k = 0;
    for (; k + 4 <= o->depth; k += 4) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            lyc_tile_add(pairs, rows, vectors, acc, a, o->a_row, b);
            a += o->a_step;
            b += o->b_step;
        }
    }
    for (; k < o->depth; k++) {
        lyc_tile_add(pairs, rows, vectors, acc, a, o->a_row, b);
        a += o->a_step;
        b += o->b_step;
    }
}

/* How a product meets what is in c. */
typedef enum lyc_tile_start {
    LYC_TILE_SET, /* c = a b */
    LYC_TILE_ADD, /* c = c factor + a b, factor by columns; NULL stands for 1 */
} lyc_tile_start;

LYC_SIMD_INLINE void lyc_tile_run(bool pairs, int rows, int vectors, float *c, int64_t c_row,
                                  const lyc_tile_operands *o, lyc_tile_start start, const lyc_vf *factor)
{
    lyc_vf acc[LYC_TILE_ROWS][LYC_TILE_VECTORS];
    if (start == LYC_TILE_SET) {
        lyc_tile_zero(rows, vectors, acc);
    } else {
        lyc_tile_load(rows, vectors, acc, c, c_row, factor);
    }
    lyc_tile_multiply(pairs, rows, vectors, acc, o);
    lyc_tile_store(rows, vectors, acc, c, c_row);
}

/* Rows that a product over `rows` touches in A and in c: the last tile may be a third or two thirds of a full one. */
LYC_SIMD_INLINE int64_t lyc_tile_rows_padded(int64_t rows)
{
    const int64_t third = LYC_TILE_ROWS / 3;
    return (rows + third - 1) / third * third;
}

/* A product with `vectors` vectors of columns and any number of rows; start and pairs are constants too. */
LYC_SIMD_INLINE void lyc_tile_rows(bool pairs, int vectors, float *c, int64_t c_row, lyc_tile_operands o, int64_t rows,
                                   lyc_tile_start start, const lyc_vf *factor)
{
    const lyc_word *a = o.a;
    int64_t r = 0;
    for (; rows - r > LYC_TILE_ROWS * 2 / 3; r += LYC_TILE_ROWS) {
        o.a = a + r * o.a_row;
        lyc_tile_run(pairs, LYC_TILE_ROWS, vectors, c + r * c_row, c_row, &o, start, factor);
    }
    o.a = a + r * o.a_row;
    if (rows - r > LYC_TILE_ROWS / 3) {
        lyc_tile_run(pairs, LYC_TILE_ROWS * 2 / 3, vectors, c + r * c_row, c_row, &o, start, factor);
    } else if (rows - r > 0) {
        lyc_tile_run(pairs, LYC_TILE_ROWS / 3, vectors, c + r * c_row, c_row, &o, start, factor);
    }
}

#endif
