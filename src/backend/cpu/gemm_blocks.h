/* gemm_blocks.h - how the product engine cuts a product into work items; gemm.c and gemm_blocks.c share it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_GEMM_BLOCKS_H
#define LYC_BACKEND_CPU_GEMM_BLOCKS_H

#include "backend/cpu/gemm.h"

enum { LYC_GEMM_POINTERS = LYC_GEMM_K_DOT }; /* room for pointers: rows of a block or elements of a stretch */

typedef struct lyc_gemm_blocks {
    int rows;           /* of an item: it has rows x panels of C, along all of k */
    int panels;         /* of an item */
    int64_t row_blocks; /* of C */
    int64_t chunk; /* panels of B packed at a time before items use them; 0: B is packed already, or the items pack */
    bool shares_rows; /* all rows of A are brought before items use them; else items bring theirs */
    size_t rows_bytes, sums_bytes, panel_bytes, thread_bytes; /* parts of one thread's scratch, and all of it */
    size_t chunk_bytes, shared_rows_bytes;                    /* what all threads use */
} lyc_gemm_blocks;

lyc_gemm_blocks lyc_gemm_blocks_choose(const lyc_gemm *g, int threads);

/* Below twice as many multiplications work is not divided: waking a thread costs some 5 microseconds. */
static const double lyc_gemm_item_products = 1e6;

/* Elements of k in a stretch. */
static inline int lyc_gemm_stretch(lyc_gemm_form form)
{
    return form == LYC_GEMM_DOT ? LYC_GEMM_K_DOT : LYC_GEMM_K_F32;
}

static inline int64_t lyc_div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t lyc_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
