/* layer.c - a layer of a network without adapters
 *
 *     linear: y = act(x wT + b) + residual      conv: y = act(w * x + b) + residual
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/layer.h"

static lyc_value *linear(lyc_graph *g, const lyc_layer *layer, lyc_value *x, int activation, lyc_value *residual)
{
    const lyc_matmul_attr attr = {.alpha = 1.0f, .activation = activation, .trans_b = !layer->transposed};
    return lyc_matmul(g, x, layer->weight, layer->bias, residual, &attr);
}

static lyc_value *conv2d(lyc_graph *g, const lyc_layer *layer, lyc_value *x, int activation, lyc_value *residual)
{
    lyc_conv2d_attr attr = layer->conv;
    attr.activation = activation;
    return lyc_conv2d(g, x, layer->weight, layer->bias, residual, &attr);
}

lyc_value *lyc_layer_forward(lyc_graph *g, const lyc_layer *layer, lyc_value *x, int activation, lyc_value *residual)
{
    switch (layer->kind) {
    case LYC_LAYER_LINEAR:
        return linear(g, layer, x, activation, residual);
    case LYC_LAYER_CONV2D:
        return conv2d(g, layer, x, activation, residual);
    case LYC_LAYER_LAYER_NORM:
        return lyc_layer_norm(g, x, layer->weight, layer->bias, layer->eps);
    case LYC_LAYER_GROUP_NORM:
        break;
    }
    return lyc_group_norm(g, x, layer->weight, layer->bias, layer->groups, layer->eps, layer->silu);
}
