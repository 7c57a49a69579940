/* extract_layer.c - what becomes of a layer, and the factors of low rank
 *
 *     D = tuned - base ~ B A          B = U S [out,r], A = V [r,in*kernel]; alpha = r, so that the scale is 1
 *
 * With a core the matrix [in,r*kernel] that A is in another order is decomposed once more (LyCORIS' "small conv"):
 *     A[p,i,k] ~ sum over q of T[p,q,k] A'[q,i]
 *
 * Ranks are counted as LyCORIS' extract_locon.py does. What a product leaves over can be kept as a sparse matrix of its
 * largest elements.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <cblas.h>

#include "base/memory.h"
#include "tensor/shape.h"
#include "tool/extract.h"
#include "tool/quantile.h"
#include "tool/truncated_svd.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the difference of a layer");
}

static int64_t columns_of(const lyc_extract_layer *layer)
{
    return layer->in * layer->kernel;
}

void *lyc_extract_add(lyc_extract_layer *layer, const char *suffix, lyc_dtype dtype, lyc_shape shape)
{
    lyc_extract_tensor *tensor = &layer->tensors[layer->count];
    *tensor = (lyc_extract_tensor){.suffix = suffix, .shape = shape, .dtype = dtype};
    tensor->data = lyc_alloc_zero((size_t)lyc_shape_elements(&shape), sizeof(float));
    layer->count += tensor->data != NULL;
    return tensor->data;
}

/* [rows,columns] for linear layers, [rows,columns,1..] or with the kernel for convolutions. */
static lyc_shape factor_shape(const lyc_extract_layer *layer, int64_t rows, int64_t columns, bool with_kernel)
{
    lyc_shape shape = layer->base.weight.shape;
    shape.dims[0] = rows;
    shape.dims[1] = columns;
    for (int i = 2; i < shape.rank; i++) {
        shape.dims[i] = with_kernel ? shape.dims[i] : 1;
    }
    return shape;
}

void lyc_extract_measure(lyc_extract_layer *layer, const float *left, double squared_norm)
{
    double sum = 0.0;
    for (int64_t i = 0; i < layer->out * columns_of(layer); i++) {
        sum += (double)left[i] * (double)left[i];
    }
    const double part = squared_norm > 0.0 ? sum / squared_norm : 0.0;
    layer->energy = 1.0 - part;
    layer->error = sqrt(part);
}

/* --- how many ranks ------------------------------------------------------------------------------------------------
 */

static bool is_plain(const lyc_extract_layer *layer)
{
    return layer->kernel == 1;
}

static int64_t count_above(const double *s, int64_t n, double limit)
{
    int64_t count = 0;
    while (count < n && s[count] > limit) {
        count++;
    }
    return count;
}

static int64_t of_threshold(const double *s, int64_t n, double value)
{
    return count_above(s, n, value);
}

static int64_t of_ratio(const double *s, int64_t n, double value)
{
    return count_above(s, n, value * s[0]);
}

static int64_t of_quantile(const double *s, int64_t n, double value)
{
    double total = 0.0, sum = 0.0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        total += s[i];
    }
    for (int64_t i = 0; i < n; i++) {
        sum += s[i];
        count += sum < value * total;
    }
    return count;
}

static const struct {
    const char *mode;
    int64_t (*count)(const double *s, int64_t n, double value);
} rules[] = {{"threshold", of_threshold}, {"ratio", of_ratio}, {"quantile", of_quantile}};

static lyc_status choose_rank(lyc_extract_layer *layer, const float *d, lyc_error *err)
{
    const lyc_extract_options *o = layer->owner->options;
    const int64_t most = layer->out < layer->in ? layer->out : layer->in;
    const int64_t columns = columns_of(layer), n = layer->out < columns ? layer->out : columns;
    layer->rank = is_plain(layer) || o->conv_rank == 0 ? o->rank : o->conv_rank;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i].mode, o->mode) != 0) {
            continue;
        }
        const double value = is_plain(layer) || o->conv_value < 0.0 ? o->value : o->conv_value;
        double *s = lyc_alloc_zero((size_t)n, sizeof *s);
        const lyc_status status = s == NULL ? no_memory(err) : lyc_singular_values(s, d, layer->out, columns, err);
        layer->rank = status == LYC_OK ? rules[i].count(s, n, value) : 0;
        lyc_free(s);
        LYC_TRY(status);
    }
    layer->rank = layer->rank < most ? layer->rank : most;
    layer->rank = layer->rank > 1 ? layer->rank : 1;
    return LYC_OK;
}

/* --- a sparse remainder --------------------------------------------------------------------------------------------
 */

/* The quantile of |x| [n]. */
static lyc_status quantile_of_sizes(float *out, const float *x, int64_t n, double part, lyc_error *err)
{
    float *sizes = lyc_alloc_zero((size_t)n, sizeof *sizes);
    if (sizes == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < n; i++) {
        sizes[i] = fabsf(x[i]);
    }
    *out = lyc_quantile(sizes, n, part);
    lyc_free(sizes);
    return LYC_OK;
}

/* Takes the largest elements out of what is left [out,in*kernel]. */
static lyc_status keep_sparse(lyc_extract_layer *layer, float *left, lyc_error *err)
{
    const lyc_extract_options *o = layer->owner->options;
    const int64_t columns = columns_of(layer), n = layer->out * columns;
    float limit = 0.0F;
    int64_t count = 0, k = 0;
    LYC_TRY(quantile_of_sizes(&limit, left, n, o->sparsity > 0.0 ? o->sparsity : 0.98, err));
    for (int64_t i = 0; i < n; i++) {
        count += fabsf(left[i]) >= limit;
    }
    int32_t *size = lyc_extract_add(layer, "bias_size", LYC_I32, LYC_SHAPE(2));
    int32_t *at = lyc_extract_add(layer, "bias_indices", LYC_I32, LYC_SHAPE(2, count));
    float *values = lyc_extract_add(layer, "bias_values", LYC_F32, LYC_SHAPE(count));
    if (size == NULL || at == NULL || values == NULL) {
        return no_memory(err);
    }
    size[0] = (int32_t)layer->out;
    size[1] = (int32_t)columns;
    for (int64_t i = 0; i < n; i++) {
        if (fabsf(left[i]) >= limit) {
            at[k] = (int32_t)(i / columns);
            at[count + k] = (int32_t)(i % columns);
            values[k++] = left[i];
            left[i] = 0.0F;
        }
    }
    return LYC_OK;
}

/* --- LoRA ----------------------------------------------------------------------------------------------------------
 */

/* A core and a smaller down for down [r,in*kernel], which then is what they are multiplied out. */
static lyc_status add_core(lyc_extract_layer *layer, float *down, lyc_error *err)
{
    const int64_t r = layer->rank, in = layer->in, kernel = layer->kernel;
    lyc_truncated_svd svd = {0};
    float *flat = lyc_alloc_zero((size_t)(in * r * kernel), sizeof *flat);
    float *factor = lyc_extract_add(layer, "lora_down.weight", LYC_F32, factor_shape(layer, r, in, false));
    float *core = lyc_extract_add(layer, "lora_mid.weight", LYC_F32, factor_shape(layer, r, r, true));
    lyc_status status = flat == NULL || factor == NULL || core == NULL ? no_memory(err) : LYC_OK;
    for (int64_t i = 0; status == LYC_OK && i < in; i++) {
        for (int64_t p = 0; p < r; p++) {
            memcpy(flat + (i * r + p) * kernel, down + (p * in + i) * kernel, (size_t)kernel * sizeof *flat);
        }
    }
    status = status != LYC_OK ? status : lyc_truncated_svd_compute(&svd, flat, in, r * kernel, r, err);
    for (int64_t q = 0; status == LYC_OK && q < svd.rank; q++) {
        for (int64_t i = 0; i < in; i++) {
            factor[q * in + i] = svd.u[i * svd.rank + q] * svd.s[q];
        }
        for (int64_t p = 0; p < r; p++) {
            memcpy(core + (p * r + q) * kernel, svd.v + (q * r + p) * kernel, (size_t)kernel * sizeof *core);
        }
    }
    for (int64_t p = 0; status == LYC_OK && p < r; p++) {
        for (int64_t i = 0; i < in; i++) {
            for (int64_t k = 0; k < kernel; k++) {
                double sum = 0.0;
                for (int64_t q = 0; q < r; q++) {
                    sum += (double)core[(p * r + q) * kernel + k] * (double)factor[q * in + i];
                }
                down[(p * in + i) * kernel + k] = (float)sum;
            }
        }
    }
    lyc_truncated_svd_clear(&svd);
    lyc_free(flat);
    return status;
}

lyc_status lyc_extract_lora(lyc_extract_layer *layer, float *d, lyc_error *err)
{
    const lyc_extract_options *o = layer->owner->options;
    const int64_t r = layer->rank, columns = columns_of(layer);
    const bool core = o->tucker && layer->kernel > 1;
    lyc_truncated_svd svd;
    LYC_TRY(lyc_truncated_svd_compute(&svd, d, layer->out, columns, r, err));
    float *up = lyc_extract_add(layer, "lora_up.weight", LYC_F32, factor_shape(layer, layer->out, r, false));
    lyc_status status = up == NULL ? no_memory(err) : LYC_OK;
    for (int64_t i = 0; status == LYC_OK && i < layer->out * r; i++) {
        up[i] = svd.u[i] * svd.s[i % r];
    }
    layer->energy = lyc_truncated_svd_energy(&svd, r);
    layer->error = sqrt(1.0 - layer->energy);
    if (status == LYC_OK && core) {
        status = add_core(layer, svd.v, err);
    } else if (status == LYC_OK) {
        float *down = lyc_extract_add(layer, "lora_down.weight", LYC_F32, factor_shape(layer, r, layer->in, true));
        status = down == NULL ? no_memory(err) : LYC_OK;
        if (down != NULL) {
            memcpy(down, svd.v, (size_t)(r * columns) * sizeof *down);
        }
    }
    if (status == LYC_OK && (core || o->sparse)) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)layer->out, (int)columns, (int)r, -1.0F, up, (int)r,
                    svd.v, (int)columns, 1.0F, d, (int)columns);
        status = o->sparse ? keep_sparse(layer, d, err) : LYC_OK;
        lyc_extract_measure(layer, d, svd.squared_norm);
    }
    lyc_truncated_svd_clear(&svd);
    return status;
}

/* --- what becomes of a layer ---------------------------------------------------------------------------------------
 */

static lyc_status make_low_rank(lyc_extract_layer *layer, lyc_error *err)
{
    static const struct {
        const char *name;
        lyc_extract_form form;
        lyc_status (*make)(lyc_extract_layer *layer, float *d, lyc_error *err);
    } forms[] = {{"lora", LYC_EXTRACT_LORA, lyc_extract_lora},
                 {"loha", LYC_EXTRACT_LOHA, lyc_extract_loha},
                 {"lokr", LYC_EXTRACT_LOKR, lyc_extract_lokr}};
    const lyc_extract_options *o = layer->owner->options;
    bool differs, bias_differs = false;
    float *d = lyc_alloc_zero((size_t)(layer->out * columns_of(layer)), sizeof *d);
    lyc_status status = d == NULL ? no_memory(err) : lyc_extract_weight(d, &differs, layer, err);
    if (status == LYC_OK && o->bias && layer->base.bias.count > 0) {
        status = lyc_extract_bias(NULL, &bias_differs, layer, err);
    }
    if (status != LYC_OK || (!differs && !bias_differs)) {
        lyc_free(d);
        return status;
    }
    layer->with_bias = bias_differs;
    status = choose_rank(layer, d, err);
    for (size_t i = 0; status == LYC_OK && i < sizeof forms / sizeof forms[0]; i++) {
        const char *name = o->algorithm != NULL ? o->algorithm : "lora";
        if (strcmp(name, forms[i].name) != 0) {
            continue;
        }
        const bool large = forms[i].form != LYC_EXTRACT_LOKR && 2 * layer->rank >= layer->out;
        if (large || !differs) {
            layer->form = LYC_EXTRACT_FULL;
            layer->with_bias = layer->base.bias.count > 0;
            layer->rank = 0;
        } else {
            layer->form = forms[i].form;
            status = forms[i].make(layer, d, err);
        }
    }
    lyc_free(d);
    return status;
}

lyc_status lyc_extract_make(lyc_extract_layer *layer, lyc_error *err)
{
    bool weight, bias;
    layer->energy = 1.0;
    if (strcmp(layer->owner->options->mode, "full") != 0 && !layer->is_norm) {
        return make_low_rank(layer, err);
    }
    LYC_TRY(lyc_extract_differs(&weight, &bias, layer, err));
    if (weight || (bias && layer->owner->options->bias)) {
        layer->form = layer->is_norm ? LYC_EXTRACT_NORM : LYC_EXTRACT_FULL;
        layer->with_bias = layer->base.bias.count > 0;
    }
    return LYC_OK;
}
