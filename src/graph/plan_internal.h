/* plan_internal.h - the inside of a plan
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_PLAN_INTERNAL_H
#define LYC_GRAPH_PLAN_INTERNAL_H

#include "graph/program.h"

struct lyc_plan {
    lyc_program program;
    lyc_plan_options options;
    lyc_weight_store *weights; /* in use: the caller's or own_weights */
    lyc_weight_store *own_weights;
    lyc_liveness liveness;
    lyc_plan_memory memory;
    lyc_shared_arena own_arena;
    char *arena; /* where it is now: a shared one may move */
    int threads; /* that kernels divide their work for: their scratch memory is sized for it */
    bool check_finite;
    bool calls_filled; /* pointers of all calls are those of the present bindings */
};

#endif
