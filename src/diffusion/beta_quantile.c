/* beta_quantile.c - quantiles of the beta distribution
 *
 *     I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) * 1 / (1 + d1 / (1 + d2 / (1 + ...)))     DLMF 8.17.22
 *
 * The fraction converges fast for x < (a + 1) / (a + b + 2); beyond, I_x(a, b) = 1 - I_{1-x}(b, a). The quantile is
 * found by bisection: there are a few of them in a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/beta_quantile.h"

#include <math.h>

/* The continued fraction, from its far end. Its terms shrink like (x / 4)^k: 200 are more than double can see. */
static double fraction(double x, double a, double b)
{
    double value = 1;
    for (int k = 200; k >= 1; k--) {
        const int m = k / 2;
        const double d = k % 2 == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                                    : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        value = 1 + d / value;
    }
    return value;
}

static double distribution(double x, double a, double b)
{
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    if (x > (a + 1) / (a + b + 2)) {
        return 1 - distribution(1 - x, b, a);
    }
    const double whole = tgamma(a) * tgamma(b) / tgamma(a + b); /* lgamma writes a global variable */
    return exp(a * log(x) + b * log1p(-x)) / (a * whole) / fraction(x, a, b);
}

double lyc_beta_quantile(double p, double a, double b)
{
    double low = 0;
    double high = 1;
    if (p <= 0 || p >= 1) {
        return p <= 0 ? 0 : 1;
    }
    for (int i = 0; i < 100 && low < high; i++) {
        const double middle = low + (high - low) / 2;
        *(distribution(middle, a, b) < p ? &low : &high) = middle;
    }
    return low + (high - low) / 2;
}
