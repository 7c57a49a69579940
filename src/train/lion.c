/* lion.c - Lion: the sign of a moment
 *
 *     p *= 1 - rate wd;   p -= rate sign(b1 m + (1 - b1) g);   m = b2 m + (1 - b2) g          arXiv 2302.06675
 *
 * sign(0) = 0. Rates are a third to a tenth of AdamW's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "train/moments.h"

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    (void)config;
    return lyc_optimizer_add_state(slot, "exp_avg", LYC_F32, &slot->param->shape, err);
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const lyc_moments_config *c = step->optimizer->config;
    const lyc_moments_step s = lyc_moments_step_of(c, step, slot);
    const float rate = (float)lyc_optimizer_rate(step, slot);
    float *restrict p = slot->param->value;
    const float *restrict gradient = slot->param->gradient;
    float *restrict m = lyc_optimizer_numbers(slot, 0);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * s.scale;
        const float direction = s.b1 * m[i] + s.c1 * g;
        const float sign = direction > 0.0f ? 1.0f : direction < 0.0f ? -1.0f : 0.0f;
        p[i] = p[i] * s.keep - rate * sign;
        m[i] = s.b2 * m[i] + s.c2 * g;
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

static const lyc_option options[] = {LYC_MOMENTS_OPTIONS("0.9", "0.99", "1e-8", "0"), {0}};

const lyc_optimizer_entry lyc_optimizer_lion = {
    .name = "Lion",
    .summary = "the sign of one moment: half of AdamW's memory",
    .source = "arXiv 2302.06675",
    .options = options,
    .config_size = sizeof(lyc_moments_config),
    .bytes_per_number = 4,
    .usual_rate = 3e-5,
    .check = lyc_moments_check,
    .add_states = add_states,
    .step = run,
};
