/* timeline.c - the timesteps and sigmas of a run of n steps
 *
 * Names of spacings are those of table 2 in arXiv 2305.08891.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/timeline.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "diffusion/beta_quantile.h"

static const double karras_rho = 7; /* arXiv 2206.00364, table 1 */
static const double beta_shape = 0.6;

const char *lyc_sigma_curve_name(lyc_sigma_curve curve)
{
    static const char *const names[LYC_CURVE_COUNT] = {"", "karras", "exponential", "beta"};
    return names[curve];
}

lyc_status lyc_timeline_resize(lyc_timeline *timeline, int steps, lyc_error *err)
{
    const size_t n = (size_t)steps;
    double *timesteps = lyc_alloc_zero(n, sizeof *timesteps);
    double *sigmas = lyc_alloc_zero(n + 1, sizeof *sigmas);
    if (timesteps == NULL || sigmas == NULL) {
        lyc_free(timesteps);
        lyc_free(sigmas);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %d timesteps", steps);
    }
    lyc_free(timeline->timesteps);
    lyc_free(timeline->sigmas);
    timeline->timesteps = timesteps;
    timeline->sigmas = sigmas;
    timeline->steps = steps;
    return LYC_OK;
}

void lyc_timeline_cut(lyc_timeline *timeline, int first)
{
    const size_t left = (size_t)(timeline->steps - first);
    memmove(timeline->timesteps, timeline->timesteps + first, left * sizeof *timeline->timesteps);
    memmove(timeline->sigmas, timeline->sigmas + first, (left + 1) * sizeof *timeline->sigmas);
    timeline->steps = (int)left;
}

void lyc_timeline_clear(lyc_timeline *timeline)
{
    lyc_free(timeline->timesteps);
    lyc_free(timeline->sigmas);
    *timeline = (lyc_timeline){0};
}

/* numpy's linspace(0, end, n)[i]. */
static double linspace(double end, int n, int i)
{
    return n > 1 ? end * i / (n - 1) : 0;
}

/* Timestep i of n, falling. round() of numpy, and so rint() here, goes to the even neighbour. */
static double spaced(const lyc_timeline_request *r, int train, int i)
{
    const int n = r->steps;
    const bool intervals = r->kind == LYC_TIMELINE_INTERVALS;
    switch (r->spacing) {
    case LYC_SPACING_LEADING: {
        const int q = train / (intervals ? n + 1 : n);
        return fmin((double)(intervals ? n - i : n - 1 - i) * q + r->steps_offset, train - 1);
    }
    case LYC_SPACING_LINSPACE: {
        const double t = intervals ? linspace(train - 1, n + 1, n - i) : linspace(train - 1, n, n - 1 - i);
        return r->kind == LYC_TIMELINE_FRACTIONAL ? t : rint(t);
    }
    case LYC_SPACING_TRAILING:
        return rint(train - (double)i * train / n) - 1;
    }
    return 0;
}

/* The distilled timesteps k - 1, 2k - 1, ..., of which every n-th is taken from the top. */
static double spaced_lcm(const lyc_timeline_request *r, int train, int i)
{
    const int k = train / r->lcm_steps;
    const int from_top = (int)floor((double)i * r->lcm_steps / r->steps);
    return (double)(r->lcm_steps - from_top) * k - 1;
}

static void set_spaced(lyc_timeline *t, const lyc_schedule *s, const lyc_timeline_request *r)
{
    const int n = r->steps;
    const int last = s->train_timesteps - 1;
    for (int i = 0; i < n; i++) {
        if (r->kind == LYC_TIMELINE_LCM) {
            t->timesteps[i] = spaced_lcm(r, s->train_timesteps, i);
        } else if (r->style == LYC_STYLE_A1111 && r->kind != LYC_TIMELINE_WHOLE) {
            t->timesteps[i] = n > 1 ? last - linspace(last, n, i) : last;
            t->sigmas[i] = lyc_schedule_sigma_log(s, t->timesteps[i]);
            continue;
        } else {
            t->timesteps[i] = spaced(r, s->train_timesteps, i);
        }
        t->sigmas[i] = lyc_schedule_sigma(s, t->timesteps[i]);
    }
    if (r->log_linear) { /* the last of n + 1 points is what the run ends at */
        for (int i = 0; i <= n; i++) {
            const double w = (double)i / n;
            t->sigmas[i] = exp((1 - w) * s->log_sigmas[last] + w * s->log_sigmas[0]);
        }
    }
}

static double curve_sigma(lyc_sigma_curve curve, double largest, double smallest, double w)
{
    switch (curve) {
    case LYC_CURVE_KARRAS: {
        const double from = pow(largest, 1 / karras_rho);
        return pow(from + w * (pow(smallest, 1 / karras_rho) - from), karras_rho);
    }
    case LYC_CURVE_EXPONENTIAL:
        return exp((1 - w) * log(largest) + w * log(smallest));
    case LYC_CURVE_BETA:
        return smallest + (largest - smallest) * lyc_beta_quantile(1 - w, beta_shape, beta_shape);
    default:
        return 0;
    }
}

static void set_curve(lyc_timeline *t, const lyc_schedule *s, const lyc_timeline_request *r)
{
    const int n = r->steps;
    const bool intervals = r->kind == LYC_TIMELINE_INTERVALS;
    const bool whole_table = intervals || r->style == LYC_STYLE_A1111;
    const double largest = whole_table ? s->sigmas[s->train_timesteps - 1] : t->sigmas[0];
    const double smallest = whole_table ? s->sigmas[0] : t->sigmas[n - 1];
    for (int i = 0; i < n; i++) {
        const double w = n > 1 ? (double)i / (n - 1) : 0;
        t->sigmas[i] = curve_sigma(r->curve, largest, smallest, w);
        t->timesteps[i] = lyc_schedule_timestep(s, t->sigmas[i]);
        if (r->style == LYC_STYLE_A1111) {
            continue;
        }
        if (r->curve == LYC_CURVE_KARRAS && (r->round_karras || intervals) && !(intervals && s->squared_cos)) {
            t->timesteps[i] = rint(t->timesteps[i]);
        } else if (intervals) { /* the reference makes whole numbers of them without rounding */
            t->timesteps[i] = floor(t->timesteps[i]);
        }
    }
}

static lyc_status check(const lyc_schedule *s, const lyc_timeline_request *r, lyc_error *err)
{
    if (r->steps < 1 || r->steps > s->train_timesteps) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps, expected 1 to %d", r->steps, s->train_timesteps);
    }
    if (r->kind == LYC_TIMELINE_LCM && (r->lcm_steps < 1 || r->lcm_steps > s->train_timesteps)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps of distillation, expected 1 to %d", r->lcm_steps,
                        s->train_timesteps);
    }
    if (r->kind == LYC_TIMELINE_LCM && r->steps > r->lcm_steps) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps, but the model was distilled on %d", r->steps, r->lcm_steps);
    }
    if (r->kind == LYC_TIMELINE_INTERVALS && r->spacing == LYC_SPACING_LEADING && r->steps == s->train_timesteps &&
        r->curve == LYC_CURVE_NONE && r->style == LYC_STYLE_DIFFUSERS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d steps with spacing leading, expected at most %d", r->steps,
                        s->train_timesteps - 1);
    }
    return LYC_OK;
}

/* diffusers starts from pure noise in VP, and in VE from noise of the first sigma, or with leading spacing of the
 * first level's whole power; k-diffusion starts from noise of the first sigma always. */
static double initial_factor(const lyc_timeline *t, const lyc_timeline_request *r)
{
    const double sigma = t->sigmas[0];
    if (r->kind == LYC_TIMELINE_FRACTIONAL) {
        const bool power = r->spacing == LYC_SPACING_LEADING && r->style == LYC_STYLE_DIFFUSERS;
        return power ? sqrt(sigma * sigma + 1) : sigma;
    }
    return r->kind == LYC_TIMELINE_INTERVALS && r->style == LYC_STYLE_A1111 ? lyc_level_of_sigma(sigma).noise : 1;
}

lyc_status lyc_timeline_init(lyc_timeline *t, const lyc_schedule *s, const lyc_timeline_request *r, lyc_error *err)
{
    *t = (lyc_timeline){0};
    LYC_TRY(check(s, r, err));
    LYC_TRY(lyc_timeline_resize(t, r->steps, err));
    t->requested = r->steps;
    set_spaced(t, s, r);
    if (r->curve != LYC_CURVE_NONE) {
        set_curve(t, s, r);
    }
    t->sigmas[r->steps] = r->sigma_min_final || r->log_linear ? s->sigmas[0] : 0;
    t->initial_factor = initial_factor(t, r);
    return LYC_OK;
}
