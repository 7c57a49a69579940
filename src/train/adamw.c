/* adamw.c - AdamW and Adam
 *
 *     m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2
 *     p -= rate / (1 - b1^k) m / (sqrt(v) / sqrt(1 - b2^k) + eps)
 *
 * AdamW takes p *= 1 - rate wd first (arXiv 1711.05101); Adam adds wd p to g (arXiv 1412.6980).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "train/moments.h"

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    (void)config;
    LYC_TRY(lyc_optimizer_add_state(slot, "exp_avg", LYC_F32, &slot->param->shape, err));
    return lyc_optimizer_add_state(slot, "exp_avg_sq", LYC_F32, &slot->param->shape, err);
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const lyc_moments_config *c = step->optimizer->config;
    const bool decoupled = step->optimizer->entry == &lyc_optimizer_adamw;
    const lyc_moments_step s = lyc_moments_step_of(c, step, slot);
    const float coupled = decoupled ? 0.0f : (float)c->weight_decay;
    const float keep = decoupled ? s.keep : 1.0f;
    float *restrict p = slot->param->value;
    const float *restrict gradient = slot->param->gradient;
    float *restrict m = lyc_optimizer_numbers(slot, 0);
    float *restrict v = lyc_optimizer_numbers(slot, 1);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * s.scale + coupled * p[i];
        m[i] = s.b1 * m[i] + s.c1 * g;
        v[i] = s.b2 * v[i] + s.c2 * g * g;
        p[i] = p[i] * keep - s.rate * m[i] / (sqrtf(v[i]) * s.unbias + s.eps);
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

static const lyc_option adamw_options[] = {LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0.01"), {0}};
static const lyc_option adam_options[] = {LYC_MOMENTS_OPTIONS("0.9", "0.999", "1e-8", "0"), {0}};

const lyc_optimizer_entry lyc_optimizer_adamw = {
    .name = "AdamW",
    .summary = "two moments, decoupled weight decay",
    .source = "arXiv 1711.05101",
    .options = adamw_options,
    .config_size = sizeof(lyc_moments_config),
    .bytes_per_number = 8,
    .usual_rate = 1e-4,
    .check = lyc_moments_check,
    .add_states = add_states,
    .step = run,
};

const lyc_optimizer_entry lyc_optimizer_adam = {
    .name = "Adam",
    .summary = "two moments, weight decay as part of the gradient",
    .source = "arXiv 1412.6980",
    .options = adam_options,
    .config_size = sizeof(lyc_moments_config),
    .bytes_per_number = 8,
    .usual_rate = 1e-4,
    .check = lyc_moments_check,
    .add_states = add_states,
    .step = run,
};
