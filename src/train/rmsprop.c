/* rmsprop.c - RMSprop and Adagrad: gradients over the root of their squares
 *
 *     RMSprop   v = a v + (1 - a) g^2;   p -= rate g / (sqrt(v) + eps)          torch.optim.RMSprop
 *     Adagrad   v = v + g^2;             p -= rate g / (sqrt(v) + eps)          torch.optim.Adagrad
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>

#include "base/error.h"
#include "train/optimizer_entry.h"

typedef struct squares_config {
    double alpha, eps, weight_decay;
} squares_config;

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    (void)config;
    return lyc_optimizer_add_state(slot, "square_avg", LYC_F32, &slot->param->shape, err);
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const squares_config *c = step->optimizer->config;
    const bool decays = step->optimizer->entry == &lyc_optimizer_rmsprop;
    const float keep = decays ? (float)c->alpha : 1.0f, more = decays ? (float)(1.0 - c->alpha) : 1.0f;
    const float rate = (float)lyc_optimizer_rate(step, slot), scale = (float)step->optimizer->scale;
    const float eps = (float)c->eps, decay = (float)c->weight_decay;
    float *restrict p = slot->param->value;
    const float *restrict gradient = slot->param->gradient;
    float *restrict v = lyc_optimizer_numbers(slot, 0);
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * scale + decay * p[i];
        v[i] = keep * v[i] + more * g * g;
        p[i] -= rate * g / (sqrtf(v[i]) + eps);
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

#define AT(member) .offset = offsetof(squares_config, member)
static const lyc_option options[] = {
    {.name = "alpha",
     .kind = LYC_OPTION_FLOAT,
     AT(alpha),
     .standard = "0.99",
     .min = 0,
     .max = 1,
     .help = "how much of the squares is kept"},
    {.name = "eps",
     .kind = LYC_OPTION_FLOAT,
     AT(eps),
     .standard = "1e-8",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "added to the root"},
    {.name = "weight_decay",
     .kind = LYC_OPTION_FLOAT,
     AT(weight_decay),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how strongly weights are pulled to zero"},
    {0},
};
static const lyc_option adagrad_options[] = {
    {.name = "eps",
     .kind = LYC_OPTION_FLOAT,
     AT(eps),
     .standard = "1e-10",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "added to the root"},
    {.name = "weight_decay",
     .kind = LYC_OPTION_FLOAT,
     AT(weight_decay),
     .standard = "0",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "how strongly weights are pulled to zero"},
    {0},
};

const lyc_optimizer_entry lyc_optimizer_rmsprop = {
    .name = "RMSprop",
    .summary = "gradients over the root of their mean square",
    .source = "torch.optim.RMSprop",
    .options = options,
    .config_size = sizeof(squares_config),
    .bytes_per_number = 4,
    .add_states = add_states,
    .step = run,
};

const lyc_optimizer_entry lyc_optimizer_adagrad = {
    .name = "Adagrad",
    .summary = "gradients over the root of the sum of their squares",
    .source = "torch.optim.Adagrad",
    .options = adagrad_options,
    .config_size = sizeof(squares_config),
    .bytes_per_number = 4,
    .add_states = add_states,
    .step = run,
};
