/* convert.h - conversion of runs of numbers, compiled once for each instruction set
 *
 * Every pair goes through f32 in blocks that stay in the first cache: a widening loop and a narrowing loop. f64 narrows
 * to an f32 with an odd last bit where it is not exact, so that the second rounding gives what one rounding would have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_CONVERT_CONVERT_H
#define LYC_TENSOR_CONVERT_CONVERT_H

#include <stddef.h>

#include "base/cpu.h"
#include "lycoris/tensor.h"

/* n elements; no alignment is needed; src and dst do not overlap. */
typedef void (*lyc_convert_run)(void *dst, const void *src, size_t n);

typedef struct lyc_convert_table {
    lyc_convert_run widen[LYC_DTYPE_COUNT];  /* to f32; NULL where f32 cannot hold the type */
    lyc_convert_run narrow[LYC_DTYPE_COUNT]; /* from f32; NULL where rounding is not all there is to it */
    lyc_convert_run f64_to_f32_odd;          /* for a second rounding */
    lyc_convert_run f32_to_f64;
    void (*stream)(void *dst, const void *src, size_t bytes); /* a copy that leaves the caches alone */
} lyc_convert_table;

/* For this processor. */
const lyc_convert_table *lyc_convert_table_get(void);

/* For one instruction set, which the processor must have; NULL when it was not compiled. */
const lyc_convert_table *lyc_convert_table_isa(lyc_isa isa);

#endif
