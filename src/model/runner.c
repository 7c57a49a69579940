/* runner.c - plans by shape, and numbers in and out
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/runner.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapter/network.h"
#include "base/log.h"

/* Between two calls of lyc_component_release_pages: large enough to be cheap, small against any model. */
static const size_t release_every_bytes = (size_t)32 << 20;

static void count_read(void *context, size_t bytes)
{
    lyc_runner *runner = context;
    if (atomic_fetch_add(&runner->unreleased_bytes, bytes) + bytes >= release_every_bytes) {
        atomic_store(&runner->unreleased_bytes, 0);
        lyc_component_release_pages(runner->weights);
    }
}

lyc_status lyc_runner_init(lyc_runner *runner, const lyc_component *weights, const lyc_runner_options *options,
                           lyc_error *err)
{
    const lyc_plan_options plan = {
        .precision = options->precision,
        .backend = options->backend,
        .weights_read = count_read,
        .weights_context = runner,
    };
    runner->options = *options;
    runner->weights = weights;
    atomic_init(&runner->unreleased_bytes, 0);
    return lyc_plan_cache_new(&runner->cache, &plan, err);
}

void lyc_runner_clear(lyc_runner *runner)
{
    lyc_plan_cache_free(runner->cache);
    runner->cache = NULL;
}

lyc_module lyc_runner_module(const lyc_runner *runner, lyc_graph *g)
{
    return (lyc_module){
        .graph = g,
        .weights = runner->weights,
        .component = lyc_component_kind_name(lyc_component_kind_of(runner->weights)),
        .network = runner->options.network,
    };
}

static lyc_status bind_params(const lyc_runner *runner, const lyc_cached_plan *plan, lyc_error *err)
{
    for (int i = 0; i < lyc_graph_value_count(plan->graph); i++) {
        const lyc_value *v = lyc_graph_value(plan->graph, i);
        if (v->kind == LYC_VALUE_PARAM && runner->options.bind != NULL) {
            LYC_TRY(runner->options.bind(runner->options.bind_context, plan->plan, v, err));
        }
    }
    return LYC_OK;
}

/* A plan holds the adapters that were active when it was built: the others have plans of their own. */
static const char *key_with_adapters(char *out, size_t size, const lyc_runner *runner, const char *key)
{
    const struct lyc_network *network = runner->options.network;
    const char *component = lyc_component_kind_name(lyc_component_kind_of(runner->weights));
    const uint64_t active = network != NULL ? lyc_network_active(network, component) : 0;
    const int n = active != 0 ? snprintf(out, size, "%s adapters=%" PRIx64, key, active) : 0;
    assert(n >= 0 && (size_t)n < size);
    return n > 0 ? out : key;
}

lyc_status lyc_runner_plan(const lyc_cached_plan **out, lyc_runner *runner, const char *key, lyc_graph_builder build,
                           void *context, lyc_error *err)
{
    char full[256];
    const int before = lyc_plan_cache_count(runner->cache);
    key = key_with_adapters(full, sizeof full, runner, key);
    LYC_TRY(lyc_plan_cache_get(out, runner->cache, key, build, context, err));
    if (lyc_plan_cache_count(runner->cache) == before) {
        return LYC_OK;
    }
    lyc_component_release_pages(runner->weights);
    atomic_store(&runner->unreleased_bytes, 0);
    LYC_TRY(bind_params(runner, *out, err));
    struct lyc_network *network = runner->options.network;
    return network != NULL ? lyc_network_bind(network, (*out)->graph, (*out)->plan, err) : LYC_OK;
}

lyc_status lyc_runner_bind(const lyc_cached_plan *plan, const lyc_value *input, const void *data, lyc_error *err)
{
    if (input == NULL) {
        return LYC_OK;
    }
    /* A plan takes inputs and parameters alike, hence no const; inputs are only read. */
    return lyc_plan_bind(plan->plan, input, (void *)(uintptr_t)data, lyc_plan_bytes(plan->plan, input), err);
}

void lyc_runner_take(float *out, const lyc_cached_plan *plan, const lyc_value *output)
{
    memcpy(out, lyc_plan_data(plan->plan, output), lyc_plan_bytes(plan->plan, output));
}

lyc_value *lyc_runner_float_input(lyc_value **input, lyc_graph *g, const char *name, lyc_shape shape)
{
    *input = lyc_graph_input(g, name, LYC_FLOAT, shape);
    return lyc_cast(g, *input, LYC_ACTIVATION);
}

lyc_value *lyc_runner_float_output(lyc_graph *g, lyc_value *v)
{
    return lyc_graph_output(g, lyc_cast(g, v, LYC_FLOAT));
}
