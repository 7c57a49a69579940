/* network_apply.c - a layer with the adapters that belong to it
 *
 * Inputs of the graph have names that say whose they are ("0/unet/conv_in.strength"), and are bound by them: a network
 * keeps nothing of the graphs that it takes part in, so graphs may come and go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapter/network_internal.h"
#include "tensor/shape.h"

static const char key_name[] = "adapters.key";

static lyc_value *input(lyc_graph *g, const lyc_adapter *a, const char *what, int64_t count)
{
    char name[LYC_NETWORK_NAME];
    snprintf(name, sizeof name, "%s.%s", a->name, what);
    return lyc_graph_input(g, name, LYC_FLOAT, LYC_SHAPE(count));
}

static void add_site(lyc_adapter_site *site, lyc_network *network, lyc_graph *g, size_t member,
                     const lyc_member_layer *layer)
{
    static const lyc_value_kind kinds[] = {[LYC_NETWORK_FIXED] = LYC_VALUE_WEIGHT,
                                           [LYC_NETWORK_EXCHANGEABLE] = LYC_VALUE_INPUT,
                                           [LYC_NETWORK_TRAINED] = LYC_VALUE_PARAM};
    const lyc_adapter *a = layer->entry.adapter;
    const bool frozen = network->members[member]->frozen;
    lyc_adapter_site_init(site, g, a, frozen ? LYC_VALUE_WEIGHT : kinds[network->use]);
    site->multiplier = input(g, a, "strength", 1);
    if (layer->ranks != NULL) {
        site->ranks = input(g, a, "ranks", a->algorithm->ranks_by_timestep ? (int64_t)network->samples : 1);
    }
    if (network->use == LYC_NETWORK_TRAINED && !frozen) {
        const lyc_member *m = network->members[member];
        site->key = lyc_graph_input(g, key_name, LYC_INDEX, LYC_SHAPE(2));
        site->stream = LYC_ADAPTER_STREAMS * (int)(member * 65536 + (size_t)(layer - m->layers));
    }
}

lyc_value *lyc_network_apply(struct lyc_network *network, lyc_graph *g, const lyc_layer *layer, lyc_value *x,
                             int activation, lyc_value *residual)
{
    lyc_adapter_site sites[LYC_ADAPTER_MAX_SITES];
    int count = 0;
    const uint64_t active = network != NULL ? lyc_network_active(network, layer->component) : 0;
    for (size_t k = 0; network != NULL && k < network->count; k++) {
        const lyc_member_layer *own =
            (active >> k & 1) != 0 ? lyc_member_find(network->members[k], layer->component, layer->name) : NULL;
        if (own != NULL && count == LYC_ADAPTER_MAX_SITES) {
            return lyc_graph_fail(g, LYC_E_UNSUPPORTED, "more than %d adapters at once", (int)LYC_ADAPTER_MAX_SITES);
        }
        if (own != NULL) {
            add_site(&sites[count++], network, g, k, own);
        }
    }
    return count > 0 ? lyc_adapter_apply(g, layer, sites, count, x, activation, residual, LYC_ADAPTER_AUTO)
                     : lyc_layer_forward(g, layer, x, activation, residual);
}

lyc_status lyc_network_bind(lyc_network *network, const lyc_graph *g, lyc_plan *plan, lyc_error *err)
{
    for (int i = 0; i < lyc_graph_value_count(g); i++) {
        const lyc_value *v = lyc_graph_value(g, i);
        if (v->name == NULL || (v->kind != LYC_VALUE_INPUT && v->kind != LYC_VALUE_PARAM)) {
            continue;
        }
        void *data =
            strcmp(v->name, key_name) == 0 ? network->key : lyc_hashmap_get(&network->inputs, lyc_span_of(v->name));
        if (data != NULL) {
            LYC_TRY(lyc_plan_bind(plan, v, data, lyc_plan_bytes(plan, v), err));
        }
    }
    return LYC_OK;
}
