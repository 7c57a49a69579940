/* schedule_free.c - AdamWScheduleFree: an average of the way takes the place of a schedule
 *
 *     While training the values are y, between the fast weights z and their average x (arXiv 2405.15682; schedulefree):
 *         rate_k = rate min(1, k / warmup);  w = k^r max(rates)^2;  c = w / sum of w
 *         v = b2 v + (1 - b2) g^2;   u = g / (sqrt(v / (1 - b2^k)) + eps) + wd y
 *         y += c (z - y) + rate_k (b1 (1 - c) - 1) u;   z -= rate_k u
 *     For use: x = y + (1 - 1/b1) (z - y).
 *
 * Warm-up is its own option; the schedule of rates is meant to be constant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "train/moments.h"

typedef struct free_config {
    lyc_moments_config moments;
    double warmup_steps, r, weight_lr_power;
} free_config;

enum { SQUARE, FAST };             /* states */
enum { WEIGHT_SUM, LARGEST_RATE }; /* numbers */

static lyc_status check(void *config, lyc_error *err)
{
    LYC_TRY(lyc_moments_check(config, err));
    return ((const free_config *)config)->moments.beta1 > 0.0
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT, "beta1 of AdamWScheduleFree is above 0");
}

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    (void)config;
    LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg_sq", LYC_F32, &slot->param->shape, err));
    return lyc_optimizer_add_state(slot, "z", LYC_F32, &slot->param->shape, err);
}

static void begin(lyc_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->count; i++) {
        const lyc_optimizer_slot *slot = &optimizer->slots[i];
        memcpy(slot->states[FAST].data, slot->param->value, (size_t)slot->param->count * sizeof(float));
    }
}

static double warm_rate(const lyc_optimizer_step_context *step, double rate)
{
    const free_config *c = step->optimizer->config;
    return c->warmup_steps > 0.0 ? rate * fmin(1.0, (double)step->k / c->warmup_steps) : rate;
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const free_config *c = step->optimizer->config;
    const double average = *(const double *)step->optimizer->more;
    const double rate = warm_rate(step, lyc_optimizer_rate(step, slot));
    const float share = (float)average, ahead = (float)(rate * (c->moments.beta1 * (1.0 - average) - 1.0));
    const float fast = (float)rate, b2 = (float)c->moments.beta2, c2 = (float)(1.0 - c->moments.beta2);
    const float unbias = (float)(1.0 / (1.0 - pow(c->moments.beta2, (double)step->k)));
    const float eps = (float)c->moments.eps, decay = (float)c->moments.weight_decay;
    const float scale = (float)step->optimizer->scale;
    float *restrict y = slot->param->value;
    const float *restrict gradient = slot->param->gradient;
    float *restrict v = lyc_optimizer_numbers(slot, SQUARE);
    float *restrict z = lyc_optimizer_numbers(slot, FAST);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * scale;
        v[i] = b2 * v[i] + c2 * g * g;
        const float u = g / (sqrtf(v[i] * unbias) + eps) + decay * y[i];
        y[i] += share * (z[i] - y[i]) + ahead * u;
        z[i] -= fast * u;
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer *o = step->optimizer;
    const free_config *c = o->config;
    double largest = 0.0;
    for (size_t i = 0; i < o->count; i++) {
        largest = fmax(largest, warm_rate(step, step->rates[o->slots[i].param->group]));
    }
    o->numbers[LARGEST_RATE] = fmax(o->numbers[LARGEST_RATE], largest);
    const double weight = pow((double)step->k, c->r) * pow(o->numbers[LARGEST_RATE], c->weight_lr_power);
    o->numbers[WEIGHT_SUM] += weight;
    *(double *)o->more = o->numbers[WEIGHT_SUM] > 0.0 ? weight / o->numbers[WEIGHT_SUM] : 0.0;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

/* x = y + (1 - 1/b1) (z - y), and back: y = x + (1 - b1) (z - x). */
static void exchange(lyc_optimizer *optimizer, bool evaluate)
{
    const double b1 = ((const free_config *)optimizer->config)->moments.beta1;
    const float share = (float)(evaluate ? 1.0 - 1.0 / b1 : 1.0 - b1);
    for (size_t k = 0; k < optimizer->count; k++) {
        float *p = optimizer->slots[k].param->value;
        const float *z = optimizer->slots[k].states[FAST].data;
        for (int64_t i = 0; i < optimizer->slots[k].param->count; i++) {
            p[i] += share * (z[i] - p[i]);
        }
    }
}

#define AT(member) .offset = offsetof(free_config, member)
static const lyc_option options[] = {
    LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0"),
    {.name = "warmup_steps",
     .kind = LYC_OPTION_FLOAT,
     AT(warmup_steps),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "steps in which the rate grows to its value"},
    {.name = "r",
     .kind = LYC_OPTION_FLOAT,
     AT(r),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "later steps count more in the average, as a power of their number"},
    {.name = "weight_lr_power",
     .kind = LYC_OPTION_FLOAT,
     AT(weight_lr_power),
     .standard = "2",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "steps count in the average as this power of the largest rate"},
    {0},
};

const lyc_optimizer_entry lyc_optimizer_schedule_free = {
    .name = "AdamWScheduleFree",
    .summary = "AdamW with an average of the way instead of a schedule",
    .source = "arXiv 2405.15682",
    .options = options,
    .config_size = sizeof(free_config),
    .more_size = sizeof(double),
    .bytes_per_number = 8,
    .usual_rate = 1e-3,
    .check = check,
    .add_states = add_states,
    .begin = begin,
    .number_names = {"weight_sum", "lr_max"},
    .step = run,
    .exchange = exchange,
};
