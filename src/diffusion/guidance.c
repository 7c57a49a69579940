/* guidance.c - one answer out of those for several conditions
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/guidance.h"

#include <math.h>

/* Unbiased standard deviation of the answer for `scale`, over the image. */
static double deviation(const lyc_guidance *g, const float *const *answers, size_t count, double scale)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        const double base = (double)answers[0][i];
        double m = base;
        for (int k = 0; k < g->conditions; k++) {
            m += scale * g->weights[k] * ((double)answers[1 + k][i] - base);
        }
        sum += m;
        squares += m * m;
    }
    const double n = (double)count;
    return count > 1 ? sqrt(fmax(squares - sum * sum / n, 0) / (n - 1)) : 0;
}

void lyc_guide(float *out, const lyc_guidance *g, const float *const *answers, size_t count)
{
    double factor = 1;
    if (g->rescale > 0) {
        const double guided = deviation(g, answers, count, g->scale);
        const double plain = deviation(g, answers, count, 1);
        factor = guided > 0 ? g->rescale * plain / guided + 1 - g->rescale : 1;
    }
    for (size_t i = 0; i < count; i++) {
        const double base = (double)answers[0][i];
        double m = base;
        for (int k = 0; k < g->conditions; k++) {
            m += g->scale * g->weights[k] * ((double)answers[1 + k][i] - base);
        }
        out[i] = (float)(factor * m);
    }
}
