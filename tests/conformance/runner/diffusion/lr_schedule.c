/* lr_schedule.c - rates at each step: "schedule", "options" of diffusers, "base_rate", "rate_at_step"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "kind.h"
#include "train/lr_schedule.h"

static double option(const lyc_case *c, const char *name)
{
    return json_number_value(json_object_get(json_object_get(c->json, "options"), name));
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_lr_schedule schedule;
    const json_t *rates = json_object_get(c->json, "rate_at_step");
    const double base = json_number_value(json_object_get(c->json, "base_rate"));
    const lyc_lr_request request = {
        .name = lyc_case_text(c, "schedule"),
        .warmup_steps = option(c, "num_warmup_steps"),
        .decay_steps = option(c, "num_decay_steps"),
        .cycles = option(c, "num_cycles"),
        .power = option(c, "power"),
        .min_ratio = option(c, "min_lr_rate"),
        .timescale = option(c, "timescale"),
        .step_rules = json_string_value(json_object_get(json_object_get(c->json, "options"), "step_rules")),
        .base_rate = base,
        .total_steps = (int64_t)option(c, "num_training_steps"),
    };
    LYC_TRY(lyc_lr_schedule_init(&schedule, &request, err));
    for (size_t i = 0; i < json_array_size(rates); i++) {
        char name[64];
        snprintf(name, sizeof name, "rate_at_step[%zu]", i);
        lyc_compare_number(result, name, base * lyc_lr_schedule_factor(&schedule, (int64_t)i),
                           json_number_value(json_array_get(rates, i)),
                           (lyc_tolerance){c->absolute_tolerance, c->relative_tolerance});
    }
    return LYC_OK;
}

static bool recognise(lyc_case *c)
{
    return lyc_case_has(c, "rate_at_step");
}

const lyc_kind lyc_kind_lr_schedule = {
    .name = "lr_schedule",
    .recognise = recognise,
    .run = run,
};
