/* bicubic_weights.c - the weights of cubic resampling; the formulas stand in graph/ops/bicubic.c
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/bicubic_weights.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static double cubic(double a, double d)
{
    d = fabs(d);
    if (d <= 1.0) {
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    }
    return d < 2.0 ? ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a : 0.0;
}

static int64_t clamp(int64_t index, int64_t extent)
{
    return index < 0 ? 0 : index < extent ? index : extent - 1;
}

/* Elements of x for one of the result: 1/s of the formula. */
static double step_of(const lyc_bicubic_axis *axis)
{
    return (double)axis->in / ((double)axis->out + axis->offset);
}

static int plain_row(double *weights, int64_t *first, const lyc_bicubic_axis *axis, int64_t i)
{
    const double u = ((double)i + 0.5) * step_of(axis) - 0.5;
    const int64_t left = (int64_t)floor(u) - 1;
    *first = clamp(left, axis->in);
    const int count = (int)(clamp(left + 3, axis->in) - *first + 1);
    memset(weights, 0, (size_t)count * sizeof *weights);
    for (int64_t j = left; j < left + 4; j++) {
        weights[clamp(j, axis->in) - *first] += cubic(axis->coefficient, (double)j - u);
    }
    return count;
}

static int antialias_row(double *weights, int64_t *first, const lyc_bicubic_axis *axis, int64_t i)
{
    const double step = step_of(axis);
    const double stretch = step > 1.0 ? step : 1.0;
    const double centre = ((double)i + 0.5) * step; /* u + 1/2 */
    const double left = centre - 2.0 * stretch + 0.5;
    const double right = centre + 2.0 * stretch + 0.5;
    *first = left > 0.0 ? (int64_t)left : 0;
    const int64_t end = right < (double)axis->in ? (int64_t)right : axis->in;
    double sum = 0.0;
    for (int64_t j = *first; j < end; j++) {
        weights[j - *first] = cubic(axis->coefficient, ((double)j + 0.5 - centre) / stretch);
        sum += weights[j - *first];
    }
    for (int64_t j = *first; j < end; j++) {
        weights[j - *first] /= sum;
    }
    return (int)(end - *first);
}

int lyc_bicubic_row(double weights[LYC_BICUBIC_MAX_WEIGHTS], int64_t *first, const lyc_bicubic_axis *axis, int64_t i)
{
    return (axis->antialias ? antialias_row : plain_row)(weights, first, axis, i);
}

int lyc_bicubic_column(double weights[LYC_BICUBIC_MAX_WEIGHTS], int64_t *first, const lyc_bicubic_axis *axis, int64_t j)
{
    double row[LYC_BICUBIC_MAX_WEIGHTS];
    const double step = step_of(axis);
    const double reach = 2.0 * (step > 1.0 && axis->antialias ? step : 1.0) + 1.0;
    *first = clamp((int64_t)floor(((double)j + 0.5 - reach) / step - 0.5), axis->out);
    const int64_t last = clamp((int64_t)ceil(((double)j + 0.5 + reach) / step - 0.5), axis->out);
    assert(last - *first < LYC_BICUBIC_MAX_WEIGHTS);
    for (int64_t i = *first; i <= last; i++) {
        int64_t left;
        const int count = lyc_bicubic_row(row, &left, axis, i);
        weights[i - *first] = j >= left && j < left + count ? row[j - left] : 0.0;
    }
    return (int)(last - *first + 1);
}
