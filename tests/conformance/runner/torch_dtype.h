/* torch_dtype.h - torch's names of element types
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_TORCH_DTYPE_H
#define LYC_CONFORMANCE_TORCH_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "lycoris/tensor.h"

/* The type that the first length characters of name are ("float8_e4m3fn"); false when there is none. */
bool lyc_torch_dtype(lyc_dtype *dtype, const char *name, size_t length);

#endif
