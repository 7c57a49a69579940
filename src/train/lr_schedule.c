/* lr_schedule.c - the factor of the rates at each step
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/lr_schedule.h"

#include <math.h>
#include <string.h>

#include "base/number.h"
#include "lycoris/option.h"

static const double pi = 3.14159265358979323846;

/* How far the steps behind the warm-up have come; not bounded. */
static double progress(const lyc_lr_schedule *s, double step)
{
    return (step - (double)s->warmup) / fmax(1.0, (double)(s->total - s->warmup));
}

static double constant(const lyc_lr_schedule *s, double step)
{
    (void)s;
    (void)step;
    return 1.0;
}

static double linear(const lyc_lr_schedule *s, double step)
{
    return fmax(0.0, ((double)s->total - step) / fmax(1.0, (double)(s->total - s->warmup)));
}

static double cosine(const lyc_lr_schedule *s, double step)
{
    return fmax(0.0, (1.0 + cos(pi * 2.0 * s->cycles * 0.5 * progress(s, step))) / 2.0);
}

static double cosine_with_restarts(const lyc_lr_schedule *s, double step)
{
    const double p = progress(s, step);
    return p >= 1.0 ? 0.0 : fmax(0.0, (1.0 + cos(pi * fmod(s->cycles * p, 1.0))) / 2.0);
}

static double polynomial(const lyc_lr_schedule *s, double step)
{
    const double end = 1e-7;
    if (step > (double)s->total) {
        return end / s->base_rate;
    }
    return ((s->base_rate - end) * pow(1.0 - progress(s, step), s->power) + end) / s->base_rate;
}

static double inverse_sqrt(const lyc_lr_schedule *s, double step)
{
    return 1.0 / sqrt((step + s->timescale - (double)s->warmup) / s->timescale);
}

static double cosine_with_min_lr(const lyc_lr_schedule *s, double step)
{
    const double way = (1.0 + cos(pi * s->cycles * progress(s, step))) / 2.0;
    return fmax(0.0, way * (1.0 - s->min_ratio) + s->min_ratio);
}

static double warmup_stable_decay(const lyc_lr_schedule *s, double step)
{
    const double stable = (double)(s->total - s->decay);
    if (step < stable) {
        return 1.0;
    }
    if (step >= (double)s->total) {
        return s->min_ratio;
    }
    const double p = (step - stable) / fmax(1.0, (double)s->decay);
    return fmax(0.0, (1.0 + cos(pi * s->cycles * p)) / 2.0 * (1.0 - s->min_ratio) + s->min_ratio);
}

static double piecewise_constant(const lyc_lr_schedule *s, double step)
{
    int i = 0;
    while (i + 1 < s->rule_count && step >= s->until[i]) {
        i++;
    }
    return s->rules[i];
}

static double rex(const lyc_lr_schedule *s, double step)
{
    const double p = fmin(1.0, progress(s, step));
    return (1.0 - p) / ((1.0 - 0.9) + 0.9 * (1.0 - p));
}

static const struct {
    const char *name;
    double (*factor)(const lyc_lr_schedule *schedule, double step);
    const char *summary;
} kinds[] = {
    {"constant", constant, "the same rate throughout"},
    {"constant_with_warmup", constant, "the same after a warm-up"},
    {"linear", linear, "falls evenly to 0"},
    {"cosine", cosine, "falls along half a cosine to 0"},
    {"cosine_with_restarts", cosine_with_restarts, "several falls of that kind, each from the full rate"},
    {"polynomial", polynomial, "falls by a power to 1e-7"},
    {"inverse_sqrt", inverse_sqrt, "falls with the root of the steps"},
    {"cosine_with_min_lr", cosine_with_min_lr, "along half a cosine to lr_scheduler_min_lr_ratio"},
    {"warmup_stable_decay", warmup_stable_decay, "full until the last lr_decay_steps, which fall"},
    {"piecewise_constant", piecewise_constant, "factors by step_rules: 1:10,0.1:20,0.01"},
    {"rex", rex, "falls slowly, then fast"},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

const char *lyc_lr_schedule_name_at(size_t index)
{
    return index < KIND_COUNT ? kinds[index].name : NULL;
}

const char *lyc_lr_schedule_summary_at(size_t index)
{
    return index < KIND_COUNT ? kinds[index].summary : NULL;
}

/* --- making one ----------------------------------------------------------------------------------------------------
 */

static lyc_status find(size_t *kind, const char *name, lyc_error *err)
{
    const char *near = NULL;
    int best = 0, distance;
    for (*kind = 0; *kind < KIND_COUNT; ++*kind) {
        if (strcmp(kinds[*kind].name, name) == 0) {
            return LYC_OK;
        }
        if (lyc_text_resembles(&distance, name, kinds[*kind].name) && (near == NULL || distance < best)) {
            near = kinds[*kind].name;
            best = distance;
        }
    }
    return near != NULL ? lyc_fail(err, LYC_E_ARGUMENT, "there is no schedule '%s'; '%s' is meant?", name, near)
                        : lyc_fail(err, LYC_E_ARGUMENT, "there is no schedule '%s'", name);
}

/* "1:10,0.1:20,0.01": 1 below step 10, 0.1 below 20, then 0.01. */
static lyc_status read_rules(lyc_lr_schedule *s, const char *text, lyc_error *err)
{
    const char *at = text;
    if (text == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "piecewise_constant needs step_rules like 1:10,0.1:20,0.01");
    }
    for (bool last = false; !last; s->rule_count++) {
        if (s->rule_count == LYC_LR_RULES) {
            return lyc_fail(err, LYC_E_ARGUMENT, "more than %d step_rules", LYC_LR_RULES);
        }
        const size_t length = strcspn(at, ",");
        const size_t factor = strcspn(at, ":,");
        last = at[length] == '\0';
        s->until[s->rule_count] = (double)INFINITY;
        const bool good =
            lyc_number_parse(&s->rules[s->rule_count], (lyc_span){at, factor}) && (factor == length) == last &&
            (last || lyc_number_parse(&s->until[s->rule_count], (lyc_span){at + factor + 1, length - factor - 1}));
        if (!good) {
            return lyc_fail(err, LYC_E_ARGUMENT, "step_rules '%s', expected factor:step, ... and a last factor", text);
        }
        at += length + 1;
    }
    return LYC_OK;
}

/* Steps, or a part of all of them. */
static int64_t steps_of(double steps, int64_t total)
{
    return steps > 0.0 && steps < 1.0 ? (int64_t)floor(steps * (double)total) : (int64_t)steps;
}

lyc_status lyc_lr_schedule_init(lyc_lr_schedule *out, const lyc_lr_request *request, lyc_error *err)
{
    size_t kind;
    const char *name = request->name != NULL ? request->name : "constant";
    LYC_TRY(find(&kind, name, err));
    *out = (lyc_lr_schedule){
        .factor = kinds[kind].factor,
        .warmup = steps_of(request->warmup_steps, request->total_steps),
        .decay = steps_of(request->decay_steps, request->total_steps),
        .total = request->total_steps,
        .cycles = request->cycles > 0.0 ? request->cycles : 1.0,
        .power = request->power > 0.0 ? request->power : 1.0,
        .min_ratio = request->min_ratio,
        .base_rate = request->base_rate > 0.0 ? request->base_rate : 1.0,
    };
    out->timescale = request->timescale > 0.0 ? request->timescale : out->warmup > 0 ? (double)out->warmup : 10000.0;
    if (kind == 0 && out->warmup > 0) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "the schedule constant has no warm-up, and lr_warmup_steps is %lld; constant_with_warmup has",
                        (long long)out->warmup);
    }
    return out->factor == piecewise_constant ? read_rules(out, request->step_rules, err) : LYC_OK;
}

double lyc_lr_schedule_factor(const lyc_lr_schedule *s, int64_t step)
{
    if (step >= s->warmup) {
        return s->factor(s, (double)step);
    }
    const double warm = (double)step / fmax(1.0, (double)s->warmup);
    return s->factor == warmup_stable_decay ? warm * (1.0 - s->min_ratio) + s->min_ratio : warm;
}
