/* bicubic_weights.h - the weights of cubic resampling along one axis, by rows and by columns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_BICUBIC_WEIGHTS_H
#define LYC_BACKEND_CPU_REFERENCE_BICUBIC_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/ops/bicubic.h"

/* Most elements that one element depends on, or that depend on one: four times the factor between the extents, and some
 * for the borders of a range that is only estimated. */
enum { LYC_BICUBIC_MAX_WEIGHTS = 6 * LYC_BICUBIC_MAX_FACTOR + 16 };

typedef struct lyc_bicubic_axis {
    int64_t in;
    int64_t out;
    double coefficient;
    double offset;
    bool antialias;
} lyc_bicubic_axis;

/* Element i of the result is the sum of weights[k] x[*first + k]. Returns the number of weights. */
int lyc_bicubic_row(double weights[LYC_BICUBIC_MAX_WEIGHTS], int64_t *first, const lyc_bicubic_axis *axis, int64_t i);

/* Element j of x counts in element *first + k of the result with weights[k]. Returns the number of weights. */
int lyc_bicubic_column(double weights[LYC_BICUBIC_MAX_WEIGHTS], int64_t *first, const lyc_bicubic_axis *axis,
                       int64_t j);

#endif
