/* fold.c - what depends on frozen numbers alone is computed when the graph is built
 *
 * The norms of DoRA and the rotations of OFT cost a good part of a layer with few tokens, in each step of sampling, and
 * are the same in all of them. They are computed by the same builders, in a graph of their own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/site.h"
#include "backend/cpu/cpu.h"
#include "graph/build.h"

static bool is_frozen(const lyc_value *v)
{
    return v->kind == LYC_VALUE_WEIGHT;
}

static bool all_frozen(const lyc_adapter_site *site)
{
    bool frozen = is_frozen(site->layer->weight) && site->key == NULL;
    for (int i = 0; i < site->adapter->n_params; i++) {
        frozen = frozen && is_frozen(site->params[i]) && is_frozen(site->frozen[i]);
    }
    return frozen;
}

static lyc_value *copy_weight(lyc_graph *g, const lyc_value *v)
{
    return lyc_graph_weight(g, "weight", v->dtype, v->shape, v->data);
}

/* The value in a graph of its own, with the same numbers. */
static lyc_value *build_apart(lyc_graph *g, lyc_adapter_site *own, lyc_layer *layer, const lyc_adapter_site *site,
                              lyc_site_builder build)
{
    *layer = *site->layer;
    layer->weight = copy_weight(g, site->layer->weight);
    layer->bias = NULL;
    *own = (lyc_adapter_site){.adapter = site->adapter, .layer = layer};
    for (int i = 0; i < site->adapter->n_params; i++) {
        own->params[i] = own->frozen[i] = copy_weight(g, site->params[i]);
    }
    return lyc_graph_output(g, build(g, own));
}

static lyc_status evaluate(lyc_value **out, lyc_graph *g, const lyc_adapter_site *site, lyc_site_builder build,
                           lyc_error *err)
{
    lyc_graph *apart = NULL;
    lyc_plan *plan = NULL;
    lyc_adapter_site own;
    lyc_layer layer;
    LYC_TRY(lyc_graph_new(&apart, err));
    const lyc_value *v = build_apart(apart, &own, &layer, site, build);
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_cpu()};
    lyc_status status = lyc_plan_compile(&plan, apart, &options, err);
    status = status != LYC_OK ? status : lyc_plan_run(plan, err);
    if (status == LYC_OK) {
        *out = lyc_graph_constant(g, v->shape, lyc_plan_data(plan, v));
    }
    lyc_plan_free(plan);
    lyc_graph_free(apart);
    return status;
}

lyc_value *lyc_site_fold(lyc_graph *g, const lyc_adapter_site *site, lyc_site_builder build)
{
    lyc_value *v = NULL;
    lyc_error err;
    if (lyc_value_failed(site->layer->weight) || !all_frozen(site)) {
        return build(g, site);
    }
    if (site->estimate) {
        v = build(g, site);
        return lyc_value_failed(v) ? v : lyc_graph_input(g, "folded", LYC_FLOAT, v->shape);
    }
    if (evaluate(&v, g, site, build, &err) != LYC_OK) {
        return lyc_graph_fail(g, err.status, "%s", err.message);
    }
    return v;
}
