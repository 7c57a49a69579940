/* shape.h - extents of a tensor, outermost first, dense and row-major
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_SHAPE_H
#define LYC_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/tensor.h"

/* LYC_SHAPE(2, 64, 64, 320): a shape of at most LYC_MAX_RANK extents. */
#define LYC_SHAPE(...)                                                                                                 \
    ((lyc_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dims = {__VA_ARGS__}})

bool lyc_shape_equal(const lyc_shape *a, const lyc_shape *b);

/* Number of elements. The shape must have passed lyc_shape_bytes or come from a graph, so that it cannot overflow. */
int64_t lyc_shape_elements(const lyc_shape *shape);

/* Product of the extents [first, last); 1 when empty. */
int64_t lyc_shape_product(const lyc_shape *shape, int first, int last);

/* Checked: bytes of a dense tensor; LYC_E_SHAPE on a negative extent, overflow, or a fraction of a byte. */
lyc_status lyc_shape_bytes(size_t *bytes, const lyc_shape *shape, lyc_dtype dtype, lyc_error *err);

/* "2x64x64x320"; "scalar" for rank 0. Writes at most size bytes with the NUL and returns text. */
const char *lyc_shape_text(char *text, size_t size, const lyc_shape *shape);
enum { LYC_SHAPE_TEXT = 176 };

#endif
