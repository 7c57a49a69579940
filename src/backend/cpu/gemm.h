/* gemm.h - the engine under matrix products and convolutions
 *
 *     C[m,n] = finish(sum over k of A[m,k] B[k,n])
 *
 * C is cut into blocks, one a work item. For each stretch of k (320 in f32, 640 in bf16) an item brings its rows of A
 * into a small buffer as they are, k contiguous, and multiplies them with panels of B: panels of two vectors of
 * columns, for every k the columns side by side. Tiles of 6 x 16 (AVX2) or 14 x 32 (AVX-512) stay in registers, sums
 * stay in f32 in the item's own block until the last stretch, when finish applies bias, activation and residual and
 * stores.
 *
 * Since rows are plain copies, gathering the patches of a convolution costs no more than copying a matrix, and a bf16
 * row already has the pairs that vdpbf16ps wants. Panels of frozen weights are packed once; their layout depends on
 * the vector length alone.
 *
 * Each element of C is summed in one order, stretch by stretch, whatever the blocks and the number of threads: the bits
 * do not depend on them.
 *
 * This header is what the two halves share: gemm_isa, the parts compiled for each instruction set (kernels/gemm_*.c),
 * and gemm_run (gemm.c), the blocks and threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_GEMM_H
#define LYC_BACKEND_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/tensor.h"

/* How rows and panels are held. */
typedef enum lyc_gemm_form {
    LYC_GEMM_F32,   /* rows f32, panels f32 */
    LYC_GEMM_WIDEN, /* rows f32, panels of bf16 pairs that become f32 in registers: exact products */
    LYC_GEMM_DOT,   /* rows bf16, panels of bf16 pairs, products by vdpbf16ps */
    LYC_GEMM_FORM_COUNT
} lyc_gemm_form;

enum {
    /* Bytes from one row of the buffer to the next, known at compile time so that tiles address all rows by constants.
     * An odd number of cache lines: rows fall into different sets. */
    LYC_GEMM_ROW_BYTES = 1344,
    LYC_GEMM_K_F32 = 320,     /* elements of k in one stretch: all channel counts of Stable Diffusion are multiples */
    LYC_GEMM_K_DOT = 640,     /* the same bytes */
    LYC_GEMM_ROWS_MAX = 14,   /* rows of the tallest tile */
    LYC_GEMM_COLUMNS_MAX = 32 /* columns of the widest panel */
};

/* Rows [0, rows) times one panel, over one stretch of k. */
typedef struct lyc_gemm_step {
    lyc_gemm_form form;
    int vectors; /* of the panel: 2, or 1 for a narrow last one */
    int rows;
    int k;             /* even unless the form is F32 */
    bool first;        /* sums start at zero; otherwise at what is in sums */
    float *sums;       /* [rows][vectors * lanes] */
    const void *a;     /* rows at distances of LYC_GEMM_ROW_BYTES */
    const void *b;     /* the panel's stretch */
    const void *ahead; /* what comes next, to be fetched meanwhile: as many bytes as the panel's stretch; or NULL */
    const char *out;   /* where row i will be stored soon, at out + row_at[i] * out_bytes: fetched as well; or NULL */
    const int64_t *row_at;
    int out_bytes;
} lyc_gemm_step;

/* y = activation(alpha * sums + bias) + residual, for a block of C. */
typedef struct lyc_gemm_finish {
    float alpha;
    int activation;       /* lyc_activation of graph/ops/matmul.h */
    const void *bias;     /* indexed by column; NULL: none */
    const void *residual; /* indexed as out; may be out itself; NULL: none */
    void *out;
    lyc_dtype bias_dtype, residual_dtype, out_dtype; /* F32 or BF16 */
} lyc_gemm_finish;

/* What is compiled for each instruction set. Element types are F32 and BF16 throughout; a pointer NULL among `src`
 * stands for zeros. Offsets and counts are in elements. */
typedef struct lyc_gemm_isa {
    const char *name;
    int lanes;     /* floats of a vector; a panel has 2 * lanes columns, or lanes when that is enough for the last */
    int tile_rows; /* of the tallest tile */
    bool has_dot;  /* vdpbf16ps is there */

    void (*multiply)(const lyc_gemm_step *step);

    /* Stores one panel of sums [rows][vectors * lanes]: element (i, j) for j < columns goes to
     * out[row_at[i] + column + j]. */
    void (*finish)(const lyc_gemm_finish *f, const float *sums, int vectors, int rows, const int64_t *row_at,
                   int64_t column, int columns);

    /* dst row i = src[i][0..n); rows at distances of LYC_GEMM_ROW_BYTES. */
    void (*rows_from_rows)(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows,
                           int n);

    /* dst row i, element j = src[j][i] for i < rows, j < n; with bf16 rows an odd n is filled up with a zero. */
    void (*rows_from_columns)(void *dst, lyc_dtype dst_dtype, const void *const *src, lyc_dtype src_dtype, int rows,
                              int n);

    /* Panel of `vectors`: for each k < count, columns = src[k][0..columns), the rest of the panel zero. dst_dtype F32,
     * or BF16 for pairs (an odd count is filled up with zeros). */
    void (*panel_from_rows)(void *dst, lyc_dtype dst_dtype, int vectors, const void *const *src, lyc_dtype src_dtype,
                            int count, int columns);

    /* The same from columns: element (k, j) = src[j][k]. */
    void (*panel_from_columns)(void *dst, lyc_dtype dst_dtype, int vectors, const void *const *src, lyc_dtype src_dtype,
                               int count, int columns);
} lyc_gemm_isa;

/* Bytes of `count` elements of k of a panel; bf16 is rounded up to whole pairs. */
static inline size_t lyc_gemm_panel_bytes(const lyc_gemm_isa *isa, lyc_dtype dtype, int vectors, int64_t count)
{
    const size_t lines = dtype == LYC_BF16 ? (size_t)(count + 1) / 2 : (size_t)count;
    return lines * (size_t)(vectors * isa->lanes) * sizeof(float);
}

/* Columns of a full panel. */
static inline int lyc_gemm_panel_columns(const lyc_gemm_isa *isa)
{
    return 2 * isa->lanes;
}

/* Panels of n columns; the last one is narrow (one vector) when that suffices. */
static inline int64_t lyc_gemm_panels(const lyc_gemm_isa *isa, int64_t n)
{
    return (n + 2 * isa->lanes - 1) / (2 * isa->lanes);
}

static inline int lyc_gemm_panel_vectors(const lyc_gemm_isa *isa, int64_t n, int64_t panel)
{
    return n - panel * 2 * isa->lanes <= isa->lanes ? 1 : 2;
}

/* Bytes of a packed B of k rows and n columns: panels one after the other, each whole along k. */
static inline size_t lyc_gemm_packed_bytes(const lyc_gemm_isa *isa, lyc_dtype dtype, int64_t n, int64_t k)
{
    const int64_t panels = lyc_gemm_panels(isa, n);
    return (size_t)(panels - 1) * lyc_gemm_panel_bytes(isa, dtype, 2, k) +
           lyc_gemm_panel_bytes(isa, dtype, lyc_gemm_panel_vectors(isa, n, panels - 1), k);
}

/* Where the elements of one side are. For rows of A or columns of B [i, i + n) and elements of k [k, k + count),
 * `point` fills `to` with pointers and returns how many of the count it served; the engine asks again for the rest.
 * by_k false: to[r] is element (i + r, k), and the next ones along k follow it. by_k true: to[q] is element (i, k + q),
 * and the next rows (columns) follow it. NULL stands for zeros. `batch` counts independent products: matrices of a
 * batch, groups of a convolution. A source is the first member of a struct that knows the rest. */
typedef struct lyc_gemm_source lyc_gemm_source;
struct lyc_gemm_source {
    int (*point)(const lyc_gemm_source *source, const void **to, int64_t batch, int64_t i, int n, int64_t k, int count);
    /* How many columns of the panel from column i on are there, the rest being zero; NULL: all up to n. */
    int (*width)(const lyc_gemm_source *source, int64_t i);
    lyc_dtype dtype; /* F32 or BF16 */
    bool by_k;
};

/* A dense matrix: element (i, k) at base + batch * batch_step + i * step + k, or ... + k * step + i with by_k. */
typedef struct lyc_gemm_matrix {
    lyc_gemm_source source;
    const void *base;
    int64_t step;
    int64_t batch_step;
} lyc_gemm_matrix;

lyc_gemm_matrix lyc_gemm_matrix_source(const void *base, lyc_dtype dtype, bool by_k, int64_t step, int64_t batch_step);

/* Where C goes. `place` says where rows [row, row + rows) begin, in elements of finish.out. `store` takes a panel of
 * sums [rows][vectors * lanes]; NULL: the finish of the instruction set, at row_at[i] + column. */
typedef struct lyc_gemm_output lyc_gemm_output;
struct lyc_gemm_output {
    void (*place)(const lyc_gemm_output *c, int64_t *row_at, int64_t batch, int64_t row, int rows);
    void (*store)(const lyc_gemm_output *c, const float *sums, int panel_columns, int rows, const int64_t *row_at,
                  int64_t column, int columns);
    lyc_gemm_finish finish;
    int64_t batch_columns; /* added to the column for each batch: the channels of a group */
    int panel_group;       /* neighbouring panels that lie interleaved in C and are best stored together; 0: no such */
};

/* A dense matrix: row i at batch * batch_step + i * step. */
typedef struct lyc_gemm_matrix_output {
    lyc_gemm_output output;
    int64_t step;
    int64_t batch_step;
} lyc_gemm_matrix_output;

lyc_gemm_matrix_output lyc_gemm_matrix_target(const lyc_gemm_finish *finish, int64_t step, int64_t batch_step);

typedef struct lyc_gemm {
    const lyc_gemm_isa *isa;
    lyc_gemm_form form;
    int64_t batch;
    int64_t m;
    int64_t n;
    int64_t k; /* may be 0: sums of nothing */
    const lyc_gemm_source *a;
    bool prepacked; /* B is packed: lyc_gemm_packed_bytes for each batch, one after the other */
    const void *packed;
    const lyc_gemm_source *b; /* B when it is not */
    const lyc_gemm_output *c;
} lyc_gemm;

/* Types of the elements of panels and rows. */
static inline lyc_dtype lyc_gemm_panel_dtype(lyc_gemm_form form)
{
    return form == LYC_GEMM_F32 ? LYC_F32 : LYC_BF16;
}

static inline lyc_dtype lyc_gemm_row_dtype(lyc_gemm_form form)
{
    return form == LYC_GEMM_DOT ? LYC_BF16 : LYC_F32;
}

/* The form for operands that are both there at run time: products in bf16 only where the processor has them and the
 * rows are bf16, which makes b bf16 too; otherwise in f32. */
lyc_gemm_form lyc_gemm_choose_form(const lyc_gemm_isa *isa, lyc_dtype a, lyc_dtype b);

/* Weights as they lie in a file or in memory, seen as a B: column j, and along k the channels c of each tap in turn.
 * Element (j, tap, c) is at base + first + j * column_step + c * channel_step + tap_at[tap]; either step is the
 * smaller. */
typedef struct lyc_gemm_weights {
    const void *base;
    lyc_dtype dtype; /* any computable one; base needs no alignment */
    int64_t first;
    int64_t columns; /* n */
    int64_t channels;
    int64_t column_step, channel_step;
    int taps;          /* k = taps * channels */
    const int *tap_at; /* NULL: one tap at 0 */
} lyc_gemm_weights;

/* Packs them as panels of F32 or BF16 pairs, with lyc_thread_count() threads. */
lyc_status lyc_gemm_pack_weights(void *dst, const lyc_gemm_isa *isa, lyc_dtype panel_dtype,
                                 const lyc_gemm_weights *weights, lyc_error *err);

/* How frozen weights are packed for activations of this type, when the plan wants products of `wanted`: BF16 when the
 * plan or the processor makes it so, or when nothing is lost, since it halves the memory. */
lyc_dtype lyc_gemm_weight_dtype(lyc_dtype wanted, lyc_dtype stored);

/* The form for activations of this type and panels packed as panel_dtype. */
lyc_gemm_form lyc_gemm_packed_form(const lyc_gemm_isa *isa, lyc_dtype a, lyc_dtype panel_dtype);

/* Scratch bytes with `threads` threads. Looks at sizes, form, isa, prepacked and c->panel_group alone; c may be NULL.
 */
size_t lyc_gemm_workspace(const lyc_gemm *g, int threads);

/* Computes C with lyc_thread_count() threads in lyc_gemm_workspace bytes aligned to 64. Allocates nothing. */
void lyc_gemm_run(const lyc_gemm *g, void *workspace);

#endif
