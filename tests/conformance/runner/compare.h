/* compare.h - what was computed against what is right
 *
 * A value passes when |got - want| <= absolute_tolerance + relative_tolerance * |want|. NaN equals NaN, an infinity
 * equals itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_COMPARE_H
#define LYC_CONFORMANCE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/tensor.h"

/* What is known about a case after comparing: {0} has seen no difference. */
typedef struct lyc_result {
    uint64_t value_count;
    uint64_t wrong_count;
    double largest_absolute;
    double largest_relative;
    char where_absolute[160]; /* "to_bfloat16[3,12]"; "" when all values were equal */
    char where_relative[160];
    char complaint[400]; /* the first failure in words; "" when there was none */
} lyc_result;

typedef struct lyc_tolerance {
    double absolute;
    double relative;
} lyc_tolerance;

/* Values of a tensor, both sides of one shape. name is what reports call it. */
typedef struct lyc_values {
    const void *data;
    lyc_dtype dtype;
} lyc_values;
void lyc_compare_values(lyc_result *result, const char *name, const lyc_shape *shape, lyc_values got, lyc_values want,
                        lyc_tolerance tolerance);

/* The same, bit by bit, but that any NaN equals any NaN. Both sides have the type. */
void lyc_compare_bits(lyc_result *result, const char *name, const lyc_shape *shape, const void *got, const void *want,
                      lyc_dtype dtype);

/* A number that stands in the case itself. */
void lyc_compare_number(lyc_result *result, const char *name, double got, double want, lyc_tolerance tolerance);

/* Something that is not as it should be and is no number. */
void lyc_result_complain(lyc_result *result, const char *format, ...) LYC_PRINTF(2, 3);

/* Adds what another comparison found. */
void lyc_result_add(lyc_result *result, const lyc_result *other);

/* Whether everything agreed, and there was something to agree on. */
bool lyc_result_passed(const lyc_result *result);

/* Counts a check that passed and has no values: a file that had to be refused. */
void lyc_result_count(lyc_result *result);

#endif
