/* compare_tensor.h - computed numbers against a tensor of the case's file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_COMPARE_TENSOR_H
#define LYC_CONFORMANCE_COMPARE_TENSOR_H

#include "case.h"
#include "compare.h"

/* The tensor of that name, n numbers as f32 in *values (released with lyc_free). Fails when there is none. */
lyc_status lyc_case_floats(float **values, lyc_tensor_view *view, lyc_case *c, const char *name, lyc_error *err);

/* Compares count numbers with the whole tensor; another number of elements is an error. */
lyc_status lyc_compare_tensor(lyc_result *result, lyc_case *c, const lyc_tensor_view *tensor, const void *got,
                              lyc_dtype dtype, size_t count, lyc_error *err);

/* The same by name; nothing where the file has no such tensor. */
lyc_status lyc_compare_named(lyc_result *result, lyc_case *c, const char *name, const void *got, lyc_dtype dtype,
                             size_t count, lyc_error *err);

#endif
