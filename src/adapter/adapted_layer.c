/* adapted_layer.c - one layer with adapters as a plan of its own, for engines that have no graph of this library
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/network_file_internal.h"
#include "adapter/site.h"
#include "backend/cpu/default.h"
#include "base/memory.h"
#include "tensor/shape.h"

struct lyc_adapted_layer {
    lyc_graph *graph;
    lyc_plan *plan;
    lyc_adapter *adapters[LYC_ADAPTER_MAX_SITES];
    lyc_adapter_site sites[LYC_ADAPTER_MAX_SITES];
    float strengths[LYC_ADAPTER_MAX_SITES];
    size_t count;
    lyc_value *x, *y;
    lyc_shape output;
};

void lyc_adapted_layer_free(lyc_adapted_layer *layer)
{
    if (layer == NULL) {
        return;
    }
    lyc_plan_free(layer->plan);
    lyc_graph_free(layer->graph);
    for (size_t i = 0; i < layer->count; i++) {
        lyc_adapter_free(layer->adapters[i]);
    }
    lyc_free(layer);
}

lyc_shape lyc_adapted_layer_output(const lyc_adapted_layer *layer)
{
    return layer->output;
}

static lyc_status check(const lyc_base_layer *base, const lyc_shape *x, size_t count, lyc_error *err)
{
    if (base->weight == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the layer's weight is not given");
    }
    if (base->shape.rank != 2 && base->shape.rank != 4) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a weight of %d extents; expected a linear layer or a convolution [n,h,w,c]", base->shape.rank);
    }
    if (x->rank < 1 || (base->shape.rank == 4 && x->rank != 4)) {
        return lyc_fail(err, LYC_E_SHAPE, "an input of %d extents does not go with the layer", x->rank);
    }
    if (count > LYC_ADAPTER_MAX_SITES) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%zu adapters for one layer; at most %d are possible", count,
                        (int)LYC_ADAPTER_MAX_SITES);
    }
    return LYC_OK;
}

static lyc_layer describe(lyc_graph *g, const lyc_base_layer *base)
{
    lyc_layer layer = {
        .kind = base->shape.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D,
        .component = "layer",
        .name = "layer",
        .weight = lyc_graph_weight(g, "weight", base->dtype, base->shape, base->weight),
        .bias = base->bias != NULL
                    ? lyc_graph_weight(g, "bias", base->dtype, LYC_SHAPE(base->shape.dims[0]), base->bias)
                    : NULL,
    };
    layer.conv.groups = base->groups > 0 ? base->groups : 1;
    for (int i = 0; i < 2; i++) {
        layer.conv.stride[i] = base->stride[i] > 0 ? base->stride[i] : 1;
        layer.conv.dilation[i] = base->dilation[i] > 0 ? base->dilation[i] : 1;
        layer.conv.pad[i] = layer.conv.pad[i + 2] = base->padding[i];
    }
    return layer;
}

static lyc_status add_source(lyc_adapted_layer *out, const lyc_layer_source *source, const lyc_adapter_target *target,
                             const lyc_base_layer *base, lyc_error *err)
{
    lyc_adapter **adapter = &out->adapters[out->count];
    lyc_adapter_site *site = &out->sites[out->count];
    LYC_TRY(lyc_network_file_adapter(adapter, source->file, source->index, target, err));
    out->count++;
    if ((*adapter)->incomplete) {
        lyc_tensor_view weight = {.name = "weight", .dtype = base->dtype, .shape = base->shape, .data = base->weight};
        LYC_TRY(lyc_shape_bytes(&weight.size_bytes, &weight.shape, weight.dtype, err));
        LYC_TRY(lyc_adapter_restore(*adapter, &weight, err));
    }
    lyc_adapter_site_init(site, out->graph, *adapter, LYC_VALUE_WEIGHT);
    site->multiplier = lyc_graph_input(out->graph, "strength", LYC_FLOAT, LYC_SHAPE(1));
    return LYC_OK;
}

static lyc_status make(lyc_adapted_layer *out, const lyc_layer_source *sources, size_t count,
                       const lyc_base_layer *base, const lyc_shape *x, lyc_error *err)
{
    LYC_TRY(check(base, x, count, err));
    LYC_TRY(lyc_graph_new(&out->graph, err));
    lyc_graph *g = out->graph;
    const lyc_layer layer = describe(g, base);
    const lyc_adapter_target target = lyc_adapter_target_of(&layer);
    for (size_t i = 0; i < count; i++) {
        LYC_TRY(add_source(out, &sources[i], &target, base, err));
    }
    out->x = lyc_graph_input(g, "x", LYC_ACTIVATION, *x);
    out->y = lyc_graph_output(
        g, lyc_adapter_apply(g, &layer, out->sites, (int)count, out->x, LYC_ACTIVATION_NONE, NULL, LYC_ADAPTER_AUTO));
    const lyc_plan_options options = {.precision = LYC_PRECISION_F32, .backend = lyc_backend_default()};
    LYC_TRY(lyc_plan_compile(&out->plan, g, &options, err));
    for (size_t i = 0; i < count; i++) {
        LYC_TRY(lyc_adapter_site_bind(&out->sites[i], out->plan, out->adapters[i], err));
        LYC_TRY(lyc_plan_bind(out->plan, out->sites[i].multiplier, &out->strengths[i], sizeof(float), err));
    }
    out->output = out->y->shape;
    return LYC_OK;
}

lyc_status lyc_adapted_layer_new(lyc_adapted_layer **out, const lyc_layer_source *sources, size_t count,
                                 const lyc_base_layer *base, const lyc_shape *x, lyc_error *err)
{
    *out = NULL;
    lyc_adapted_layer *layer = lyc_alloc_zero(1, sizeof *layer);
    if (layer == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a layer");
    }
    const lyc_status status = make(layer, sources, count, base, x, err);
    if (status != LYC_OK) {
        lyc_adapted_layer_free(layer);
        return status;
    }
    *out = layer;
    return LYC_OK;
}

lyc_status lyc_adapted_layer_run(float *y, lyc_adapted_layer *layer, const float *x, const float *strengths,
                                 lyc_error *err)
{
    for (size_t i = 0; i < layer->count; i++) {
        layer->strengths[i] = strengths[i];
    }
    LYC_TRY(lyc_plan_bind(layer->plan, layer->x, (void *)x, lyc_plan_bytes(layer->plan, layer->x), err));
    LYC_TRY(lyc_plan_run(layer->plan, err));
    memcpy(y, lyc_plan_data(layer->plan, layer->y), lyc_plan_bytes(layer->plan, layer->y));
    return LYC_OK;
}
