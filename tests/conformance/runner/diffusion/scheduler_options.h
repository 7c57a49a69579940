/* scheduler_options.h - a scheduler of diffusers by its class and options, as a sampler and a request
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_SCHEDULER_OPTIONS_H
#define LYC_CONFORMANCE_SCHEDULER_OPTIONS_H

#include <jansson.h>

#include "diffusion/sampler.h"

typedef struct lyc_scheduler_case {
    const lyc_sampler *sampler;
    lyc_scheduler_config config;
    lyc_sampling_request request; /* without steps and noise */
    double *trained_betas;
} lyc_scheduler_case;

/* class: "EulerDiscreteScheduler"; options: its members as diffusers names them, the rest at diffusers' standard. An
 * option that has no counterpart here is an error unless it is null, false or at its standard. */
lyc_status lyc_scheduler_case_init(lyc_scheduler_case *s, const char *class_name, const json_t *options,
                                   lyc_error *err);
void lyc_scheduler_case_clear(lyc_scheduler_case *s);

#endif
