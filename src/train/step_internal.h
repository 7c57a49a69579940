/* step_internal.h - shared by the files of a training step
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_STEP_INTERNAL_H
#define LYC_TRAIN_STEP_INTERNAL_H

#include <stdatomic.h>

#include "graph/plan_cache.h"
#include "train/step.h"

enum { LYC_STEP_MAX_CHUNKS = 8 };

/* The kinds of graphs. */
typedef enum lyc_step_aim { LYC_STEP_TRAIN, LYC_STEP_MEASURE, LYC_STEP_PREDICT } lyc_step_aim;

struct lyc_train_step {
    lyc_step_model model;
    lyc_step_options options;
    lyc_plan_cache *cache;
    float **sums; /* of gradients, by row; NULL until they are needed */
    bool summing; /* sums hold the gradients of earlier batches */
    float *losses;
    int64_t loss_capacity;
    atomic_size_t unreleased_bytes;
};

/* A trained value of a graph. */
typedef struct lyc_step_parameter {
    lyc_trainable *row;
    const lyc_value *value, *gradient;
} lyc_step_parameter;

/* What of a graph is bound and read. */
typedef struct lyc_step_handles {
    lyc_value *noisy, *target, *timesteps, *weights, *huber, *mask, *sizes;
    lyc_value *states, *pooled, *ids[2], *eos[2];
    lyc_value *losses, *prediction;
    lyc_step_parameter *parameters;
    int parameter_count;
    bool repeats; /* a row is used at several places */
} lyc_step_handles;

typedef struct lyc_step_request {
    lyc_train_step *step;
    const lyc_step_input *input;
    lyc_step_aim purpose;
} lyc_step_request;

/* step_graph.c: the graph of a request (lyc_step_request) for lyc_plan_cache_get; *out: its lyc_step_handles. */
lyc_status lyc_step_build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err);

/* step_gradients.c: after a run of a plan the rows know their gradients, alone or added to those of earlier batches. */
lyc_status lyc_step_take_gradients(lyc_train_step *step, const lyc_cached_plan *plan, bool more, lyc_error *err);
void lyc_step_forget_gradients(const lyc_train_step *step);
void lyc_step_free_sums(lyc_train_step *step);

#endif
