/* layer_norm.c - layer normalisation over the last axis, and its gradient
 *
 *     y = u weight + bias,  u = (x - mean) rstd                                     x [rows,channels], mean and rstd
 * [rows] d_x = rstd (weight d_y - s1 / c - u s2 / c),  s1 = sum of weight d_y, s2 = sum of weight d_y u over the row
 *     d_weight = sum of d_y u,  d_bias = sum of d_y over all rows
 *
 * A row stays in the first-level cache: it is read for the mean, for the variance, which is the sum of squares of what
 * differs from the mean, and for the result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/layer_norm.h"

#include "backend/cpu/kernels/norm.h"

typedef struct norm {
    const lyc_call *call;
    lyc_dtype dtype;
    int64_t rows, channels;
    int64_t padded;
    int64_t chunk_rows;
    int64_t chunks;
    float eps;
    bool wants_sums; /* d_weight or d_bias */
    float *weight;   /* [padded], f32 */
    float *bias;
    float *sums; /* [chunks][2][padded]: of d_y u and d_y */
} norm;

static norm norm_of(const lyc_problem *p)
{
    const lyc_shape *x = &p->in[0].shape;
    norm g = {.dtype = p->in[0].dtype, .channels = x->dims[x->rank - 1]};
    g.rows = lyc_shape_elements(x) / g.channels;
    g.padded = norm_padded(g.channels);
    g.chunk_rows = norm_chunk_rows(g.channels);
    g.chunks = lyc_ceil_div(g.rows, g.chunk_rows);
    return g;
}

static void norm_begin(norm *g, const lyc_call *call, bool has_bias)
{
    g->call = call;
    g->weight = call->workspace;
    g->bias = g->weight + g->padded;
    g->sums = g->bias + g->padded;
    for (int64_t c = 0; c < g->channels; c++) {
        g->weight[c] = norm_parameter(call, 1, c, 1.0f);
        g->bias[c] = has_bias ? norm_parameter(call, 2, c, 0.0f) : 0.0f;
    }
}

/* Lanes past the last channel are zero, so that they do not count in sums. */
LYC_SIMD_INLINE lyc_vf valid(lyc_vf v, int64_t c, int64_t channels)
{
    return c + LYC_LANES <= channels ? v : lyc_vselect(lyc_vmask_first((int)(channels - c)), v, (lyc_vf){0});
}

/* ---- forward ---- */

/* Sums go side by side: one alone waits for its last addition at every vector. */
enum { SUMS = 4 };
#define UNROLL _Pragma("GCC unroll 4")

LYC_SIMD_INLINE float sum_all(const lyc_vf *sum)
{
    return lyc_vsum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

LYC_SIMD_INLINE float row_mean(const norm *g, lyc_dtype dtype, int64_t row)
{
    const void *x = g->call->in[0];
    lyc_vf sum[SUMS] = {{0}};
    int64_t c = 0;
    for (; c + SUMS * LYC_LANES <= g->channels; c += SUMS * LYC_LANES) {
        UNROLL for (int i = 0; i < SUMS; i++)
        {
            sum[i] += lyc_vload_as(dtype, x, row * g->channels + c + i * LYC_LANES);
        }
    }
    for (; c < g->channels; c += LYC_LANES) {
        sum[0] += norm_load(dtype, x, row, c, g->channels);
    }
    return sum_all(sum) / (float)g->channels;
}

/* Sums over the row of the squares of x - mean, and of x - mean itself: what rounding of the mean left. */
LYC_SIMD_INLINE void row_deviations(float *squares, float *rest, const norm *g, lyc_dtype dtype, int64_t row,
                                    float mean)
{
    const void *x = g->call->in[0];
    lyc_vf square[SUMS] = {{0}};
    lyc_vf first[SUMS] = {{0}};
    int64_t c = 0;
    for (; c + SUMS * LYC_LANES <= g->channels; c += SUMS * LYC_LANES) {
        UNROLL for (int i = 0; i < SUMS; i++)
        {
            const lyc_vf d = lyc_vload_as(dtype, x, row * g->channels + c + i * LYC_LANES) - mean;
            square[i] = lyc_vfma(d, d, square[i]);
            first[i] += d;
        }
    }
    for (; c < g->channels; c += LYC_LANES) {
        const lyc_vf d = valid(norm_load(dtype, x, row, c, g->channels) - mean, c, g->channels);
        square[0] = lyc_vfma(d, d, square[0]);
        first[0] += d;
    }
    *squares = sum_all(square);
    *rest = sum_all(first);
}

LYC_SIMD_INLINE void normalise_row(const norm *g, lyc_dtype dtype, int64_t row)
{
    const void *x = g->call->in[0];
    const float share = 1.0f / (float)g->channels;
    const float mean = row_mean(g, dtype, row);
    float squares;
    float rest;
    row_deviations(&squares, &rest, g, dtype, row, mean);
    const float correction = rest * share; /* its square is taken off */
    const float exact_mean = mean + correction;
    const float variance = squares * share - correction * correction;
    const float rstd = 1.0f / __builtin_sqrtf((variance < 0.0f ? 0.0f : variance) + g->eps);
    for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
        const lyc_vf u = (norm_load(dtype, x, row, c, g->channels) - exact_mean) * rstd;
        norm_store(dtype, g->call->out[0], row, c, g->channels,
                   lyc_vfma(u, lyc_vload(g->weight + c), lyc_vload(g->bias + c)));
    }
    if (g->call->out[1] != NULL) {
        ((float *)g->call->out[1])[row] = exact_mean;
    }
    if (g->call->out[2] != NULL) {
        ((float *)g->call->out[2])[row] = rstd;
    }
}

static void normalise_rows(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t row = first; row < last; row++) {
        if (g->dtype == LYC_F32) {
            normalise_row(g, LYC_F32, row);
        } else {
            normalise_row(g, LYC_BF16, row);
        }
    }
}

static bool accepts(const lyc_problem *p)
{
    return lyc_accepts_floats(p) && p->out[0].dtype == p->in[0].dtype && lyc_shape_elements(&p->in[0].shape) > 0;
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    return (size_t)(2 * norm_of(p).padded) * sizeof(float);
}

static lyc_status run(const lyc_call *call)
{
    norm g = norm_of(call->problem);
    g.eps = ((const lyc_layer_norm_attr *)call->problem->attr)->eps;
    norm_begin(&g, call, true);
    lyc_parallel_chunks(g.rows, 0.3 * (double)(g.rows * g.channels), normalise_rows, &g);
    return LYC_OK;
}

/* ---- gradient ---- */

enum { X, WEIGHT, MEAN, RSTD, D_Y };

/* d_x of a row, and what it adds to the sums. */
LYC_SIMD_INLINE void differentiate_row(const norm *g, lyc_dtype dtype, int64_t row, float *sums)
{
    const lyc_call *call = g->call;
    const float mean = ((const float *)call->in[MEAN])[row];
    const float rstd = ((const float *)call->in[RSTD])[row];
    lyc_vf sum = {0};
    lyc_vf sum_u = {0};
    for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
        const lyc_vf u = valid((norm_load(dtype, call->in[X], row, c, g->channels) - mean) * rstd, c, g->channels);
        const lyc_vf d_y = norm_load(dtype, call->in[D_Y], row, c, g->channels);
        const lyc_vf d = valid(d_y * lyc_vload(g->weight + c), c, g->channels);
        sum += d;
        sum_u = lyc_vfma(d, u, sum_u);
        if (g->wants_sums) {
            lyc_vstore(sums + c, lyc_vfma(d_y, u, lyc_vload(sums + c)));
            lyc_vstore(sums + g->padded + c, lyc_vload(sums + g->padded + c) + d_y);
        }
    }
    if (call->out[0] == NULL) {
        return;
    }
    const float offset = lyc_vsum(sum) / (float)g->channels;
    const float slope = lyc_vsum(sum_u) / (float)g->channels;
    for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
        const lyc_vf u = (norm_load(dtype, call->in[X], row, c, g->channels) - mean) * rstd;
        const lyc_vf d = norm_load(dtype, call->in[D_Y], row, c, g->channels) * lyc_vload(g->weight + c);
        norm_store(dtype, call->out[0], row, c, g->channels, lyc_vfnma(lyc_vset(slope), u, d - offset) * rstd);
    }
}

static void differentiate_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        float *sums = g->sums + i * 2 * g->padded;
        const int64_t end = lyc_min(g->rows, (i + 1) * g->chunk_rows);
        memset(sums, 0, (size_t)(2 * g->padded) * sizeof *sums);
        for (int64_t row = i * g->chunk_rows; row < end; row++) {
            if (g->dtype == LYC_F32) {
                differentiate_row(g, LYC_F32, row, sums);
            } else {
                differentiate_row(g, LYC_BF16, row, sums);
            }
        }
    }
}

static bool accepts_backward(const lyc_problem *p)
{
    return accepts(p) && p->in[D_Y].dtype == p->in[X].dtype && p->in[MEAN].dtype == LYC_F32 &&
           p->in[RSTD].dtype == LYC_F32 && lyc_result_is(&p->out[1], LYC_F32) && lyc_result_is(&p->out[2], LYC_F32);
}

static size_t workspace_backward(const lyc_problem *p, const void *state)
{
    (void)state;
    const norm g = norm_of(p);
    return (size_t)(2 * g.padded * (1 + g.chunks)) * sizeof(float);
}

static lyc_status run_backward(const lyc_call *call)
{
    norm g = norm_of(call->problem);
    norm_begin(&g, call, false);
    g.wants_sums = call->out[1] != NULL || call->out[2] != NULL;
    lyc_parallel_chunks(g.chunks, 0.5 * (double)(g.rows * g.channels), differentiate_chunks, &g);
    for (int k = 1; k <= 2; k++) {
        if (call->out[k] != NULL) {
            norm_add_chunks(call->out[k], g.sums + (k - 1) * g.padded, g.chunks, 2 * g.padded, g.channels);
        }
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_layer_norm) = {
    .name = LYC_ISA_NAME ".layer_norm",
    .op = &lyc_op_layer_norm,
    .accepts = accepts,
    .workspace = workspace,
    .run = run,
};

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_layer_norm_backward) = {
    .name = LYC_ISA_NAME ".layer_norm_backward",
    .op = &lyc_op_layer_norm_backward,
    .accepts = accepts_backward,
    .workspace = workspace_backward,
    .run = run_backward,
};
