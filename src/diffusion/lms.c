/* lms.c - a linear multistep method (Adams-Bashforth) in sigma
 *
 *     y += sum_j c_j d_{i-j},   d = (y - D) / sigma
 *     c_j = integral from sigma to sigma' of prod_{k != j} (tau - sigma_{i-k}) / (sigma_{i-j} - sigma_{i-k})
 *
 * The integrand is a polynomial of at most degree 3, so that Gauss's rule with two points is exact.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "diffusion/sampler.h"

enum { MAX_ORDER = 4 };

static double basis(const lyc_sampling *s, int order, int j, double tau)
{
    double product = 1;
    for (int k = 0; k < order; k++) {
        if (k != j) {
            const double other = lyc_sampling_sigma(s, s->step - k);
            product *= (tau - other) / (lyc_sampling_sigma(s, s->step - j) - other);
        }
    }
    return product;
}

static double coefficient(const lyc_sampling *s, int order, int j)
{
    const double from = lyc_sampling_sigma(s, s->step);
    const double to = lyc_sampling_sigma(s, s->step + 1);
    const double middle = (from + to) / 2;
    const double offset = (to - from) / 2 / sqrt(3.0);
    return (to - from) / 2 * (basis(s, order, j, middle - offset) + basis(s, order, j, middle + offset));
}

static void advance(lyc_sampling *s)
{
    const double sigma = lyc_sampling_sigma(s, s->step);
    const int order = s->memory < s->request.options.order ? s->memory + 1 : (int)s->request.options.order;
    lyc_term terms[1 + MAX_ORDER] = {{1, s->x}};
    float *d = lyc_sampling_push(s);
    lyc_blend(d, s->count, 2, (const lyc_term[]){{1 / sigma, s->x}, {-1 / sigma, s->x0}});
    for (int j = 0; j < order; j++) {
        terms[1 + j] = (lyc_term){coefficient(s, order, j), s->history[j]};
    }
    lyc_blend(s->x, s->count, 1 + order, terms);
    s->step++;
}

static const lyc_option options[] = {
    {.name = "order",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lyc_sampler_options, order),
     .standard = "4",
     .min = 1,
     .max = MAX_ORDER,
     .help = "steps that are looked back on"},
    {0},
};

const lyc_sampler lyc_sampler_lms = {
    .name = "lms",
    .label = "LMS",
    .diffusers = "LMSDiscreteScheduler",
    .summary = "linear multistep method",
    .source = "k-diffusion",
    .options = options,
    .timeline = LYC_TIMELINE_FRACTIONAL,
    .spacing = LYC_SPACING_LINSPACE,
    .sigma_state = true,
    .history = MAX_ORDER,
    .advance = advance,
};
