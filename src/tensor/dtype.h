/* dtype.h - the element types of tensors in files and in memory, and conversion between them
 *
 * The order of the enumeration is the reference library's order of tensors in a safetensors file, ascending (it
 * writes the widest first). Rounding is to nearest, ties to even; subnormals are kept; NaN stays NaN.
 * F8_E4M3 is the "fn" variant: no infinities, maximum 448, magnitudes above it and infinities saturate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_DTYPE_H
#define LYC_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/tensor.h"

/* Whether lyc_dtype_convert can read and write it (false: such tensors can only be copied as bytes). */
bool lyc_dtype_computable(lyc_dtype dtype);

/* True for the floating-point types among the computable ones. */
bool lyc_dtype_is_float(lyc_dtype dtype);

/* One element as double; ptr needs no alignment. dtype must be computable. Integers above 2^53 lose digits. */
double lyc_dtype_load(lyc_dtype dtype, const void *ptr);
void lyc_dtype_store(lyc_dtype dtype, void *ptr, double value);

/* lyc_dtype_convert on all threads. */
lyc_status lyc_dtype_convert_parallel(void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, size_t n,
                                      lyc_error *err);

#endif
