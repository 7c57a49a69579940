/* compare_tensor.c - computed numbers against a tensor of the case's file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "compare_tensor.h"

#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

lyc_status lyc_case_floats(float **values, lyc_tensor_view *view, lyc_case *c, const char *name, lyc_error *err)
{
    const lyc_safetensors *file;
    *values = NULL;
    LYC_TRY(lyc_case_open(&file, c, err));
    if (!lyc_safetensors_find(view, file, name)) {
        return lyc_fail(err, LYC_E_FORMAT, "the file has no tensor %s", name);
    }
    const size_t n = (size_t)lyc_shape_elements(&view->shape);
    *values = lyc_alloc_zero(n, sizeof **values);
    if (*values == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", name);
    }
    return lyc_dtype_convert(*values, LYC_F32, view->data, view->dtype, n, err);
}

lyc_status lyc_compare_tensor(lyc_result *result, lyc_case *c, const lyc_tensor_view *tensor, const void *got,
                              lyc_dtype dtype, size_t count, lyc_error *err)
{
    const int64_t want = lyc_shape_elements(&tensor->shape);
    if ((int64_t)count != want) {
        return lyc_fail(err, LYC_E_SHAPE, "%s has %lld numbers, computed were %zu", tensor->name, (long long)want,
                        count);
    }
    lyc_compare_values(result, tensor->name, &tensor->shape, (lyc_values){got, dtype},
                       (lyc_values){tensor->data, tensor->dtype},
                       (lyc_tolerance){c->absolute_tolerance, c->relative_tolerance});
    return LYC_OK;
}

lyc_status lyc_compare_named(lyc_result *result, lyc_case *c, const char *name, const void *got, lyc_dtype dtype,
                             size_t count, lyc_error *err)
{
    const lyc_safetensors *file;
    lyc_tensor_view tensor;
    LYC_TRY(lyc_case_open(&file, c, err));
    return lyc_safetensors_find(&tensor, file, name) ? lyc_compare_tensor(result, c, &tensor, got, dtype, count, err)
                                                     : LYC_OK;
}
