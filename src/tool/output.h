/* output.h - what all tools ask of the file that they are going to write
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_OUTPUT_H
#define LYC_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/string.h"
#include "lycoris/tensor.h"

typedef struct lyc_tool_output_options {
    const char *path;
    bool force;                /* replace a file that exists */
    bool allow_overflow;       /* F16 may become infinite */
    const char *const *inputs; /* paths of files that must not be replaced, even with force */
    size_t input_count;
} lyc_tool_output_options;

/* Whether the file can be written, before any work: LYC_E_OUTPUT when it exists (without force), is one of the inputs
 * under whatever name, its folder cannot be written, or has less room than `bytes`. Changes nothing. */
lyc_status lyc_tool_output_check(const lyc_tool_output_options *o, uint64_t bytes, lyc_error *err);

/* The name of a file without folder and ".safetensors". */
lyc_span lyc_tool_stem(const char *path);

/* The number type of a name: float, fp32, float32, fp16, float16, half, bf16, bfloat16, float64, fp64; keep sets *keep
 * and leaves *out. LYC_E_ARGUMENT lists them. */
lyc_status lyc_tool_dtype(lyc_dtype *out, bool *keep, const char *name, lyc_error *err);

#endif
