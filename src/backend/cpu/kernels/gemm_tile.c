/* gemm_tile.c - the innermost loops of matrix products: tiles that stay in registers, and what is done to their sums
 *
 * A tile is up to TILE_ROWS rows by one panel (two vectors of columns, or one). For every k it loads the panel's
 * vectors, broadcasts one element of each row, and multiplies: 2 + TILE_ROWS loads for 2 * TILE_ROWS products.
 *
 * Registers: sums, two of the panel, one broadcast: 12 + 3 of 16 with AVX2, 28 + 3 of 32 with AVX-512. On Zen 3 the
 * 6 x 16 tile runs at 98 % of a loop that does nothing but multiply.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/gemm_isa.h"
#include "backend/cpu/kernels/simd_math.h"
#include "graph/ops/matmul.h"

#define UNROLL _Pragma("GCC unroll 16")

/* Bit pattern of two neighbouring bf16 at p. */
LYC_SIMD_INLINE lyc_vi pair_at(const char *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return lyc_viset(pair);
}

LYC_SIMD_INLINE lyc_vf element_at(const char *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return lyc_vset(x);
}

/* One line of pairs of a panel times the rows' pairs at a. */
LYC_SIMD_INLINE void dot_line(int rows, int vectors, lyc_vf sum[][2], const char *a, const float *b)
{
    lyc_vi panel[2];
    UNROLL for (int j = 0; j < vectors; j++)
    {
        panel[j] = lyc_viload(b + j * LYC_LANES);
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        const lyc_vi x = pair_at(a + i * LYC_GEMM_ROW_BYTES);
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = lyc_vdot_bf16(sum[i][j], x, panel[j]);
        }
    }
}

typedef enum panel_element { PANEL_F32, PANEL_EVEN, PANEL_ODD } panel_element;

/* One k of a panel, in f32 or either half of pairs, times the rows' elements at a. */
LYC_SIMD_INLINE void product_line(panel_element element, int rows, int vectors, lyc_vf sum[][2], const char *a,
                                  const float *b)
{
    lyc_vf panel[2];
    UNROLL for (int j = 0; j < vectors; j++)
    {
        const float *at = b + j * LYC_LANES;
        panel[j] = element == PANEL_F32    ? lyc_vload(at)
                   : element == PANEL_EVEN ? lyc_vpair_even(lyc_viload(at))
                                           : lyc_vpair_odd(lyc_viload(at));
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        const lyc_vf x = element_at(a + i * LYC_GEMM_ROW_BYTES);
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = lyc_vfma(x, panel[j], sum[i][j]);
        }
    }
}

/* One line of a panel: one k in f32, two in pairs. */
LYC_SIMD_INLINE void tile_line(lyc_gemm_form form, int rows, int vectors, lyc_vf sum[][2], const char *a,
                               const float *b)
{
    if (form == LYC_GEMM_DOT) {
        dot_line(rows, vectors, sum, a, b);
    } else if (form == LYC_GEMM_WIDEN) {
        product_line(PANEL_EVEN, rows, vectors, sum, a, b);
        product_line(PANEL_ODD, rows, vectors, sum, a + sizeof(float), b);
    } else {
        product_line(PANEL_F32, rows, vectors, sum, a, b);
    }
}

/* sums [rows][vectors * LYC_LANES] = (first ? 0 : sums) + rows of a times the panel, k elements. */
LYC_SIMD_INLINE void tile(lyc_gemm_form form, int rows, int vectors, float *sums, const char *a, const float *b, int k,
                          bool first)
{
    const int line_elements = form == LYC_GEMM_F32 ? 1 : 2;
    const int line_bytes = form == LYC_GEMM_WIDEN ? 8 : 4;
    lyc_vf sum[TILE_ROWS][2];
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sum[i][j] = (lyc_vf){0};
        }
    }
    for (int line = k / line_elements; line > 0; line--) {
        tile_line(form, rows, vectors, sum, a, b);
        a += line_bytes;
        b += vectors * LYC_LANES;
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            float *at = sums + (i * vectors + j) * LYC_LANES;
            if (!first) {
                sum[i][j] += lyc_vload(at);
            }
            lyc_vstore(at, sum[i][j]);
        }
    }
}

/* Every height of a tile is a function of its own, so that all its sums have registers. */
typedef void (*tile_function)(float *sums, const char *a, const float *b, int k, bool first);

#define TILE(form, vectors, rows)                                                                                      \
    static void tile_##form##_##vectors##_##rows(float *sums, const char *a, const float *b, int k, bool first)        \
    {                                                                                                                  \
        tile(LYC_GEMM_##form, rows, vectors, sums, a, b, k, first);                                                    \
    }
#define TILE_ENTRY(form, vectors, rows) [rows] = tile_##form##_##vectors##_##rows,

#if TILE_ROWS == 6
#define HEIGHTS(do, form, vectors)                                                                                     \
    do                                                                                                                 \
    (form, vectors, 1) do(form, vectors, 2) do(form, vectors, 3) do(form, vectors, 4) do(form, vectors,                \
                                                                                         5) do(form, vectors, 6)
#else
#define HEIGHTS(do, form, vectors)                                                                                     \
    do                                                                                                                 \
    (form, vectors, 1) do(form, vectors, 2) do(form, vectors, 3) do(form, vectors, 4) do(form, vectors, 5) do(         \
        form, vectors, 6) do(form, vectors, 7) do(form, vectors, 8) do(form, vectors,                                  \
                                                                       9) do(form, vectors,                            \
                                                                             10) do(form, vectors,                     \
                                                                                    11) do(form, vectors,              \
                                                                                           12) do(form, vectors,       \
                                                                                                  13) do(form,         \
                                                                                                         vectors, 14)
#endif

HEIGHTS(TILE, F32, 1)
HEIGHTS(TILE, F32, 2)
HEIGHTS(TILE, WIDEN, 1)
HEIGHTS(TILE, WIDEN, 2)
HEIGHTS(TILE, DOT, 1)
HEIGHTS(TILE, DOT, 2)

static const tile_function tiles[LYC_GEMM_FORM_COUNT][2][TILE_ROWS + 1] = {
    [LYC_GEMM_F32] = {{HEIGHTS(TILE_ENTRY, F32, 1)}, {HEIGHTS(TILE_ENTRY, F32, 2)}},
    [LYC_GEMM_WIDEN] = {{HEIGHTS(TILE_ENTRY, WIDEN, 1)}, {HEIGHTS(TILE_ENTRY, WIDEN, 2)}},
    [LYC_GEMM_DOT] = {{HEIGHTS(TILE_ENTRY, DOT, 1)}, {HEIGHTS(TILE_ENTRY, DOT, 2)}},
};

void LYC_ISA_SYMBOL(lyc_gemm_multiply)(const lyc_gemm_step *step)
{
    const int columns = step->vectors * LYC_LANES;
    const int count = (step->rows + TILE_ROWS - 1) / TILE_ROWS;
    const int height = step->rows / count; /* tiles of equal height, the first ones one row taller */
    const int taller = step->rows % count;
    const int line_elements = step->form == LYC_GEMM_F32 ? 1 : 2;
    const int fetch_bytes = (step->k / line_elements * columns * (int)sizeof(float) / count + 63) / 64 * 64;
    const tile_function *by_height = tiles[step->form][step->vectors - 1];
    const char *a = step->a;
    const char *ahead = step->ahead;
    float *sums = step->sums;
    for (int t = 0; t < count; t++) {
        const int rows = height + (t < taller);
        if (ahead != NULL) {
            for (int at = 0; at < fetch_bytes; at += 64) {
                lyc_vprefetch(ahead + at);
            }
            ahead += fetch_bytes;
        }
        by_height[rows](sums, a, step->b, step->k, step->first);
        a += rows * LYC_GEMM_ROW_BYTES;
        sums += rows * columns;
    }
}

/* The formulas stand in backend/cpu/reference/activate.c. */
LYC_SIMD_INLINE lyc_vf activate(int activation, lyc_vf x)
{
    switch ((lyc_activation)activation) {
    case LYC_ACTIVATION_SILU:
        return x * lyc_vsigmoid(x);
    case LYC_ACTIVATION_GELU:
        return x * lyc_vnormal_cdf(x);
    case LYC_ACTIVATION_GELU_TANH: { /* (1 + tanh u) / 2 = sigmoid(2 u); 1.5957691 = 2 sqrt(2 / pi) */
        const lyc_vf u = x * lyc_vfma(x * x, lyc_vset(1.5957691216f * 0.044715f), lyc_vset(1.5957691216f));
        return x * lyc_vsigmoid(u);
    }
    case LYC_ACTIVATION_QUICK_GELU:
        return x * lyc_vsigmoid(x * 1.702f);
    case LYC_ACTIVATION_RELU:
        return lyc_vmax(lyc_vset(0.0f), x); /* NaN stays */
    case LYC_ACTIVATION_NONE:
        break;
    }
    return x;
}

/* One vector of one row; n < LYC_LANES at the right edge. */
LYC_SIMD_INLINE void finish_vector(const lyc_gemm_finish *f, lyc_vf v, lyc_vf bias, int64_t at, int n)
{
    v = activate(f->activation, lyc_vfma(v, lyc_vset(f->alpha), bias));
    if (n == LYC_LANES) {
        if (f->residual != NULL) {
            v += lyc_vload_as(f->residual_dtype, f->residual, at);
        }
        lyc_vstore_as(f->out_dtype, f->out, at, v);
    } else {
        if (f->residual != NULL) {
            v += lyc_vload_as_n(f->residual_dtype, f->residual, at, n);
        }
        lyc_vstore_as_n(f->out_dtype, f->out, at, v, n);
    }
}

void LYC_ISA_SYMBOL(lyc_gemm_finish_panel)(const lyc_gemm_finish *f, const float *sums, int vectors, int rows,
                                           const int64_t *row_at, int64_t column, int columns)
{
    const lyc_gemm_finish fixed = *f; /* a copy that stores to out cannot change */
    for (int j = 0; j * LYC_LANES < columns; j++) {
        const int left = columns - j * LYC_LANES;
        const int n = left < LYC_LANES ? left : LYC_LANES;
        const int64_t first = column + j * LYC_LANES;
        const lyc_vf bias = f->bias != NULL ? lyc_vload_as_n(f->bias_dtype, f->bias, first, n) : (lyc_vf){0};
        const float *at = sums + j * LYC_LANES;
        for (int i = 0; i < rows; i++) {
            finish_vector(&fixed, lyc_vload(at), bias, row_at[i] + first, n);
            at += vectors * LYC_LANES;
        }
    }
}
