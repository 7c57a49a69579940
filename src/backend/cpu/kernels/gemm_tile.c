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

/* Fetches what is needed after tile t of `count`: a share of `ahead`, and the lines of C that its rows go to. */
LYC_SIMD_INLINE void fetch_for_tile(const lyc_gemm_step *step, int t, int share_bytes, int row, int rows)
{
    if (step->ahead != NULL) {
        const char *ahead = (const char *)step->ahead + t * share_bytes;
        for (int at = 0; at < share_bytes; at += 64) {
            __builtin_prefetch(ahead + at, 0, 2); /* into level 2: level 1 is full */
        }
    }
    if (step->out != NULL) {
        for (int i = row; i < row + rows; i++) {
            __builtin_prefetch(step->out + step->row_at[i] * step->out_bytes, 1, 3);
        }
    }
}

/* Widening keeps a mask in a register as well: 14 rows would not leave one for it. */
LYC_SIMD_INLINE int tallest(lyc_gemm_form form)
{
    return form == LYC_GEMM_WIDEN && TILE_ROWS > 13 ? 13 : TILE_ROWS;
}

void LYC_ISA_SYMBOL(lyc_gemm_multiply)(const lyc_gemm_step *step)
{
    const int columns = step->vectors * LYC_LANES;
    const int count = (step->rows + tallest(step->form) - 1) / tallest(step->form);
    const int height = step->rows / count; /* tiles of equal height, the first ones one row taller */
    const int taller = step->rows % count;
    const int line_elements = step->form == LYC_GEMM_F32 ? 1 : 2;
    const int share_bytes = (step->k / line_elements * columns * (int)sizeof(float) / count + 63) / 64 * 64;
    const tile_function *by_height = tiles[step->form][step->vectors - 1];
    int row = 0;
    for (int t = 0; t < count; t++) {
        const int rows = height + (t < taller);
        fetch_for_tile(step, t, share_bytes, row, rows);
        by_height[rows](step->sums + row * columns, (const char *)step->a + row * LYC_GEMM_ROW_BYTES, step->b, step->k,
                        step->first);
        row += rows;
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

/* A float or bf16. */
LYC_SIMD_INLINE lyc_vf load_number(lyc_dtype dtype, const void *base, int64_t at, int n)
{
    return n == LYC_LANES ? lyc_vload_as(dtype, base, at) : lyc_vload_as_n(dtype, base, at, n);
}

/* One vector of one row; n < LYC_LANES at the right edge. */
LYC_SIMD_INLINE void finish_vector(const lyc_gemm_finish *f, lyc_dtype out_dtype, bool active, lyc_vf v, lyc_vf bias,
                                   int64_t at, int n)
{
    v = lyc_vfma(v, lyc_vset(f->alpha), bias);
    if (active) {
        v = activate(f->activation, v);
    }
    if (f->residual != NULL) {
        v += f->residual_dtype == LYC_F32 ? load_number(LYC_F32, f->residual, at, n)
                                          : load_number(LYC_BF16, f->residual, at, n);
    }
    if (n == LYC_LANES) {
        lyc_vstore_as(out_dtype, f->out, at, v);
    } else {
        lyc_vstore_as_n(out_dtype, f->out, at, v, n);
    }
}

/* Rows of a panel, one after the other, since the two vectors of a row may share a cache line. Inlined for each type of
 * output and with or without an activation. */
LYC_SIMD_INLINE void finish_rows(const lyc_gemm_finish *f, lyc_dtype out_dtype, bool active, const float *sums,
                                 int vectors, int rows, const int64_t *row_at, int64_t column, int columns)
{
    const lyc_gemm_finish fixed = *f; /* a copy that stores to out cannot change */
    const int tail = columns - (vectors - 1) * LYC_LANES;
    lyc_vf bias[2] = {{0}, {0}};
    for (int j = 0; j < vectors && fixed.bias != NULL; j++) {
        bias[j] =
            lyc_vload_as_n(fixed.bias_dtype, fixed.bias, column + j * LYC_LANES, j + 1 < vectors ? LYC_LANES : tail);
    }
    for (int i = 0; i < rows; i++) {
        const int64_t at = row_at[i] + column;
        if (vectors == 2) {
            finish_vector(&fixed, out_dtype, active, lyc_vload(sums), bias[0], at, LYC_LANES);
        }
        const lyc_vf last = lyc_vload(sums + (vectors - 1) * LYC_LANES);
        finish_vector(&fixed, out_dtype, active, last, bias[vectors - 1], at + (vectors - 1) * LYC_LANES, tail);
        sums += vectors * LYC_LANES;
    }
}

LYC_SIMD_INLINE void finish_typed(const lyc_gemm_finish *f, lyc_dtype out_dtype, const float *sums, int vectors,
                                  int rows, const int64_t *row_at, int64_t column, int columns)
{
    if (f->activation != LYC_ACTIVATION_NONE) {
        finish_rows(f, out_dtype, true, sums, vectors, rows, row_at, column, columns);
    } else if (vectors == 2 && columns == 2 * LYC_LANES) {
        finish_rows(f, out_dtype, false, sums, 2, rows, row_at, column, 2 * LYC_LANES);
    } else {
        finish_rows(f, out_dtype, false, sums, vectors, rows, row_at, column, columns);
    }
}

void LYC_ISA_SYMBOL(lyc_gemm_finish_panel)(const lyc_gemm_finish *f, const float *sums, int vectors, int rows,
                                           const int64_t *row_at, int64_t column, int columns)
{
    if (f->out_dtype == LYC_F32) {
        finish_typed(f, LYC_F32, sums, vectors, rows, row_at, column, columns);
    } else {
        finish_typed(f, LYC_BF16, sums, vectors, rows, row_at, column, columns);
    }
}
