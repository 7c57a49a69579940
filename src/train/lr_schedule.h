/* lr_schedule.h - the factor of the rates at each step
 *
 * s: optimiser steps done so far (0 for the first), w: warm-up steps, N: steps in all. Below w the factor is s / w: the
 * first step of a warm-up has a rate of 0. Names and formulas are those of transformers and diffusers, which sd-scripts
 * uses, and of OneTrainer ("rex").
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_LR_SCHEDULE_H
#define LYC_TRAIN_LR_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { LYC_LR_RULES = 16 };

typedef struct lyc_lr_request {
    const char *name;       /* "cosine"; NULL: constant */
    double warmup_steps;    /* below 1: a part of all steps */
    double decay_steps;     /* of warmup_stable_decay; below 1: a part of all steps */
    double cycles;          /* 0: 1 */
    double power;           /* of polynomial; 0: 1 */
    double min_ratio;       /* of cosine_with_min_lr, warmup_stable_decay */
    double timescale;       /* of inverse_sqrt; 0: the warm-up, or 10000 */
    const char *step_rules; /* of piecewise_constant: "1:10,0.1:20,0.01" */
    double base_rate;       /* polynomial ends at 1e-7, whatever the rate */
    int64_t total_steps;
} lyc_lr_request;

typedef struct lyc_lr_schedule lyc_lr_schedule;

/* A schedule ready for use; holds no memory of its own. */
struct lyc_lr_schedule {
    double (*factor)(const lyc_lr_schedule *schedule, double step);
    int64_t warmup, decay, total;
    double cycles, power, min_ratio, timescale, base_rate;
    int rule_count; /* rules[i] holds below until[i], the last one always */
    double rules[LYC_LR_RULES], until[LYC_LR_RULES];
};

/* LYC_E_ARGUMENT: an unknown name (the nearest is told), a warm-up for "constant", rules that cannot be read. */
lyc_status lyc_lr_schedule_init(lyc_lr_schedule *out, const lyc_lr_request *request, lyc_error *err);

double lyc_lr_schedule_factor(const lyc_lr_schedule *schedule, int64_t step);

/* Its name and what it does; NULL past the last. */
const char *lyc_lr_schedule_name_at(size_t index);
const char *lyc_lr_schedule_summary_at(size_t index);

#endif
