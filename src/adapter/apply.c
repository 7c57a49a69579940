/* apply.c - layers with adapters
 *
 * Merged: the changed weight is formed in each run and takes the place of the layer's. Structured: adapters stand
 * beside the layer or behind it. Adapters that are not additive give W'_k x from z = W x; what several of them change
 * is added up, and additive ones come last, on top of whatever there is:
 *
 *     y = W'_1 x + sum over k > 1 of (W'_k x - z) + sum of ΔW_a x + b
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "adapter/dora.h"
#include "graph/build.h"
#include "tensor/shape.h"

static bool is_norm(const lyc_layer *layer)
{
    return layer->kind == LYC_LAYER_LAYER_NORM || layer->kind == LYC_LAYER_GROUP_NORM;
}

/* A convolution of one dimension is one of two, of height 1. */
static lyc_layer in_two_dimensions(lyc_graph *g, const lyc_layer *layer)
{
    lyc_layer flat = *layer;
    if (layer->kind == LYC_LAYER_CONV2D && !lyc_value_failed(layer->weight) && layer->weight->shape.rank == 3) {
        const int64_t *d = layer->weight->shape.dims;
        flat.weight = lyc_reshape(g, layer->weight, LYC_SHAPE(d[0], d[1], 1, d[2]));
    }
    return flat;
}

static bool is_additive(const lyc_adapter_site *site)
{
    return site->adapter->algorithm->additive && !lyc_dora_has(site->adapter);
}

/* W' of one adapter, [out,in*kernel]. */
static lyc_value *changed(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter_algorithm *algorithm = site->adapter->algorithm;
    if (lyc_dora_has(site->adapter)) {
        return lyc_dora_changed(g, site);
    }
    assert(algorithm->changed != NULL || algorithm->delta != NULL);
    return algorithm->changed != NULL ? algorithm->changed(g, site)
                                      : lyc_add(g, lyc_site_weight(g, site), algorithm->delta(g, site));
}

/* W' - W. */
static lyc_value *delta(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter_algorithm *algorithm = site->adapter->algorithm;
    if (algorithm->delta != NULL && !lyc_dora_has(site->adapter)) {
        return algorithm->delta(g, site);
    }
    return lyc_sub(g, changed(g, site), lyc_site_weight(g, site));
}

static lyc_value *delta_bias(lyc_graph *g, const lyc_adapter_site *site)
{
    const char *name = lyc_adapter_bias(site->adapter);
    lyc_value *change = name == NULL ? NULL : lyc_site_param(site, name);
    return change == NULL ? NULL : lyc_site_drop_rows(g, site, lyc_site_strengthen(g, site, change));
}

/* The bias with all changes of it; NULL when there is none. */
static lyc_value *changed_bias(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count)
{
    lyc_value *bias = layer->bias;
    for (int k = 0; k < count; k++) {
        lyc_value *d = delta_bias(g, &sites[k]);
        bias = d == NULL ? bias : bias == NULL ? d : lyc_add(g, bias, d);
    }
    return bias;
}

/* W with all changes, in the shape of W and not transposed. */
static lyc_value *changed_weight(lyc_graph *g, const lyc_adapter_site *sites, int count)
{
    lyc_value *w = changed(g, &sites[0]);
    for (int k = 1; k < count; k++) {
        w = lyc_add(g, w, delta(g, &sites[k]));
    }
    return lyc_value_failed(w) || sites[0].layer->transposed ? w : lyc_reshape(g, w, sites[0].layer->weight->shape);
}

static lyc_value *merged(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count, lyc_value *x,
                         int activation, lyc_value *residual)
{
    lyc_layer adapted = *layer;
    adapted.weight = changed_weight(g, sites, count);
    adapted.bias = changed_bias(g, layer, sites, count);
    adapted.transposed = false;
    return lyc_layer_forward(g, &adapted, x, activation, residual);
}

/* The sum of what adapters that are not additive make of z = W x; NULL when there are none of them. */
static lyc_value *around(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count, lyc_value *x)
{
    lyc_layer bare = *layer;
    lyc_value *z = NULL;
    lyc_value *y = NULL;
    bare.bias = NULL;
    for (int k = 0; k < count; k++) {
        if (is_additive(&sites[k])) {
            continue;
        }
        z = z != NULL ? z : lyc_layer_forward(g, &bare, x, LYC_ACTIVATION_NONE, NULL);
        lyc_value *own = lyc_dora_has(sites[k].adapter) ? lyc_dora_apply(g, &sites[k], x, z)
                                                        : sites[k].adapter->algorithm->apply(g, &sites[k], x, z);
        y = y == NULL ? own : lyc_add(g, y, lyc_sub(g, own, z));
    }
    return y;
}

static lyc_value *structured(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count,
                             lyc_value *x, int activation, lyc_value *residual)
{
    lyc_layer adapted = *layer;
    adapted.bias = changed_bias(g, layer, sites, count);
    lyc_value *first = activation == LYC_ACTIVATION_NONE ? residual : NULL;
    lyc_value *y = around(g, layer, sites, count, x);
    if (y == NULL) {
        y = lyc_layer_forward(g, &adapted, x, LYC_ACTIVATION_NONE, first);
    } else {
        y = adapted.bias == NULL ? y : lyc_add(g, y, adapted.bias);
        y = first == NULL ? y : lyc_add(g, y, first);
    }
    for (int k = 0; k < count; k++) {
        y = is_additive(&sites[k]) ? sites[k].adapter->algorithm->apply(g, &sites[k], x, y) : y;
    }
    return lyc_layer_finish(g, y, activation, residual);
}

bool lyc_adapter_structure_known(const lyc_layer *layer, const lyc_adapter_site *sites, int count)
{
    for (int k = 0; k < count; k++) {
        if (sites[k].adapter->algorithm->apply == NULL) {
            return false;
        }
    }
    /* A group of a convolution sees its own part of x alone: factors of the whole change would not. */
    return !is_norm(layer) && (layer->kind != LYC_LAYER_CONV2D || layer->conv.groups == 1);
}

/* Sites as this layer's, checked. */
static bool settle(lyc_graph *g, lyc_adapter_site *own, const lyc_layer *layer, const lyc_adapter_site *sites,
                   int count)
{
    if (lyc_value_failed(layer->weight)) {
        return false;
    }
    const lyc_shape *w = &layer->weight->shape;
    for (int k = 0; k < count; k++) {
        const lyc_adapter *a = sites[k].adapter;
        own[k] = sites[k];
        own[k].layer = layer;
        const int64_t rows = layer->transposed ? w->dims[1] : w->dims[0];
        if (rows != a->out || lyc_shape_elements(w) != a->out * a->in * a->kernel) {
            char found[LYC_SHAPE_TEXT];
            char expected[LYC_SHAPE_TEXT];
            lyc_graph_fail(g, LYC_E_SHAPE, "the adapter is for a weight of %s, the layer's is %s",
                           lyc_shape_text(expected, sizeof expected, &a->target.weight),
                           lyc_shape_text(found, sizeof found, w));
            return false;
        }
    }
    return true;
}

lyc_value *lyc_adapter_apply(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *sites, int count,
                             lyc_value *x, int activation, lyc_value *residual, lyc_adapter_form form)
{
    lyc_adapter_site own[LYC_ADAPTER_MAX_SITES];
    if (count == 0) {
        return lyc_layer_forward(g, layer, x, activation, residual);
    }
    if (count > LYC_ADAPTER_MAX_SITES) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "%d adapters of one layer, at most %d are possible", count,
                              LYC_ADAPTER_MAX_SITES);
    }
    assert(count > 0);
    const lyc_layer flat = in_two_dimensions(g, layer);
    if (lyc_value_failed(x) || !settle(g, own, &flat, sites, count)) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "an adapter without a layer");
    }
    if (form == LYC_ADAPTER_AUTO) {
        lyc_adapter_choice choice;
        lyc_error err;
        if (lyc_adapter_choose(&choice, &flat, own, count, x, &err) != LYC_OK) {
            return lyc_graph_fail(g, err.status, "%s", err.message);
        }
        form = choice.form;
    } else if (form == LYC_ADAPTER_STRUCTURED && !lyc_adapter_structure_known(&flat, own, count)) {
        return lyc_graph_fail(g, LYC_E_UNSUPPORTED, "%s has no structured form for this layer",
                              own[0].adapter->algorithm->name);
    }
    return form == LYC_ADAPTER_MERGED ? merged(g, &flat, own, count, x, activation, residual)
                                      : structured(g, &flat, own, count, x, activation, residual);
}

/* A matrix [out,in*kernel] as the layer's weight lies. */
static lyc_value *in_shape(lyc_graph *g, const lyc_layer *layer, lyc_value *v)
{
    return layer->transposed ? lyc_transpose(g, v, 2, (int[]){1, 0}) : lyc_reshape(g, v, layer->weight->shape);
}

lyc_value *lyc_adapter_changed(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site)
{
    lyc_adapter_site own;
    if (!settle(g, &own, layer, site, 1)) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "an adapter without a layer");
    }
    return in_shape(g, layer, changed(g, &own));
}

lyc_value *lyc_adapter_delta(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site)
{
    lyc_adapter_site own;
    if (!settle(g, &own, layer, site, 1)) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "an adapter without a layer");
    }
    return in_shape(g, layer, delta(g, &own));
}

lyc_value *lyc_adapter_delta_bias(lyc_graph *g, const lyc_layer *layer, const lyc_adapter_site *site)
{
    lyc_adapter_site own;
    return settle(g, &own, layer, site, 1) ? delta_bias(g, &own) : NULL;
}
