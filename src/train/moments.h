/* moments.h - what optimisers with two moments have in common
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_MOMENTS_H
#define LYC_TRAIN_MOMENTS_H

#include <stddef.h>

#include "base/error.h"
#include "train/optimizer_entry.h"

typedef struct lyc_moments_config {
    double beta1, beta2, eps, weight_decay;
} lyc_moments_config;

/* Rows of a table of options whose config begins with a lyc_moments_config; "betas=0.9,0.99" sets the first two. */
#define LYC_MOMENTS_OPTIONS(first, second, epsilon, decay)                                                             \
    {.name = "beta1",                                                                                                  \
     .kind = LYC_OPTION_FLOAT,                                                                                         \
     .offset = offsetof(lyc_moments_config, beta1),                                                                    \
     .standard = (first),                                                                                              \
     .min = 0,                                                                                                         \
     .max = 1,                                                                                                         \
     .help = "how much of the first moment is kept; betas=A,B sets both"},                                             \
        {.name = "beta2",                                                                                              \
         .kind = LYC_OPTION_FLOAT,                                                                                     \
         .offset = offsetof(lyc_moments_config, beta2),                                                                \
         .standard = (second),                                                                                         \
         .min = 0,                                                                                                     \
         .max = 1,                                                                                                     \
         .help = "how much of the second moment is kept"},                                                             \
        {.name = "eps",                                                                                                \
         .kind = LYC_OPTION_FLOAT,                                                                                     \
         .offset = offsetof(lyc_moments_config, eps),                                                                  \
         .standard = (epsilon),                                                                                        \
         .min = 0,                                                                                                     \
         .max = LYC_OPTION_UNLIMITED,                                                                                  \
         .help = "added to the root of the second moment"},                                                            \
    {                                                                                                                  \
        .name = "weight_decay", .kind = LYC_OPTION_FLOAT, .offset = offsetof(lyc_moments_config, weight_decay),        \
        .standard = (decay), .min = 0, .max = LYC_OPTION_UNLIMITED, .help = "how strongly weights are pulled to zero"  \
    }

/* LYC_E_ARGUMENT: a beta of 1. */
lyc_status lyc_moments_check(void *config, lyc_error *err);

/* Numbers of a step in f32. */
typedef struct lyc_moments_step {
    float b1, c1, b2, c2; /* c = 1 - b */
    float rate;           /* over 1 - b1^k */
    float unbias;         /* 1 / sqrt(1 - b2^k) */
    float keep;           /* 1 - rate wd */
    float eps, scale;
} lyc_moments_step;

static inline lyc_moments_step lyc_moments_step_of(const lyc_moments_config *c, const lyc_optimizer_step_context *step,
                                                   const lyc_optimizer_slot *slot)
{
    const double rate = lyc_optimizer_rate(step, slot);
    return (lyc_moments_step){
        .b1 = (float)c->beta1,
        .c1 = (float)(1.0 - c->beta1),
        .b2 = (float)c->beta2,
        .c2 = (float)(1.0 - c->beta2),
        .rate = (float)(rate / (1.0 - pow(c->beta1, (double)step->k))),
        .unbias = (float)(1.0 / sqrt(1.0 - pow(c->beta2, (double)step->k))),
        .keep = (float)(1.0 - rate * c->weight_decay),
        .eps = (float)c->eps,
        .scale = (float)step->optimizer->scale,
    };
}

#endif
