/* base_weight.c - the weight or bias of a module of a model, out of the rows of tensors that it lies in
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/base_model.h"

lyc_status lyc_base_pieces_read(float *out, const lyc_base_model *model, const lyc_base_pieces *pieces, lyc_error *err)
{
    for (int i = 0; i < pieces->count; i++) {
        const lyc_base_rows *rows = &pieces->pieces[i];
        const lyc_tensor_view view = lyc_base_model_tensor(model, rows);
        const int64_t width = lyc_shape_product(&view.shape, 1, view.shape.rank);
        const size_t row_bytes = (size_t)width * (size_t)lyc_dtype_bits(view.dtype) / 8;
        const char *first = (const char *)view.data + (size_t)rows->row * row_bytes;
        const size_t count = (size_t)(rows->count * width);
        LYC_TRY(lyc_dtype_convert_parallel(out, LYC_F32, first, view.dtype, count, err));
        out += count;
    }
    return LYC_OK;
}

static void transpose(float *out, const float *in, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            out[c * rows + r] = in[r * columns + c];
        }
    }
}

lyc_status lyc_base_weight_read(float *out, const lyc_base_model *model, const lyc_base_module *module, lyc_error *err)
{
    const lyc_shape *shape = &module->weight.shape;
    if (!module->transposed) {
        return lyc_base_pieces_read(out, model, &module->weight, err);
    }
    float *stored = lyc_alloc_zero((size_t)lyc_shape_elements(shape), sizeof *stored);
    if (stored == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a weight");
    }
    const lyc_status status = lyc_base_pieces_read(stored, model, &module->weight, err);
    if (status == LYC_OK) {
        transpose(out, stored, shape->dims[1], shape->dims[0]);
    }
    lyc_free(stored);
    return status;
}
