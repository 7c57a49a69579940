/* dadaptation.c - D-Adaptation: Adam that finds its rate (DAdaptAdamPreprint)
 *
 *     dlr = d rate;   m = b1 m + dlr (1 - b1) g;   v = b2 v + (1 - b2) g^2;   q = sqrt(v) + eps
 *     G = sum g^2 / q;   s = b2 s + dlr (1 - b2) g;   Q = sum s^2 / q;   L = sum |s|
 *     W = b2 W + G dlr^2 (1 - b2);   d_hat = (Q / (1 - b2) - W) / L;   d = max(d, min(d_hat, d growth));   p -= m / q
 *
 * arXiv 2301.07733, the preprint's form, which sd-scripts calls DAdaptation. Rates are meant to be 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "train/moments.h"

typedef struct dadaptation_config {
    lyc_moments_config moments;
    double d0, growth_rate;
    bool decouple;
} dadaptation_config;

enum { D, WEIGHTED };                             /* numbers */
enum { MOMENT, SQUARE, DIRECTION };               /* states */
enum { SUM_GRADIENT, SUM_SQUARE, SUM_DIRECTION }; /* sums */

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    static const char *const names[] = {"exp_avg", "exp_avg_sq", "s"};
    (void)config;
    for (int i = 0; i < 3; i++) {
        LYC_TRY(lyc_optimizer_add_state(slot, names[i], LYC_F32, &slot->param->shape, err));
    }
    return LYC_OK;
}

static void begin(lyc_optimizer *optimizer)
{
    optimizer->numbers[D] = ((const dadaptation_config *)optimizer->config)->d0;
}

static void gather(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const dadaptation_config *c = step->optimizer->config;
    const double dlr = step->optimizer->numbers[D] * lyc_optimizer_rate(step, slot);
    const float b1 = (float)c->moments.beta1, b2 = (float)c->moments.beta2, eps = (float)c->moments.eps;
    const float c1 = (float)(dlr * (1.0 - c->moments.beta1)), c2 = (float)(1.0 - c->moments.beta2);
    const float way = (float)(dlr * (1.0 - c->moments.beta2)), scale = (float)step->optimizer->scale;
    const float decay = c->decouple ? 0.0f : (float)c->moments.weight_decay;
    const float *p = slot->param->value, *gradient = slot->param->gradient;
    float *m = lyc_optimizer_numbers(slot, MOMENT), *v = lyc_optimizer_numbers(slot, SQUARE);
    float *s = lyc_optimizer_numbers(slot, DIRECTION);
    double by_gradient = 0.0, by_square = 0.0, direction = 0.0;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * scale + decay * p[i];
        m[i] = b1 * m[i] + c1 * g;
        v[i] = b2 * v[i] + c2 * g * g;
        s[i] = b2 * s[i] + way * g;
        const double q = (double)(sqrtf(v[i]) + eps);
        by_gradient += (double)g * (double)g / q;
        by_square += (double)s[i] * (double)s[i] / q;
        direction += fabs((double)s[i]);
    }
    sums[SUM_GRADIENT] = by_gradient * dlr * dlr * (1.0 - c->moments.beta2);
    sums[SUM_SQUARE] = by_square;
    sums[SUM_DIRECTION] = direction;
}

static void move(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                 int64_t last)
{
    const dadaptation_config *c = step->optimizer->config;
    const double dlr = *(const double *)step->optimizer->more * lyc_optimizer_rate(step, slot);
    const float keep = c->decouple ? (float)(1.0 - c->moments.weight_decay * dlr) : 1.0f;
    const float eps = (float)c->moments.eps;
    float *restrict p = slot->param->value;
    const float *restrict m = lyc_optimizer_numbers(slot, MOMENT);
    const float *restrict v = lyc_optimizer_numbers(slot, SQUARE);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        p[i] = p[i] * keep - m[i] / (sqrtf(v[i]) + eps);
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    double totals[LYC_OPTIMIZER_SUMS];
    lyc_optimizer *o = step->optimizer;
    const dadaptation_config *c = o->config;
    const double b2 = c->moments.beta2;
    *(double *)o->more = o->numbers[D];
    lyc_optimizer_for_pieces(totals, step, gather);
    if (!(totals[SUM_DIRECTION] > 0.0)) {
        return LYC_OK;
    }
    o->numbers[WEIGHTED] = b2 * o->numbers[WEIGHTED] + totals[SUM_GRADIENT];
    const double estimate = (totals[SUM_SQUARE] / (1.0 - b2) - o->numbers[WEIGHTED]) / totals[SUM_DIRECTION];
    const double bound = c->growth_rate > 0.0 ? o->numbers[D] * c->growth_rate : (double)INFINITY;
    lyc_optimizer_for_pieces(NULL, step, move);
    o->numbers[D] = fmax(o->numbers[D], fmin(estimate, bound));
    return LYC_OK;
}

static double effective_rate(const lyc_optimizer *optimizer, double rate)
{
    return optimizer->numbers[D] * rate;
}

#define AT(member) .offset = offsetof(dadaptation_config, member)
static const lyc_option options[] = {
    LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0"),
    {.name = "d0",
     .kind = LYC_OPTION_FLOAT,
     AT(d0),
     .standard = "1e-6",
     .min = 1e-30,
     .max = LYC_OPTION_UNLIMITED,
     .help = "first estimate of d"},
    {.name = "growth_rate",
     .kind = LYC_OPTION_FLOAT,
     AT(growth_rate),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how fast d may grow in a step; 0: as fast as it will"},
    {.name = "decouple", .kind = LYC_OPTION_BOOL, AT(decouple), .help = "weight decay as AdamW has it"},
    {0},
};

const lyc_optimizer_entry lyc_optimizer_dadaptation = {
    .name = "DAdaptation",
    .aliases = (const char *const[]){"DAdaptAdamPreprint", NULL},
    .summary = "Adam that finds its rate; rates of 1",
    .source = "arXiv 2301.07733",
    .options = options,
    .config_size = sizeof(dadaptation_config),
    .more_size = sizeof(double),
    .bytes_per_number = 12,
    .usual_rate = 1,
    .least_rate = 0.1,
    .check = lyc_moments_check,
    .add_states = add_states,
    .begin = begin,
    .number_names = {"d", "gsq_weighted"},
    .step = run,
    .effective_rate = effective_rate,
};
