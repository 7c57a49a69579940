/* tensor.h - element types, shapes, and safetensors files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_TENSOR_H
#define LYCORIS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element types of safetensors, in the reference library's ascending order. */
typedef enum lyc_dtype {
    LYC_BOOL,
    LYC_F4,
    LYC_F6_E2M3,
    LYC_F6_E3M2,
    LYC_U8,
    LYC_I8,
    LYC_F8_E5M2,
    LYC_F8_E4M3,
    LYC_F8_E8M0,
    LYC_F8_E4M3FNUZ,
    LYC_F8_E5M2FNUZ,
    LYC_I16,
    LYC_U16,
    LYC_F16,
    LYC_BF16,
    LYC_I32,
    LYC_U32,
    LYC_F32,
    LYC_C64,
    LYC_F64,
    LYC_I64,
    LYC_U64,
    LYC_DTYPE_COUNT
} lyc_dtype;

enum { LYC_MAX_RANK = 8 };

/* A shape: rank extents, outermost first. A scalar has rank 0. */
typedef struct lyc_shape {
    int rank;
    int64_t dims[LYC_MAX_RANK];
} lyc_shape;

/* The name in files ("BF16"); never NULL. */
LYC_API const char *lyc_dtype_name(lyc_dtype dtype);

/* Bits of one element (4 and 6 exist). */
LYC_API int lyc_dtype_bits(lyc_dtype dtype);

/* Converts n elements; src and dst need no alignment and do not overlap. LYC_E_UNSUPPORTED for types that can only be
 * copied. Runs on the calling thread; large arrays: lyc_dtype_convert_parallel. */
LYC_API lyc_status lyc_dtype_convert(void *dst, lyc_dtype dst_dtype, const void *src, lyc_dtype src_dtype, size_t n,
                                     lyc_error *err);

#ifdef __cplusplus
}
#endif
#endif
