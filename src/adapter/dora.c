/* dora.c - DoRA: norms of a weight apart from its direction (arXiv 2402.09353)
 *
 *     V = W + ΔW,  nu = ||V|| + eps,  W'(1) = V * dora_scale / nu,  W'(m) = W + m (W'(1) - W)
 *
 * Norms of rows (wd_on_out: dora_scale [out,1..]) or of the columns of an input ([1,in,1..]: over outputs and kernel).
 * ΔW is that of multiplier 1; eps is the epsilon of f32. The gradient goes through nu, as in LyCORIS; with
 * wd_norm_constant it does not, as in section 4.3 of the paper and in PEFT.
 *
 * LyCORIS gives V * (m (dora_scale / nu - 1) + 1), which is V and not W at m = 0; both agree at m = 1.
 *
 * Without forming V: with c = dora_scale / nu, W'(1) x = c * (V x) for rows and V (c * x) for columns. nu^2 is
 * ||W||^2, known once for a frozen W, and what ΔW adds to it: small products where the algorithm knows
 * `squared_norms`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/dora.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "base/memory.h"
#include "graph/build.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

bool lyc_dora_has(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->weight_decompose;
}

static bool by_rows(const lyc_adapter *a)
{
    return ((const lyc_adapter_config *)a->config)->wd_on_out;
}

/* ||W||^2 by outputs or by inputs, of W [out,in*kernel], summed in f64; the caller releases them. */
static lyc_status sum_squares(float **out, const lyc_adapter *a, lyc_dtype dtype, const void *weight, lyc_error *err)
{
    const int64_t n = by_rows(a) ? a->out : a->in;
    const int64_t length = a->in * a->kernel;
    const int64_t row_bytes = length * lyc_dtype_bits(dtype) / 8;
    double *sums = lyc_alloc_zero((size_t)n, sizeof *sums);
    float *row = lyc_alloc_zero((size_t)(n + length), sizeof *row);
    if (sums == NULL || row == NULL) {
        lyc_free(sums);
        lyc_free(row);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the norms of a weight");
    }
    lyc_status status = LYC_OK;
    float *squares = row;
    row += n;
    for (int64_t o = 0; status == LYC_OK && o < a->out; o++) {
        status = lyc_dtype_convert(row, LYC_F32, (const char *)weight + o * row_bytes, dtype, (size_t)length, err);
        for (int64_t i = 0; i < length; i++) {
            sums[by_rows(a) ? o : i / a->kernel] += (double)row[i] * (double)row[i];
        }
    }
    for (int64_t j = 0; status == LYC_OK && j < n; j++) {
        squares[j] = (float)sums[j];
    }
    lyc_free(sums);
    if (status != LYC_OK) {
        lyc_free(squares);
        return status;
    }
    *out = squares;
    return LYC_OK;
}

lyc_status lyc_dora_start(lyc_adapter *a, const float *weight, lyc_error *err)
{
    lyc_adapter_param *scale = lyc_adapter_param_find(a, "dora_scale");
    float *squares = NULL;
    assert(scale != NULL);
    LYC_TRY(sum_squares(&squares, a, LYC_F32, weight, err));
    for (int64_t j = 0; j < lyc_shape_elements(&scale->shape); j++) {
        scale->data[j] = (float)sqrt((double)squares[j]);
    }
    lyc_free(squares);
    return LYC_OK;
}

/* Sums over the kernel: [1,in*kernel] to [1,in]. Rows have nothing to add up. */
static lyc_value *by_input(lyc_graph *g, const lyc_adapter *a, lyc_value *sums)
{
    if (by_rows(a) || a->kernel == 1) {
        return sums;
    }
    lyc_value *apart = lyc_reshape(g, sums, LYC_SHAPE(1, a->in, a->kernel));
    return lyc_reduce_sum(g, apart, 4, false, true);
}

static lyc_value *squares_of(lyc_graph *g, const lyc_adapter *a, lyc_value *w)
{
    return by_input(g, a, lyc_reduce_sum(g, lyc_mul(g, w, w), by_rows(a) ? 2 : 1, true, true));
}

/* ||W||^2, [out,1] or [1,in]: constants of the graph where W is frozen. */
static lyc_value *weight_squares(lyc_graph *g, const lyc_adapter_site *site, lyc_value *w)
{
    const lyc_adapter *a = site->adapter;
    const lyc_value *stored = site->layer->weight;
    const lyc_shape shape = by_rows(a) ? LYC_SHAPE(a->out, 1) : LYC_SHAPE(1, a->in);
    if (stored->kind != LYC_VALUE_WEIGHT || site->layer->transposed) {
        return squares_of(g, a, w);
    }
    if (site->estimate) {
        return lyc_graph_input(g, "norms", LYC_FLOAT, shape);
    }
    float *squares = NULL;
    lyc_error err;
    if (sum_squares(&squares, a, stored->dtype, stored->data, &err) != LYC_OK) {
        return lyc_graph_fail(g, err.status, "%s", err.message);
    }
    lyc_value *v = lyc_graph_constant(g, shape, squares);
    lyc_free(squares);
    return v;
}

/* The site as one without multiplier: DoRA interpolates the whole. */
static lyc_adapter_site at_full_strength(const lyc_adapter_site *site)
{
    lyc_adapter_site full = *site;
    full.multiplier = NULL;
    return full;
}

/* c = dora_scale / (sqrt(squares) + eps), [out,1] or [1,in]. */
static lyc_value *factor(lyc_graph *g, const lyc_adapter_site *site, lyc_value *squares)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *scale = by_rows(a) ? lyc_site_matrix(g, site, "dora_scale", a->out, 1)
                                  : lyc_site_matrix(g, site, "dora_scale", 1, a->in);
    /* Rounding may leave less than nothing of norms that cancel out; the root has no slope at zero. */
    lyc_value *nu = lyc_sqrt(g, lyc_clamp_min(g, squares, FLT_MIN));
    return lyc_div(g, scale, lyc_affine(g, nu, 1.0f, FLT_EPSILON));
}

/* The values of the parameters without gradient, for norms that are constants to the gradient. */
static lyc_adapter_site for_norms(const lyc_adapter_site *site)
{
    lyc_adapter_site still = *site;
    if (((const lyc_adapter_config *)site->adapter->config)->wd_norm_constant) {
        for (int i = 0; i < site->adapter->n_params; i++) {
            still.params[i] = site->frozen[i];
        }
    }
    return still;
}

/* c for input columns as they lie in W: [1,in*kernel]; rows as they are. */
static lyc_value *spread(lyc_graph *g, const lyc_adapter *a, lyc_value *c)
{
    if (by_rows(a) || a->kernel == 1) {
        return c;
    }
    lyc_value *apart = lyc_reshape(g, c, LYC_SHAPE(1, a->in, 1));
    return lyc_reshape(g, lyc_broadcast(g, apart, LYC_SHAPE(1, a->in, a->kernel)), LYC_SHAPE(1, a->in * a->kernel));
}

/* from + m (to - from). */
static lyc_value *interpolate(lyc_graph *g, lyc_value *from, lyc_value *to, lyc_value *m)
{
    return lyc_add(g, from, lyc_mul(g, lyc_sub(g, to, from), m));
}

lyc_value *lyc_dora_changed(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_site full = at_full_strength(site);
    const lyc_adapter_site still = for_norms(&full);
    lyc_value *w = lyc_site_weight(g, site);
    lyc_value *v = lyc_add(g, w, a->algorithm->delta(g, &full));
    lyc_value *measured = still.params[0] == full.params[0] ? v : lyc_add(g, w, a->algorithm->delta(g, &still));
    lyc_value *c = factor(g, site, squares_of(g, a, measured));
    lyc_value *whole = lyc_mul(g, v, spread(g, a, c));
    return site->multiplier == NULL ? whole : interpolate(g, w, whole, site->multiplier);
}

/* ||W + ΔW||^2, [out,1] or [1,in]. */
static lyc_value *changed_squares(lyc_graph *g, const lyc_adapter_site *full)
{
    const lyc_adapter *a = full->adapter;
    lyc_value *w = lyc_site_weight(g, full);
    if (a->algorithm->squared_norms == NULL) {
        return squares_of(g, a, lyc_add(g, w, a->algorithm->delta(g, full)));
    }
    lyc_value *added = a->algorithm->squared_norms(g, full, w, by_rows(a));
    return lyc_add(g, weight_squares(g, full, w), by_input(g, a, added));
}

/* c as it multiplies channels, [out] or [in]. */
static lyc_value *channel_factor(lyc_graph *g, const lyc_adapter_site *full)
{
    const lyc_adapter *a = full->adapter;
    const lyc_adapter_site still = for_norms(full);
    return lyc_reshape(g, factor(g, full, changed_squares(g, &still)), LYC_SHAPE(by_rows(a) ? a->out : a->in));
}

lyc_value *lyc_dora_apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_adapter *a = site->adapter;
    const lyc_adapter_site full = at_full_strength(site);
    lyc_value *c = lyc_site_fold(g, &full, channel_factor);
    lyc_value *whole;
    if (by_rows(a)) {
        whole = lyc_mul(g, a->algorithm->apply(g, &full, x, y), c);
    } else {
        lyc_layer bare = *site->layer;
        bare.bias = NULL;
        lyc_value *scaled = lyc_mul(g, x, c);
        lyc_value *base = lyc_layer_forward(g, &bare, scaled, LYC_ACTIVATION_NONE, NULL);
        whole = a->algorithm->apply(g, &full, scaled, base);
    }
    return site->multiplier == NULL ? whole : interpolate(g, y, whole, site->multiplier);
}
