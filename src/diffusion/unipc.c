/* unipc.c - UniPC: predictor and corrector of one order
 *
 *     base = (s'/s) x - alpha' phi D,   phi = e^-h - 1
 *     predictor   x' = base - alpha' B sum_{j<o} rho_j D_j
 *     corrector   x' = base - alpha' B (sum_{j<o} rho_j D_j + rho_o (D' - D)),    with D' of the predicted x'
 *     D_j = (D_{s-j} - D_s) / r_j,  r_j = (lambda_{s-j} - lambda_s) / h,  r_o = 1;  R rho = b,  R_kj = r_j^(k-1)
 *
 * arXiv 2302.04867, algorithms 5 to 8, over the picture; B = -h (bh1) or phi (bh2). Each call first corrects the step
 * that led to it, so that there is one evaluation a step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "diffusion/multistep.h"

enum { MAX_ORDER = 3, START = MAX_ORDER, BH1 = 0, BH2 = 1 };

/* Solves R rho = b for n <= 3 unknowns, by elimination with pivots. */
static void solve(double *rho, double R[MAX_ORDER][MAX_ORDER], const double *b, int n)
{
    double a[MAX_ORDER][MAX_ORDER + 1];
    for (int i = 0; i < n; i++) {
        memcpy(a[i], R[i], sizeof R[i]);
        a[i][n] = b[i];
    }
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int i = c + 1; i < n; i++) {
            pivot = fabs(a[i][c]) > fabs(a[pivot][c]) ? i : pivot;
        }
        for (int j = 0; j <= n; j++) {
            const double swapped = a[c][j];
            a[c][j] = a[pivot][j];
            a[pivot][j] = swapped;
        }
        for (int i = c + 1; i < n; i++) {
            const double factor = a[i][c] / a[c][c];
            for (int j = c; j <= n; j++) {
                a[i][j] -= factor * a[c][j];
            }
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        rho[i] = a[i][n];
        for (int j = i + 1; j < n; j++) {
            rho[i] -= a[i][j] * rho[j];
        }
        rho[i] /= a[i][i];
    }
}

/* A step from `from` to `from + 1`, with the numbers of the formulas above. */
typedef struct interval {
    double state, d0, change; /* s'/s, -alpha' phi, -alpha' B */
    double r[MAX_ORDER];
    double R[MAX_ORDER][MAX_ORDER];
    double b[MAX_ORDER];
} interval;

static void set_interval(interval *v, const lyc_sampling *s, int from, int order)
{
    const double sigma = lyc_sampling_sigma(s, from);
    const double next = lyc_sampling_sigma(s, from + 1);
    const lyc_level to = lyc_level_of_sigma(next);
    const double lambda = lyc_lambda(sigma);
    const double h = lyc_lambda(next) - lambda;
    const double phi = next > 0 ? expm1(-h) : -1;
    const double B = s->request.options.solver == BH1 ? -h : phi;
    v->state = to.noise / lyc_level_of_sigma(sigma).noise;
    v->d0 = -to.signal * phi;
    v->change = -to.signal * B;
    for (int j = 0; j < order; j++) {
        v->r[j] = j + 1 < order ? (lyc_lambda(lyc_sampling_sigma(s, from - 1 - j)) - lambda) / h : 1;
    }
    double g = phi / -h - 1;
    double factorial = 1;
    for (int k = 0; k < order; k++) {
        for (int j = 0; j < order; j++) {
            v->R[k][j] = pow(v->r[j], k);
        }
        v->b[k] = g * factorial / B;
        factorial *= k + 2;
        g = g / -h - 1 / factorial;
    }
}

/* history[0..2]: D, newest first, the oldest `behind` of the interval's start at history[0]. */
static void blend_interval(lyc_sampling *s, const interval *v, const double *rho, int differences, const float *newest,
                           double newest_rho)
{
    lyc_term terms[3 + MAX_ORDER] = {{v->state, s->history[START]}, {v->d0, s->history[0]}};
    int count = 2;
    for (int j = 0; j < differences; j++) {
        const double factor = v->change * rho[j] / v->r[j];
        terms[1].factor -= factor;
        terms[count++] = (lyc_term){factor, s->history[1 + j]};
    }
    if (newest != NULL) {
        terms[1].factor -= v->change * newest_rho;
        terms[count++] = (lyc_term){v->change * newest_rho, newest};
    }
    lyc_blend(s->x, s->count, count, terms);
}

/* The order of the step from `step`, with `known` predictions up to it. */
static int order_of(const lyc_sampling *s, int step, int known)
{
    const lyc_sampler_options *o = &s->request.options;
    const int left = s->timeline.steps - step;
    int order = lyc_sampling_sigma(s, step + 1) > 0 ? (int)o->order : 1; /* the end at sigma 0 is D itself */
    order = o->lower_order_final && left < order ? left : order;
    return known < order ? known : order;
}

static void correct(lyc_sampling *s)
{
    interval v;
    double rho[MAX_ORDER] = {0.5};
    const int order = order_of(s, s->step - 1, s->memory);
    set_interval(&v, s, s->step - 1, order);
    if (order > 1) {
        solve(rho, v.R, v.b, order);
    }
    blend_interval(s, &v, rho, order - 1, s->x0, rho[order - 1]);
}

static void predict(lyc_sampling *s)
{
    interval v;
    double rho[MAX_ORDER] = {0.5};
    const int order = order_of(s, s->step, s->memory);
    set_interval(&v, s, s->step, order);
    if (order > 2) {
        solve(rho, v.R, v.b, order - 1);
    }
    blend_interval(s, &v, rho, order - 1, NULL, 0);
}

static void advance(lyc_sampling *s)
{
    if (s->step > 0) {
        correct(s);
    }
    float *last = s->history[MAX_ORDER - 1];
    memmove(&s->history[1], &s->history[0], (MAX_ORDER - 1) * sizeof *s->history);
    s->history[0] = last;
    memcpy(last, s->x0, s->count * sizeof *last);
    memcpy(s->history[START], s->x, s->count * sizeof *s->x);
    s->memory += s->memory < MAX_ORDER;
    predict(s);
    s->step++;
}

static const lyc_option_choice variants[] = {{"bh1", "B(h) = -h"}, {"bh2", "B(h) = e^-h - 1"}, {NULL, NULL}};

static const lyc_option options[] = {
    {.name = "order",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(lyc_sampler_options, order),
     .standard = "2",
     .min = 1,
     .max = MAX_ORDER,
     .help = "order of predictor and corrector"},
    {.name = "variant",
     .kind = LYC_OPTION_ENUM,
     .offset = offsetof(lyc_sampler_options, solver),
     .standard = "bh2",
     .choices = variants,
     .help = "the function B(h)"},
    {.name = "lower-order-final",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(lyc_sampler_options, lower_order_final),
     .standard = "yes",
     .help = "lower orders in the last steps"},
    {0},
};

const lyc_sampler lyc_sampler_unipc = {
    .name = "unipc",
    .label = "UniPC",
    .diffusers = "UniPCMultistepScheduler",
    .summary = "predictor and corrector of order 2 over the picture",
    .source = "arXiv 2302.04867",
    .options = options,
    .timeline = LYC_TIMELINE_INTERVALS,
    .spacing = LYC_SPACING_LINSPACE,
    .history = MAX_ORDER + 1,
    .advance = advance,
};
