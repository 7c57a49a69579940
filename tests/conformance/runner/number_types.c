/* number_types.c - conversions between element types, bit by bit
 *
 * The file has tensors named by their type ("float32", "bfloat16"), and the same numbers converted: "<from>_to_<to>",
 * or "to_<to>" from float32. Any NaN equals any NaN.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "kind.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "torch_dtype.h"

/* A conversion that a tensor's name asks for. */
typedef struct conversion {
    char from_name[64]; /* the tensor with the numbers before */
    lyc_dtype from;
    lyc_dtype to;
} conversion;

static bool parse_name(conversion *out, const char *name)
{
    const char *middle = strstr(name, "_to_");
    const size_t from_length = middle != NULL ? (size_t)(middle - name) : 0;
    const char *to = middle != NULL ? middle + 4 : strncmp(name, "to_", 3) == 0 ? name + 3 : NULL;
    if (to == NULL || from_length >= sizeof out->from_name) {
        return false;
    }
    memcpy(out->from_name, middle != NULL ? name : "float32", middle != NULL ? from_length : sizeof "float32");
    out->from_name[middle != NULL ? from_length : strlen("float32")] = '\0';
    return lyc_torch_dtype(&out->from, out->from_name, strlen(out->from_name)) &&
           lyc_torch_dtype(&out->to, to, strlen(to));
}

static lyc_status check_tensors(const lyc_tensor_view *from, const lyc_tensor_view *want, const conversion *asked,
                                lyc_error *err)
{
    if (from->dtype != asked->from || want->dtype != asked->to) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: from %s to %s, which are not the types in its name", want->name,
                        lyc_dtype_name(from->dtype), lyc_dtype_name(want->dtype));
    }
    if (!lyc_shape_equal(&from->shape, &want->shape)) {
        return lyc_fail(err, LYC_E_SHAPE, "%s has another shape than %s", want->name, from->name);
    }
    return LYC_OK;
}

static lyc_status compare(lyc_result *result, const lyc_safetensors *file, const lyc_tensor_view *want,
                          const conversion *asked, lyc_error *err)
{
    lyc_tensor_view from;
    if (!lyc_safetensors_find(&from, file, asked->from_name)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: no tensor %s to convert", want->name, asked->from_name);
    }
    LYC_TRY(check_tensors(&from, want, asked, err));
    void *got = lyc_alloc(want->size_bytes);
    if (got == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", want->name);
    }
    const size_t n = (size_t)lyc_shape_elements(&want->shape);
    const lyc_status status = lyc_dtype_convert(got, want->dtype, from.data, from.dtype, n, err);
    if (status == LYC_OK) {
        lyc_compare_bits(result, want->name, &want->shape, got, want->data, want->dtype);
    }
    lyc_free(got);
    return status;
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    const lyc_safetensors *file = NULL;
    LYC_TRY(lyc_case_open(&file, c, err));
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(file, i);
        conversion asked;
        if (parse_name(&asked, tensor.name)) {
            LYC_TRY(compare(result, file, &tensor, &asked, err));
        }
    }
    return LYC_OK;
}

/* Every tensor has the name of a type or of a conversion. */
static bool recognise(lyc_case *c)
{
    const lyc_safetensors *file = NULL;
    if (!lyc_case_has(c, "file") || lyc_case_has(c, "load_file") || lyc_case_open(&file, c, NULL) != LYC_OK) {
        return false;
    }
    size_t conversions = 0;
    for (size_t i = 0; i < lyc_safetensors_count(file); i++) {
        const char *name = lyc_safetensors_tensor(file, i).name;
        conversion asked;
        lyc_dtype type;
        if (parse_name(&asked, name)) {
            conversions++;
        } else if (!lyc_torch_dtype(&type, name, strlen(name))) {
            return false;
        }
    }
    return conversions > 0;
}

const lyc_kind lyc_kind_number_types = {
    .name = "number_types",
    .folder = "number_types",
    .recognise = recognise,
    .run = run,
};
