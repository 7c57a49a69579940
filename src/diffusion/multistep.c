/* multistep.c - what DPM-Solver's multistep samplers share: which order a step has, and its weights
 *
 *     r0 = h_0 / h, r1 = h_1 / h,   D1_0 = (D_i - D_{i-1}) / r0,   D1_1 = (D_{i-1} - D_{i-2}) / r1
 *     second order: D1 = D1_0       third: D1 = D1_0 + r0 / (r0 + r1) (D1_0 - D1_1), D2 = (D1_0 - D1_1) / (r0 + r1)
 *
 * arXiv 2211.01095, appendix; h_k are the extents in lambda of this step's predecessors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/multistep.h"

#include <math.h>

enum { FEW_STEPS = 15 }; /* below, the last steps have lower orders: arXiv 2211.01095 and the reference's code */

const lyc_option_choice lyc_multistep_solvers[] = {
    {"midpoint", "second order by the midpoint rule"},
    {"heun", "second order by Heun's rule"},
    {NULL, NULL},
};

const lyc_option lyc_multistep_options[] = {
    {.name = "order",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lyc_sampler_options, order),
     .standard = "2",
     .min = 1,
     .max = LYC_MULTISTEP_ORDER,
     .help = "order of a step"},
    {.name = "solver",
     .kind = LYC_OPTION_ENUM,
     .offset = offsetof(lyc_sampler_options, solver),
     .standard = "midpoint",
     .choices = lyc_multistep_solvers,
     .help = "rule of the second order"},
    {.name = "lower-order-final",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lyc_sampler_options, lower_order_final),
     .standard = "yes",
     .help = "lower orders at the end of runs below 15 steps"},
    {.name = "euler-final",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lyc_sampler_options, euler_final),
     .standard = "no",
     .help = "the last step has order 1"},
    {0},
};

double lyc_lambda(double sigma)
{
    return sigma > 0 ? -log(sigma) : (double)INFINITY;
}

int lyc_multistep_order(const lyc_sampling *s)
{
    const lyc_sampler_options *o = &s->request.options;
    const int left = s->timeline.steps - s->step;
    const bool few = o->lower_order_final && s->timeline.requested < FEW_STEPS;
    const bool ends_at_zero = lyc_sampling_sigma(s, s->timeline.steps) <= 0;
    if (o->order == 1 || s->memory < 2 || (left == 1 && (o->euler_final || few || ends_at_zero))) {
        return 1;
    }
    return o->order == 2 || s->memory < 3 || (left == 2 && few) ? 2 : 3;
}

lyc_differences lyc_multistep_differences(const lyc_sampling *s, int order, double h)
{
    lyc_differences d = {{0}, {0}};
    if (order < 2) {
        return d;
    }
    const double now = lyc_lambda(lyc_sampling_sigma(s, s->step));
    const double before = lyc_lambda(lyc_sampling_sigma(s, s->step - 1));
    const double r0 = (now - before) / h;
    d.first[0] = 1 / r0;
    d.first[1] = -1 / r0;
    if (order == 3) {
        const double r1 = (before - lyc_lambda(lyc_sampling_sigma(s, s->step - 2))) / h;
        const double change[LYC_MULTISTEP_ORDER] = {1 / r0, -1 / r0 - 1 / r1, 1 / r1}; /* D1_0 - D1_1 */
        for (int k = 0; k < LYC_MULTISTEP_ORDER; k++) {
            d.first[k] += r0 / (r0 + r1) * change[k];
            d.second[k] = change[k] / (r0 + r1);
        }
    }
    return d;
}

void lyc_multistep_step(lyc_sampling *s, int order, const lyc_differences *d, const lyc_multistep_weights *w)
{
    lyc_term terms[2 + LYC_MULTISTEP_ORDER] = {{w->state, s->x}};
    int count = 1;
    for (int k = 0; k < order; k++) {
        terms[count++] = (lyc_term){(k == 0 ? w->d0 : 0) + w->d1 * d->first[k] + w->d2 * d->second[k], s->history[k]};
    }
    if (w->noise > 0) {
        terms[count++] = (lyc_term){w->noise, s->noise};
    }
    lyc_blend(s->x, s->count, count, terms);
    s->step++;
}

lyc_multistep_weights lyc_multistep_picture(double from, double to, int order, int solver)
{
    const lyc_level level = lyc_level_of_sigma(to);
    const double h = lyc_lambda(to) - lyc_lambda(from);
    const double decay = to > 0 ? expm1(-h) : -1; /* e^-h - 1 */
    lyc_multistep_weights w = {
        .state = level.noise / lyc_level_of_sigma(from).noise,
        .d0 = -level.signal * decay,
    };
    if (order == 2 && solver == LYC_SOLVER_MIDPOINT) {
        w.d1 = -0.5 * level.signal * decay;
    } else if (order > 1) {
        w.d1 = level.signal * (decay / h + 1);
        w.d2 = -level.signal * ((decay + h) / (h * h) - 0.5);
    }
    return w;
}
