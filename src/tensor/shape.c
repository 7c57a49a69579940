/* shape.c - extents of a tensor
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/shape.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

bool lyc_shape_equal(const lyc_shape *a, const lyc_shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) {
            return false;
        }
    }
    return true;
}

int64_t lyc_shape_product(const lyc_shape *shape, int first, int last)
{
    assert(first >= 0 && last <= shape->rank);
    int64_t product = 1;
    for (int i = first; i < last; i++) {
        product *= shape->dims[i]; /* checked when the shape was made */
    }
    return product;
}

int64_t lyc_shape_elements(const lyc_shape *shape)
{
    return lyc_shape_product(shape, 0, shape->rank);
}

lyc_status lyc_shape_bytes(size_t *bytes, const lyc_shape *shape, lyc_dtype dtype, lyc_error *err)
{
    char text[LYC_SHAPE_TEXT];
    if (shape->rank < 0 || shape->rank > LYC_MAX_RANK) {
        return lyc_fail(err, LYC_E_SHAPE, "rank %d, expected 0 to %d", shape->rank, LYC_MAX_RANK);
    }
    /* An empty tensor whose other extents overflow is refused as well: their product must not be formed anywhere. */
    int64_t elements = 1;
    bool fits = true;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0) {
            return lyc_fail(err, LYC_E_SHAPE, "negative extent in shape %s", lyc_shape_text(text, sizeof text, shape));
        }
        empty = empty || shape->dims[i] == 0;
        fits = fits && lyc_int64_mul(&elements, elements, shape->dims[i] > 0 ? shape->dims[i] : 1);
    }
    int64_t bits = 0;
    if (!fits || !lyc_int64_mul(&bits, elements, lyc_dtype_bits(dtype)) || (uint64_t)bits / 8 > SIZE_MAX) {
        return lyc_fail(err, LYC_E_SHAPE, "shape %s of %s has too many elements",
                        lyc_shape_text(text, sizeof text, shape), lyc_dtype_name(dtype));
    }
    if (!empty && bits % 8 != 0) {
        return lyc_fail(err, LYC_E_SHAPE, "shape %s of %s is no whole number of bytes",
                        lyc_shape_text(text, sizeof text, shape), lyc_dtype_name(dtype));
    }
    *bytes = empty ? 0 : (size_t)(bits / 8);
    return LYC_OK;
}

const char *lyc_shape_text(char *text, size_t size, const lyc_shape *shape)
{
    if (size == 0) {
        return "";
    }
    snprintf(text, size, "%s", shape->rank == 0 ? "scalar" : "");
    size_t length = 0;
    for (int i = 0; i < shape->rank && length < size; i++) {
        length += (size_t)snprintf(text + length, size - length, "%s%" PRId64, i > 0 ? "x" : "", shape->dims[i]);
    }
    return text;
}
