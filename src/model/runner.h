/* runner.h - a network in use: plans by shape over one set of packed weights, numbers in and out as f32
 *
 * What the runners of U-Net, VAE and text encoder share. A runner is used by one thread at a time; results are written
 * to the caller's memory, so nothing of a run is borrowed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_RUNNER_H
#define LYC_MODEL_RUNNER_H

#include <stdatomic.h>

#include "graph/plan_cache.h"
#include "model/module.h"

typedef struct lyc_runner_options {
    lyc_precision precision; /* F32 or BF16 */
    const lyc_backend *backend;
    struct lyc_network *network; /* adapters; NULL: none */

    /* Binds a parameter that the adapters brought into a new plan. NULL: they bring none. */
    lyc_status (*bind)(void *context, lyc_plan *plan, const lyc_value *param, lyc_error *err);
    void *bind_context;
} lyc_runner_options;

typedef struct lyc_runner {
    lyc_plan_cache *cache;
    lyc_runner_options options;
    const lyc_component *weights;
    atomic_size_t unreleased_bytes; /* of the file, read since pages were released last */
} lyc_runner;

/* The runner stays where it is until it is cleared: its cache points to it. Borrows weights, whose mapped pages are
 * given back while they are packed: a model needs the memory of its packed form, and a little more for a moment. */
lyc_status lyc_runner_init(lyc_runner *runner, const lyc_component *weights, const lyc_runner_options *options,
                           lyc_error *err);
void lyc_runner_clear(lyc_runner *runner);

/* A module of the runner's weights and adapters in graph g. */
lyc_module lyc_runner_module(const lyc_runner *runner, lyc_graph *g);

/* The plan of a key (up to 200 characters) and of the adapters that are active, built when it is asked for first, the
 * parameters of adapters bound. */
lyc_status lyc_runner_plan(const lyc_cached_plan **out, lyc_runner *runner, const char *key, lyc_graph_builder build,
                           void *context, lyc_error *err);

/* Binds an input to the caller's numbers, which are only read. A NULL value is passed over. */
lyc_status lyc_runner_bind(const lyc_cached_plan *plan, const lyc_value *input, const void *data, lyc_error *err);

/* Copies an output of type LYC_FLOAT. */
void lyc_runner_take(float *out, const lyc_cached_plan *plan, const lyc_value *output);

/* An input of f32 numbers as an activation, and an activation as an output of f32 numbers. */
lyc_value *lyc_runner_float_input(lyc_value **input, lyc_graph *g, const char *name, lyc_shape shape);
lyc_value *lyc_runner_float_output(lyc_graph *g, lyc_value *v);

#endif
