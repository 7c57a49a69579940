/* group_norm.c - group normalisation with the SiLU that may follow, and its gradient
 *
 *     z = (x - mean) rstd weight + bias,  y = z or silu(z)               x [n,pixels,channels], mean and rstd
 * [n,groups] d_x = rstd (weight d_z - s1 / m - u s2 / m),  u = (x - mean) rstd,  m = elements of a group, s1 = sum of
 * weight d_z, s2 = sum of weight d_z u over the group;   d_weight = sum of d_z u,  d_bias = sum of d_z
 *
 * Memory decides: x is read once for the statistics, in vectors of channels whatever the groups are, and once for the
 * result, by the same threads. The sums are taken of x minus the mean of the chunk's first pixels, by channel, so that
 * a large mean costs no digits; chunks and channels are then put together in double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/group_norm.h"

#include <math.h>

#include "backend/cpu/kernels/norm.h"

enum { X, WEIGHT, BIAS, MEAN, RSTD, D_Y };
enum { SHIFT_PIXELS = 16, UNROLL_PIXELS = 4 };

/* Arrays by channel: of a chunk, forward and backward, and of a sample. */
enum { SHIFT, SUM, SQUARES, FORWARD_SUMS };
enum { SUM_D_Z, SUM_D_Z_U, BACKWARD_SUMS };
enum { C_MEAN, C_RSTD, C_WEIGHT, C_BIAS, C_SCALE, C_OFFSET, C_SLOPE, SAMPLE_ARRAYS };

typedef struct norm {
    const lyc_call *call;
    lyc_dtype dtype; /* of x; y, d_y and d_x have their own */
    int64_t samples, pixels, channels, groups, width;
    int64_t padded;
    int64_t chunk_pixels;
    int64_t chunks; /* of a sample */
    int sums;       /* arrays of a chunk */
    bool silu;
    float eps;
    float *chunk_sums; /* [samples][chunks][sums][padded] */
    float *arrays;     /* [samples][SAMPLE_ARRAYS][padded] */
} norm;

static norm norm_of(const lyc_problem *p, int groups, int sums)
{
    const lyc_shape *x = &p->in[X].shape;
    norm g = {.dtype = p->in[X].dtype, .samples = x->dims[0], .channels = x->dims[x->rank - 1], .groups = groups};
    g.pixels = lyc_shape_product(x, 1, x->rank - 1);
    g.width = g.channels / groups;
    g.padded = norm_padded(g.channels);
    g.chunk_pixels = norm_chunk_rows(g.channels);
    g.chunks = lyc_ceil_div(g.pixels, g.chunk_pixels);
    g.sums = sums;
    return g;
}

static size_t norm_bytes(const norm *g)
{
    return (size_t)(g->samples * g->padded * (g->chunks * g->sums + SAMPLE_ARRAYS)) * sizeof(float);
}

static void norm_begin(norm *g, const lyc_call *call)
{
    g->call = call;
    g->arrays = call->workspace;
    g->chunk_sums = g->arrays + g->samples * SAMPLE_ARRAYS * g->padded;
}

static float *array_of(const norm *g, int64_t sample, int array)
{
    return g->arrays + (sample * SAMPLE_ARRAYS + array) * g->padded;
}

static float *sums_of(const norm *g, int64_t sample, int64_t chunk, int array)
{
    return g->chunk_sums + ((sample * g->chunks + chunk) * g->sums + array) * g->padded;
}

static int64_t pixels_of(const norm *g, int64_t chunk)
{
    return lyc_min(g->chunk_pixels, g->pixels - chunk * g->chunk_pixels);
}

/* Runs body once for every chunk of every sample; picoseconds of an element decide about threads. */
static void for_each_chunk(norm *g, lyc_parallel_body body, double picoseconds)
{
    lyc_parallel_chunks(g->samples * g->chunks, 1e-3 * picoseconds * (double)(g->samples * g->pixels * g->channels),
                        body, g);
}

/* ---- forward ---- */

LYC_SIMD_INLINE void add_pixels(const norm *g, lyc_dtype dtype, int64_t row, int64_t count, int pixels, float *sums)
{
    const void *x = g->call->in[X];
    for (int64_t p = 0; p + pixels <= count; p += pixels) {
        for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
            const lyc_vf shift = lyc_vload(sums + SHIFT * g->padded + c);
            lyc_vf sum = lyc_vload(sums + SUM * g->padded + c);
            lyc_vf squares = lyc_vload(sums + SQUARES * g->padded + c);
#pragma GCC unroll 4
            for (int i = 0; i < pixels; i++) {
                const lyc_vf d = norm_load(dtype, x, row + p + i, c, g->channels) - shift;
                sum += d;
                squares = lyc_vfma(d, d, squares);
            }
            lyc_vstore(sums + SUM * g->padded + c, sum);
            lyc_vstore(sums + SQUARES * g->padded + c, squares);
        }
    }
}

/* Sums of x - shift and its square over a chunk. */
LYC_SIMD_INLINE void sum_chunk(const norm *g, lyc_dtype dtype, int64_t row, int64_t count, float *sums)
{
    const int64_t first = lyc_min(SHIFT_PIXELS, count);
    for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
        lyc_vf sum = {0};
        for (int64_t p = 0; p < first; p++) {
            sum += norm_load(dtype, g->call->in[X], row + p, c, g->channels);
        }
        lyc_vstore(sums + SHIFT * g->padded + c, sum * (1.0f / (float)first));
        lyc_vstore(sums + SUM * g->padded + c, (lyc_vf){0});
        lyc_vstore(sums + SQUARES * g->padded + c, (lyc_vf){0});
    }
    const int64_t most = count / UNROLL_PIXELS * UNROLL_PIXELS;
    add_pixels(g, dtype, row, most, UNROLL_PIXELS, sums);
    add_pixels(g, dtype, row + most, count - most, 1, sums);
}

static void sum_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t chunk = i % g->chunks;
        const int64_t row = i / g->chunks * g->pixels + chunk * g->chunk_pixels;
        float *sums = sums_of(g, i / g->chunks, chunk, 0);
        if (g->dtype == LYC_F32) {
            sum_chunk(g, LYC_F32, row, pixels_of(g, chunk), sums);
        } else {
            sum_chunk(g, LYC_BF16, row, pixels_of(g, chunk), sums);
        }
    }
}

/* Mean of a group, or with the mean given the sum of squares of what differs from it. */
static double combine(const norm *g, int64_t sample, int64_t group, const double *mean)
{
    double total = 0.0;
    for (int64_t k = 0; k < g->chunks; k++) {
        const double count = (double)pixels_of(g, k);
        const float *sums = sums_of(g, sample, k, 0);
        for (int64_t c = group * g->width; c < (group + 1) * g->width; c++) {
            const double sum = (double)sums[SUM * g->padded + c];
            const double shift = (double)sums[SHIFT * g->padded + c];
            if (mean == NULL) {
                total += count * shift + sum;
            } else {
                /* sum of (d - e)², d = x - shift, e = mean - shift */
                const double e = *mean - shift;
                total += (double)sums[SQUARES * g->padded + c] - 2.0 * e * sum + count * e * e;
            }
        }
    }
    return total;
}

static void combine_groups(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    const lyc_call *call = g->call;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t sample = i / g->groups;
        const int64_t group = i % g->groups;
        const double count = (double)(g->pixels * g->width);
        const double mean = combine(g, sample, group, NULL) / count;
        const double variance = combine(g, sample, group, &mean) / count;
        const double rstd = 1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + (double)g->eps);
        for (int64_t c = group * g->width; c < (group + 1) * g->width; c++) {
            array_of(g, sample, C_MEAN)[c] = (float)mean;
            array_of(g, sample, C_SCALE)[c] = (float)rstd * norm_parameter(call, WEIGHT, c, 1.0f);
            array_of(g, sample, C_BIAS)[c] = norm_parameter(call, BIAS, c, 0.0f);
        }
        if (call->out[1] != NULL) {
            ((float *)call->out[1])[i] = (float)mean;
        }
        if (call->out[2] != NULL) {
            ((float *)call->out[2])[i] = (float)rstd;
        }
    }
}

LYC_SIMD_INLINE void normalise_chunk(const norm *g, lyc_dtype dtype, bool silu, int64_t sample, int64_t row,
                                     int64_t count)
{
    const float *mean = array_of(g, sample, C_MEAN);
    const float *scale = array_of(g, sample, C_SCALE);
    const float *bias = array_of(g, sample, C_BIAS);
    for (int64_t p = row; p < row + count; p++) {
        for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
            const lyc_vf d = norm_load(dtype, g->call->in[X], p, c, g->channels) - lyc_vload(mean + c);
            const lyc_vf z = lyc_vfma(d, lyc_vload(scale + c), lyc_vload(bias + c));
            norm_store(dtype, g->call->out[0], p, c, g->channels, silu ? norm_silu(z) : z);
        }
    }
}

static void normalise_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t sample = i / g->chunks;
        const int64_t chunk = i % g->chunks;
        const int64_t row = sample * g->pixels + chunk * g->chunk_pixels;
        const int64_t count = pixels_of(g, chunk);
        if (g->dtype == LYC_F32 && g->silu) {
            normalise_chunk(g, LYC_F32, true, sample, row, count);
        } else if (g->dtype == LYC_F32) {
            normalise_chunk(g, LYC_F32, false, sample, row, count);
        } else if (g->silu) {
            normalise_chunk(g, LYC_BF16, true, sample, row, count);
        } else {
            normalise_chunk(g, LYC_BF16, false, sample, row, count);
        }
    }
}

static norm forward_of(const lyc_problem *p)
{
    const lyc_group_norm_attr *attr = p->attr;
    norm g = norm_of(p, attr->groups, FORWARD_SUMS);
    g.silu = attr->silu;
    g.eps = attr->eps;
    return g;
}

static bool accepts(const lyc_problem *p)
{
    return lyc_accepts_floats(p) && p->out[0].dtype == p->in[X].dtype && lyc_shape_elements(&p->in[X].shape) > 0;
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const norm g = forward_of(p);
    return norm_bytes(&g);
}

static lyc_status run(const lyc_call *call)
{
    norm g = forward_of(call->problem);
    norm_begin(&g, call);
    for_each_chunk(&g, sum_chunks, 200);
    lyc_parallel_chunks(g.samples * g.groups, 4.0 * (double)(g.samples * g.chunks * g.channels), combine_groups, &g);
    for_each_chunk(&g, normalise_chunks, g.silu ? 700 : 200);
    return LYC_OK;
}

/* ---- gradient ---- */

typedef struct point {
    lyc_vf d_z;
    lyc_vf u;
} point;

LYC_SIMD_INLINE point point_at(const norm *g, lyc_dtype dtype, bool silu, int64_t sample, int64_t row, int64_t c)
{
    const float *arrays = array_of(g, sample, 0) + c;
    point p = {.d_z = norm_load(dtype, g->call->in[D_Y], row, c, g->channels)};
    p.u = (norm_load(dtype, g->call->in[X], row, c, g->channels) - lyc_vload(arrays + C_MEAN * g->padded)) *
          lyc_vload(arrays + C_RSTD * g->padded);
    if (silu) {
        const lyc_vf z =
            lyc_vfma(p.u, lyc_vload(arrays + C_WEIGHT * g->padded), lyc_vload(arrays + C_BIAS * g->padded));
        p.d_z *= norm_silu_slope(z);
    }
    return p;
}

LYC_SIMD_INLINE void sum_gradients(const norm *g, lyc_dtype dtype, bool silu, int64_t sample, int64_t row,
                                   int64_t count, float *sums)
{
    memset(sums, 0, (size_t)(BACKWARD_SUMS * g->padded) * sizeof *sums);
    for (int64_t p = row; p < row + count; p++) {
        for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
            const point at = point_at(g, dtype, silu, sample, p, c);
            float *d_z = sums + SUM_D_Z * g->padded + c;
            float *d_z_u = sums + SUM_D_Z_U * g->padded + c;
            lyc_vstore(d_z, lyc_vload(d_z) + at.d_z);
            lyc_vstore(d_z_u, lyc_vfma(at.d_z, at.u, lyc_vload(d_z_u)));
        }
    }
}

/* d_x = scale d_z - offset - slope u */
LYC_SIMD_INLINE void store_gradients(const norm *g, lyc_dtype dtype, bool silu, int64_t sample, int64_t row,
                                     int64_t count)
{
    const float *arrays = array_of(g, sample, 0);
    for (int64_t p = row; p < row + count; p++) {
        for (int64_t c = 0; c < g->channels; c += LYC_LANES) {
            const point at = point_at(g, dtype, silu, sample, p, c);
            const lyc_vf scale = lyc_vload(arrays + C_SCALE * g->padded + c);
            const lyc_vf offset = lyc_vload(arrays + C_OFFSET * g->padded + c);
            const lyc_vf slope = lyc_vload(arrays + C_SLOPE * g->padded + c);
            norm_store(dtype, g->call->out[0], p, c, g->channels,
                       lyc_vfnma(slope, at.u, lyc_vfma(scale, at.d_z, -offset)));
        }
    }
}

/* The first pass over a chunk, or with sums NULL the second. */
LYC_SIMD_INLINE void pass(const norm *g, lyc_dtype dtype, bool silu, int64_t sample, int64_t row, int64_t count,
                          float *sums)
{
    if (sums != NULL) {
        sum_gradients(g, dtype, silu, sample, row, count, sums);
    } else {
        store_gradients(g, dtype, silu, sample, row, count);
    }
}

static void differentiate(const norm *g, int64_t sample, int64_t chunk, float *sums)
{
    const int64_t row = sample * g->pixels + chunk * g->chunk_pixels;
    const int64_t count = pixels_of(g, chunk);
    if (g->dtype == LYC_F32 && g->silu) {
        pass(g, LYC_F32, true, sample, row, count, sums);
    } else if (g->dtype == LYC_F32) {
        pass(g, LYC_F32, false, sample, row, count, sums);
    } else if (g->silu) {
        pass(g, LYC_BF16, true, sample, row, count, sums);
    } else {
        pass(g, LYC_BF16, false, sample, row, count, sums);
    }
}

static void sum_gradient_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        differentiate(g, i / g->chunks, i % g->chunks, sums_of(g, i / g->chunks, i % g->chunks, 0));
    }
}

static void store_gradient_chunks(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        differentiate(g, i / g->chunks, i % g->chunks, NULL);
    }
}

/* What the passes read of each channel, before and after the sums are known. */
static void spread_parameters(const norm *g)
{
    for (int64_t s = 0; s < g->samples; s++) {
        for (int64_t c = 0; c < g->channels; c++) {
            const int64_t group = s * g->groups + c / g->width;
            array_of(g, s, C_MEAN)[c] = ((const float *)g->call->in[MEAN])[group];
            array_of(g, s, C_RSTD)[c] = ((const float *)g->call->in[RSTD])[group];
            array_of(g, s, C_WEIGHT)[c] = norm_parameter(g->call, WEIGHT, c, 1.0f);
            array_of(g, s, C_BIAS)[c] = norm_parameter(g->call, BIAS, c, 0.0f);
        }
    }
}

static void combine_gradients(void *context, int64_t first, int64_t last, int thread)
{
    const norm *g = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t s = i / g->groups;
        const int64_t begin = i % g->groups * g->width;
        const double count = (double)(g->pixels * g->width);
        double sum = 0.0;
        double sum_u = 0.0;
        for (int64_t k = 0; k < g->chunks; k++) {
            for (int64_t c = begin; c < begin + g->width; c++) {
                const double weight = (double)array_of(g, s, C_WEIGHT)[c];
                sum += weight * (double)sums_of(g, s, k, SUM_D_Z)[c];
                sum_u += weight * (double)sums_of(g, s, k, SUM_D_Z_U)[c];
            }
        }
        for (int64_t c = begin; c < begin + g->width; c++) {
            /* A single element is its own mean: no gradient, where rounding would leave rstd = 1/sqrt(eps) of one. */
            const float rstd = count > 1 ? array_of(g, s, C_RSTD)[c] : 0.0f;
            array_of(g, s, C_SCALE)[c] = rstd * array_of(g, s, C_WEIGHT)[c];
            array_of(g, s, C_OFFSET)[c] = (float)((double)rstd * sum / count);
            array_of(g, s, C_SLOPE)[c] = (float)((double)rstd * sum_u / count);
        }
    }
}

static norm backward_of(const lyc_problem *p)
{
    const lyc_group_norm_backward_attr *attr = p->attr;
    norm g = norm_of(p, attr->groups, BACKWARD_SUMS);
    g.silu = attr->silu;
    return g;
}

static bool accepts_backward(const lyc_problem *p)
{
    return accepts(p) && p->in[D_Y].dtype == p->in[X].dtype && p->in[MEAN].dtype == LYC_F32 &&
           p->in[RSTD].dtype == LYC_F32 && lyc_result_is(&p->out[1], LYC_F32) && lyc_result_is(&p->out[2], LYC_F32);
}

static size_t workspace_backward(const lyc_problem *p, const void *state)
{
    (void)state;
    const norm g = backward_of(p);
    return norm_bytes(&g);
}

static lyc_status run_backward(const lyc_call *call)
{
    norm g = backward_of(call->problem);
    norm_begin(&g, call);
    spread_parameters(&g);
    for_each_chunk(&g, sum_gradient_chunks, g.silu ? 900 : 300);
    for (int k = 1; k <= 2; k++) {
        if (call->out[k] != NULL) {
            norm_add_chunks(call->out[k], sums_of(&g, 0, 0, k == 1 ? SUM_D_Z_U : SUM_D_Z), g.samples * g.chunks,
                            BACKWARD_SUMS * g.padded, g.channels);
        }
    }
    if (call->out[0] != NULL) {
        lyc_parallel_chunks(g.samples * g.groups, 4.0 * (double)(g.samples * g.chunks * g.channels), combine_gradients,
                            &g);
        for_each_chunk(&g, store_gradient_chunks, g.silu ? 900 : 300);
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_group_norm) = {
    .name = LYC_ISA_NAME ".group_norm",
    .op = &lyc_op_group_norm,
    .accepts = accepts,
    .workspace = workspace,
    .run = run,
};

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_group_norm_backward) = {
    .name = LYC_ISA_NAME ".group_norm_backward",
    .op = &lyc_op_group_norm_backward,
    .accepts = accepts_backward,
    .workspace = workspace_backward,
    .run = run_backward,
};
