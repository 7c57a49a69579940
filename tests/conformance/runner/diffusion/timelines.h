/* timelines.h - the timesteps and sigmas that a scheduler works through
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_TIMELINES_H
#define LYC_CONFORMANCE_TIMELINES_H

#include "case.h"
#include "compare.h"
#include "diffusion/sampler.h"

/* Numbers that were computed: [count], released with lyc_free. */
typedef struct lyc_numbers {
    double *values;
    size_t count;
} lyc_numbers;

/* The timestep of every call of the network. */
lyc_status lyc_call_timesteps(lyc_numbers *out, const lyc_sampler *sampler, const lyc_schedule *schedule,
                              const lyc_sampling_request *request, lyc_error *err);

/* Sigmas in diffusers' arrangement: schedulers with two evaluations a step have all but the first twice. */
lyc_status lyc_scheduler_sigmas(lyc_numbers *out, const lyc_sampling *s, lyc_error *err);

/* Compares every tensor of the case's file, whose names say what they are:
 * <scheduler>.<spacing>.offset<n>.steps<n>.<timesteps|sigmas>, <scheduler>.use_<curve>_sigmas.steps<n>.<...>. */
lyc_status lyc_compare_timelines(lyc_result *result, lyc_case *c, lyc_error *err);

#endif
