/* dpmpp_2s.c - DPM-Solver++, singlestep: groups of evaluations that start from one state
 *
 * A group of k calls has orders 1, 2, ..., k; all start from the state before the group, over the whole way so far:
 *
 *     order 2: from i-1 to i+1, r0 = (lambda_i - lambda_{i-1}) / h,  D0 = D_{i-1},  D1 = (D_i - D_{i-1}) / r0
 *     order 3: from i-2 to i+1, r1, r0 likewise to i-1 and i,  D0 = D_{i-2}
 *
 * arXiv 2211.01095, algorithm 1. n is the number of calls in all, so that the last groups are shorter where it does not
 * divide; the last call is of order 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "diffusion/multistep.h"

enum { MAX_ORDER = 3, START = MAX_ORDER };

/* Orders 1 to k over and over; the last group is shortened so that it ends with a call of order 1. */
static int listed_order(const lyc_sampling *s)
{
    const int n = s->timeline.requested;
    const int order = (int)s->request.options.order;
    const int at = s->request.first + s->step;
    const bool ends_at_zero = lyc_sampling_sigma(s, s->timeline.steps) <= 0;
    const int left = n - at;
    if (left == 1 && (ends_at_zero || n % order != order - 1)) {
        return 1;
    }
    return at % order + 1;
}

/* D1 and D2 over history[0..order-1], seen from the oldest. */
static lyc_differences differences(const lyc_sampling *s, int order, double h)
{
    lyc_differences d = {{0}, {0}};
    const double oldest = lyc_lambda(lyc_sampling_sigma(s, s->step - order + 1));
    const double r0 = (lyc_lambda(lyc_sampling_sigma(s, s->step)) - oldest) / h;
    if (order == 2) {
        d.first[0] = 1 / r0;
        d.first[1] = -1 / r0;
    } else if (order == 3) {
        const double r1 = (lyc_lambda(lyc_sampling_sigma(s, s->step - 1)) - oldest) / h;
        const double near[MAX_ORDER] = {0, 1 / r1, -1 / r1};
        const double far[MAX_ORDER] = {1 / r0, 0, -1 / r0};
        const bool midpoint = s->request.options.solver == LYC_SOLVER_MIDPOINT;
        for (int k = 0; k < MAX_ORDER; k++) {
            d.first[k] = midpoint ? far[k] : (r0 * near[k] - r1 * far[k]) / (r0 - r1);
            d.second[k] = midpoint ? 0 : 2 * (far[k] - near[k]) / (r0 - r1);
        }
    }
    return d;
}

static void advance(lyc_sampling *s)
{
    float *last = s->history[MAX_ORDER - 1];
    memmove(&s->history[1], &s->history[0], (MAX_ORDER - 1) * sizeof *s->history);
    s->history[0] = last;
    memcpy(last, s->x0, s->count * sizeof *last);
    s->memory += s->memory < MAX_ORDER;
    const int listed = listed_order(s);
    const int order = listed < s->memory ? listed : s->memory; /* img2img may begin within a group */
    if (order == 1) {
        memcpy(s->history[START], s->x, s->count * sizeof *s->x);
    }
    const double from = lyc_sampling_sigma(s, s->step - order + 1);
    const double next = lyc_sampling_sigma(s, s->step + 1);
    const lyc_multistep_weights w = lyc_multistep_picture(from, next, order, s->request.options.solver);
    const lyc_differences d = differences(s, order, lyc_lambda(next) - lyc_lambda(from));
    lyc_term terms[1 + MAX_ORDER] = {{w.state, s->history[START]}};
    for (int k = 0; k < order; k++) {
        const double own = k == order - 1 ? w.d0 : 0;
        terms[1 + k] = (lyc_term){own + w.d1 * d.first[k] + w.d2 * d.second[k], s->history[k]};
    }
    lyc_blend(s->x, s->count, 1 + order, terms);
    s->step++;
}

static const lyc_option options[] = {
    {.name = "order",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lyc_sampler_options, order),
     .standard = "2",
     .min = 1,
     .max = MAX_ORDER,
     .help = "evaluations in a group"},
    {.name = "solver",
     .kind = LYC_OPTION_ENUM,
     .offset = offsetof(lyc_sampler_options, solver),
     .standard = "midpoint",
     .choices = lyc_multistep_solvers,
     .help = "rule of the second and third order"},
    {0},
};

const lyc_sampler lyc_sampler_dpmpp_2s = {
    .name = "dpm++_2s",
    .diffusers = "DPMSolverSinglestepScheduler",
    .aliases = "dpmsingle dpmpp_2s",
    .summary = "singlestep solver of order 2 over the picture",
    .source = "arXiv 2211.01095",
    .options = options,
    .timeline = LYC_TIMELINE_INTERVALS,
    .spacing = LYC_SPACING_LINSPACE,
    .history = MAX_ORDER + 1,
    .advance = advance,
};
