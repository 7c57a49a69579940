/* prodigy.c - Prodigy: AdamW that finds its rate
 *
 *     d is a lower bound of the distance to the solution, found from how the gradients agree with the way gone so far
 *     (arXiv 2306.06101, algorithm 3; prodigyopt). With dlr = d rate bc, all parameters sharing d and N:
 *         N = b3 N + sum (d/d0) dlr <g, p0 - p>;   s = b3 s + (d/d0) (safeguard ? d : dlr) g;   D = sum |s|
 *         m = b1 m + d (1 - b1) g;   v = b2 v + d^2 (1 - b2) g^2
 *         d_hat = d_coef N / D;  d = max(d, d_hat) while it is d0;  d_max = max(d_max, d_hat);  d = min(d_max, d
 * growth) p -= wd dlr p;   p -= dlr m / (sqrt(v) + d eps), with the old dlr and the new d
 *
 * Rates are meant to be 1, the same for all groups or 0. Without slice_p.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "train/moments.h"

typedef struct prodigy_config {
    lyc_moments_config moments;
    double beta3, d0, d_coef, growth_rate;
    bool use_bias_correction, safeguard_warmup, decouple;
} prodigy_config;

enum { D, D_MAX, NUMERATOR };              /* numbers */
enum { MOMENT, SQUARE, DIRECTION, START }; /* states */
enum { SUM_PRODUCT, SUM_DIRECTION };       /* sums */

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    static const char *const names[] = {"exp_avg", "exp_avg_sq", "s", "p0"};
    (void)config;
    for (int i = 0; i < 4; i++) {
        LYC_TRY(lyc_optimizer_add_state(slot, names[i], LYC_F32, &slot->param->shape, err));
    }
    return LYC_OK;
}

static void begin(lyc_optimizer *optimizer)
{
    const prodigy_config *c = optimizer->config;
    optimizer->numbers[D] = optimizer->numbers[D_MAX] = c->d0;
    for (size_t i = 0; i < optimizer->count; i++) {
        const lyc_optimizer_slot *slot = &optimizer->slots[i];
        memcpy(slot->states[START].data, slot->param->value, (size_t)slot->param->count * sizeof(float));
    }
}

static double bias_correction(const prodigy_config *c, int64_t k)
{
    return c->use_bias_correction
               ? sqrt(1.0 - pow(c->moments.beta2, (double)k)) / (1.0 - pow(c->moments.beta1, (double)k))
               : 1.0;
}

static double step_rate(const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot)
{
    const prodigy_config *c = step->optimizer->config;
    return step->optimizer->numbers[D] * lyc_optimizer_rate(step, slot) * bias_correction(c, step->k);
}

/* Moments, the direction so far, and both sums. */
static void gather(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const prodigy_config *c = step->optimizer->config;
    const double d = step->optimizer->numbers[D], dlr = step_rate(step, slot);
    const double beta3 = c->beta3 > 0.0 ? c->beta3 : sqrt(c->moments.beta2);
    const bool coupled = !c->decouple;
    const float b1 = (float)c->moments.beta1, b2 = (float)c->moments.beta2, b3 = (float)beta3;
    const float c1 = (float)(d * (1.0 - c->moments.beta1)), c2 = (float)(d * d * (1.0 - c->moments.beta2));
    const float way = (float)(d / c->d0 * (c->safeguard_warmup ? d : dlr));
    const float scale = (float)step->optimizer->scale, decay = coupled ? (float)c->moments.weight_decay : 0.0f;
    const float *p = slot->param->value, *gradient = slot->param->gradient;
    float *m = lyc_optimizer_numbers(slot, MOMENT), *v = lyc_optimizer_numbers(slot, SQUARE);
    float *s = lyc_optimizer_numbers(slot, DIRECTION);
    const float *start = lyc_optimizer_numbers(slot, START);
    double product = 0.0, direction = 0.0;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * scale + decay * p[i];
        product += (double)g * (double)(start[i] - p[i]);
        m[i] = b1 * m[i] + c1 * g;
        v[i] = b2 * v[i] + c2 * g * g;
        s[i] = b3 * s[i] + way * g;
        direction += fabs((double)s[i]);
    }
    sums[SUM_PRODUCT] = d / c->d0 * dlr * product;
    sums[SUM_DIRECTION] = direction;
}

typedef struct settled {
    double old_d;
} settled;

static void move(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                 int64_t last)
{
    const prodigy_config *c = step->optimizer->config;
    const settled *before = step->optimizer->more;
    const double dlr = before->old_d * lyc_optimizer_rate(step, slot) * bias_correction(c, step->k);
    const float rate = (float)dlr, eps = (float)(step->optimizer->numbers[D] * c->moments.eps);
    const float keep = c->decouple ? (float)(1.0 - c->moments.weight_decay * dlr) : 1.0f;
    float *restrict p = slot->param->value;
    const float *restrict m = lyc_optimizer_numbers(slot, MOMENT);
    const float *restrict v = lyc_optimizer_numbers(slot, SQUARE);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        p[i] = p[i] * keep - rate * m[i] / (sqrtf(v[i]) + eps);
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    double totals[LYC_OPTIMIZER_SUMS];
    lyc_optimizer *o = step->optimizer;
    const prodigy_config *c = o->config;
    settled *before = o->more;
    const double beta3 = c->beta3 > 0.0 ? c->beta3 : sqrt(c->moments.beta2);
    before->old_d = o->numbers[D];
    lyc_optimizer_for_pieces(totals, step, gather);
    o->numbers[NUMERATOR] = beta3 * o->numbers[NUMERATOR] + totals[SUM_PRODUCT];
    if (!(totals[SUM_DIRECTION] > 0.0)) {
        return LYC_OK;
    }
    const double estimate = c->d_coef * o->numbers[NUMERATOR] / totals[SUM_DIRECTION];
    if (o->numbers[D] == c->d0) {
        o->numbers[D] = fmax(o->numbers[D], estimate);
    }
    o->numbers[D_MAX] = fmax(o->numbers[D_MAX], estimate);
    o->numbers[D] = c->growth_rate > 0.0 ? fmin(o->numbers[D_MAX], o->numbers[D] * c->growth_rate) : o->numbers[D_MAX];
    lyc_optimizer_for_pieces(NULL, step, move);
    return LYC_OK;
}

static double effective_rate(const lyc_optimizer *optimizer, double rate)
{
    return optimizer->numbers[D] * rate;
}

#define AT(member) .offset = offsetof(prodigy_config, member)
static const lyc_option options[] = {
    LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0"),
    {.name = "beta3",
     .kind = LYC_OPTION_FLOAT,
     AT(beta3),
     .standard = "0",
     .min = 0,
     .max = 1,
     .help = "how much of the sums is kept; 0: the root of beta2"},
    {.name = "d0",
     .kind = LYC_OPTION_FLOAT,
     AT(d0),
     .standard = "1e-6",
     .min = 1e-30,
     .max = LYC_OPTION_UNLIMITED,
     .help = "first estimate of d"},
    {.name = "d_coef",
     .kind = LYC_OPTION_FLOAT,
     AT(d_coef),
     .standard = "1",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "factor of the estimates"},
    {.name = "growth_rate",
     .kind = LYC_OPTION_FLOAT,
     AT(growth_rate),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how fast d may grow in a step; 0: as fast as it will"},
    {.name = "use_bias_correction",
     .kind = LYC_OPTION_BOOL,
     AT(use_bias_correction),
     .help = "Adam's correction of the moments"},
    {.name = "safeguard_warmup",
     .kind = LYC_OPTION_BOOL,
     AT(safeguard_warmup),
     .help = "leave the rate out of the sum below, for schedules with warm-up"},
    {.name = "decouple",
     .kind = LYC_OPTION_BOOL,
     AT(decouple),
     .standard = "true",
     .help = "weight decay as AdamW has it"},
    {0},
};

const lyc_optimizer_entry lyc_optimizer_prodigy = {
    .name = "Prodigy",
    .summary = "AdamW that finds its rate; rates of 1",
    .source = "arXiv 2306.06101",
    .options = options,
    .config_size = sizeof(prodigy_config),
    .more_size = sizeof(settled),
    .bytes_per_number = 16,
    .usual_rate = 1,
    .least_rate = 0.1,
    .check = lyc_moments_check,
    .add_states = add_states,
    .begin = begin,
    .number_names = {"d", "d_max", "d_numerator"},
    .step = run,
    .effective_rate = effective_rate,
};
