/* sgd.c - stochastic gradient descent, with momentum where it is asked for
 *
 *     g += wd p;   buf = g at the first step, else mom buf + g;   p -= rate (nesterov ? g + mom buf : buf)
 *
 * As in torch: without momentum p -= rate g. SGDNesterov of sd-scripts is it with a momentum of 0.9.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "base/error.h"
#include "train/optimizer_entry.h"

typedef struct sgd_config {
    double momentum, weight_decay;
    bool nesterov;
} sgd_config;

static lyc_status check(void *config, lyc_error *err)
{
    const sgd_config *c = config;
    if (c->nesterov && !(c->momentum > 0.0)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "nesterov needs a momentum above 0");
    }
    return LYC_OK;
}

static lyc_status add_states(lyc_optimizer_slot *slot, const void *config, lyc_error *err)
{
    return ((const sgd_config *)config)->momentum > 0.0
               ? lyc_optimizer_add_state(slot, "momentum_buffer", LYC_F32, &slot->param->shape, err)
               : LYC_OK;
}

static void update(double *sums, const lyc_optimizer_step_context *step, const lyc_optimizer_slot *slot, int64_t first,
                   int64_t last)
{
    const sgd_config *c = step->optimizer->config;
    const float rate = (float)lyc_optimizer_rate(step, slot);
    const float scale = (float)step->optimizer->scale, decay = (float)c->weight_decay;
    const float momentum = step->k == 1 ? 0.0f : (float)c->momentum, ahead = (float)c->momentum;
    float *restrict p = slot->param->value;
    const float *restrict gradient = slot->param->gradient;
    float *restrict buffer = slot->state_count > 0 ? lyc_optimizer_numbers(slot, 0) : NULL;
    (void)sums;
    for (int64_t i = first; i < last; i++) {
        const float g = gradient[i] * scale + decay * p[i];
        float direction = g;
        if (buffer != NULL) {
            buffer[i] = momentum * buffer[i] + g;
            direction = c->nesterov ? g + ahead * buffer[i] : buffer[i];
        }
        p[i] -= rate * direction;
    }
}

static lyc_status run(const lyc_optimizer_step_context *step, lyc_error *err)
{
    (void)err;
    lyc_optimizer_for_pieces(NULL, step, update);
    return LYC_OK;
}

#define SGD_OPTIONS(standard_momentum, standard_nesterov)                                                              \
    {.name = "momentum",                                                                                               \
     .kind = LYC_OPTION_FLOAT,                                                                                         \
     .offset = offsetof(sgd_config, momentum),                                                                         \
     .standard = (standard_momentum),                                                                                  \
     .min = 0,                                                                                                         \
     .max = 1,                                                                                                         \
     .help = "how much of the last direction is kept"},                                                                \
        {.name = "weight_decay",                                                                                       \
         .kind = LYC_OPTION_FLOAT,                                                                                     \
         .offset = offsetof(sgd_config, weight_decay),                                                                 \
         .standard = "0",                                                                                              \
         .min = 0,                                                                                                     \
         .max = LYC_OPTION_UNLIMITED,                                                                                  \
         .help = "how strongly weights are pulled to zero"},                                                           \
    {                                                                                                                  \
        .name = "nesterov", .kind = LYC_OPTION_BOOL, .offset = offsetof(sgd_config, nesterov),                         \
        .standard = (standard_nesterov), .help = "look ahead along the direction"                                      \
    }

static const lyc_option options[] = {SGD_OPTIONS("0", "false"), {0}};
static const lyc_option nesterov_options[] = {SGD_OPTIONS("0.9", "true"), {0}};

const lyc_optimizer_entry lyc_optimizer_sgd = {
    .name = "SGD",
    .summary = "gradient descent",
    .source = "torch.optim.SGD",
    .options = options,
    .config_size = sizeof(sgd_config),
    .bytes_per_number = 4,
    .check = check,
    .add_states = add_states,
    .step = run,
};

const lyc_optimizer_entry lyc_optimizer_sgd_nesterov = {
    .name = "SGDNesterov",
    .summary = "gradient descent with Nesterov's momentum",
    .source = "torch.optim.SGD",
    .options = nesterov_options,
    .config_size = sizeof(sgd_config),
    .bytes_per_number = 4,
    .check = check,
    .add_states = add_states,
    .step = run,
};
