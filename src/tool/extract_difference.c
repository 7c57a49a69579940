/* extract_difference.c - weights of two models, subtracted
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/extract.h"

enum { CHUNK = 4096 };

/* Elements [first,first+count) of the rows of all pieces, as f32. */
static lyc_status load(float *out, const lyc_base_model *model, const lyc_base_pieces *pieces, int64_t first,
                       int64_t count, lyc_error *err)
{
    const int64_t row = lyc_shape_product(&pieces->shape, 1, pieces->shape.rank);
    for (int i = 0; i < pieces->count && count > 0; i++) {
        const lyc_base_rows *rows = &pieces->pieces[i];
        const int64_t size = rows->count * row;
        if (first >= size) {
            first -= size;
            continue;
        }
        const int64_t n = size - first < count ? size - first : count;
        const lyc_tensor_view tensor = lyc_base_model_tensor(model, rows);
        const size_t element = (size_t)lyc_dtype_bits(tensor.dtype) / 8;
        const char *data = (const char *)tensor.data + (size_t)(rows->row * row + first) * element;
        LYC_TRY(lyc_dtype_convert(out, LYC_F32, data, tensor.dtype, (size_t)n, err));
        out += n;
        count -= n;
        first = 0;
    }
    return LYC_OK;
}

/* The same of a tensor [in,out] of which [out,in] is meant. */
static lyc_status load_transposed(float *out, const lyc_base_model *model, const lyc_base_pieces *pieces, int64_t first,
                                  int64_t count)
{
    const lyc_tensor_view tensor = lyc_base_model_tensor(model, &pieces->pieces[0]);
    const int64_t rows = pieces->shape.dims[0], columns = pieces->shape.dims[1];
    const size_t element = (size_t)lyc_dtype_bits(tensor.dtype) / 8;
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = (first + i) / columns, column = (first + i) % columns;
        out[i] =
            (float)lyc_dtype_load(tensor.dtype, (const char *)tensor.data + (size_t)(column * rows + row) * element);
    }
    return LYC_OK;
}

static lyc_status load_part(float *out, const lyc_base_model *model, const lyc_base_pieces *pieces, bool transposed,
                            int64_t first, int64_t count, lyc_error *err)
{
    return transposed ? load_transposed(out, model, pieces, first, count) : load(out, model, pieces, first, count, err);
}

/* One of the two kinds of pieces of a layer. */
typedef struct sides {
    const lyc_extract_layer *layer;
    const lyc_base_pieces *base, *tuned;
    bool base_transposed, tuned_transposed;
} sides;

static sides weights_of(const lyc_extract_layer *layer)
{
    return (sides){layer, &layer->base.weight, &layer->tuned.weight, layer->base.transposed, layer->tuned.transposed};
}

static sides biases_of(const lyc_extract_layer *layer)
{
    return (sides){layer, &layer->base.bias, &layer->tuned.bias, false, false};
}

/* Where an element of base is in tuned, and how many behind it are so as well. */
static int64_t place(int64_t *run, const sides *s, int64_t n, int64_t first, int64_t count)
{
    *run = count;
    if (!s->layer->exchanged) {
        return first;
    }
    const int64_t half = n / 2;
    const int64_t end = first < half ? half : n;
    *run = end - first < count ? end - first : count;
    return first < half ? first + half : first - half;
}

/* Writes nothing where out is NULL. */
static lyc_status subtract(float *out, bool *differs, const sides *s, lyc_error *err)
{
    float base[CHUNK], tuned[CHUNK];
    const int64_t n = lyc_shape_elements(&s->base->shape);
    int64_t run;
    bool differ = false;
    for (int64_t first = 0; first < n; first += run) {
        const lyc_extraction *x = s->layer->owner;
        const int64_t at = place(&run, s, n, first, n - first < CHUNK ? n - first : CHUNK);
        LYC_TRY(load_part(base, x->base, s->base, s->base_transposed, first, run, err));
        LYC_TRY(load_part(tuned, x->tuned, s->tuned, s->tuned_transposed, at, run, err));
        for (int64_t i = 0; i < run; i++) {
            const float d = tuned[i] - base[i];
            if (!isfinite(d)) {
                return lyc_fail(err, LYC_E_NUMERIC, "the difference of '%s' is not finite", s->layer->module);
            }
            differ |= fabsf(d) > 1e-8F + 1e-5F * fabsf(base[i]);
            tuned[i] = d;
        }
        for (int64_t i = 0; out != NULL && i < run; i++) {
            out[first + i] = tuned[i];
        }
    }
    if (differs != NULL) {
        *differs = differ;
    }
    return LYC_OK;
}

lyc_status lyc_extract_weight(float *out, bool *differs, const lyc_extract_layer *layer, lyc_error *err)
{
    const sides s = weights_of(layer);
    return subtract(out, differs, &s, err);
}

lyc_status lyc_extract_bias(float *out, bool *differs, const lyc_extract_layer *layer, lyc_error *err)
{
    const sides s = biases_of(layer);
    return subtract(out, differs, &s, err);
}

lyc_status lyc_extract_differs(bool *weight, bool *bias, const lyc_extract_layer *layer, lyc_error *err)
{
    LYC_TRY(lyc_extract_weight(NULL, weight, layer, err));
    *bias = false;
    return layer->base.bias.count == 0 ? LYC_OK : lyc_extract_bias(NULL, bias, layer, err);
}
