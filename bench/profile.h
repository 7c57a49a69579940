/* profile.h - where the time of a plan goes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BENCH_PROFILE_H
#define LYC_BENCH_PROFILE_H

#include "graph/plan.h"

/* A line for each kind of operation, the slowest first. seconds: of each step, summed over `runs`. */
void bench_profile_print(const lyc_plan *plan, const double *seconds, int runs);

#endif
