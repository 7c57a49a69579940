/* layer.c - a layer of a network without adapters
 *
 *     linear: y = act(x wT + b) + residual      conv: y = act(w * x + b) + residual
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/layer.h"

static lyc_value *linear(lyc_graph *g, const lyc_layer *layer, lyc_value *x, lyc_value *residual)
{
    const lyc_matmul_attr attr = {.alpha = 1.0f, .trans_b = !layer->transposed};
    return lyc_matmul(g, x, layer->weight, layer->bias, residual, &attr);
}

lyc_value *lyc_layer_finish(lyc_graph *g, lyc_value *y, int activation, lyc_value *residual)
{
    static lyc_value *(*const builders[])(lyc_graph *, lyc_value *) = {
        [LYC_ACTIVATION_SILU] = lyc_silu,           [LYC_ACTIVATION_GELU] = lyc_gelu,
        [LYC_ACTIVATION_GELU_TANH] = lyc_gelu_tanh, [LYC_ACTIVATION_QUICK_GELU] = lyc_quick_gelu,
        [LYC_ACTIVATION_RELU] = lyc_relu,
    };
    if (activation == LYC_ACTIVATION_NONE) {
        return y;
    }
    y = builders[activation](g, y);
    return residual == NULL ? y : lyc_add(g, y, residual);
}

lyc_value *lyc_layer_forward(lyc_graph *g, const lyc_layer *layer, lyc_value *x, int activation, lyc_value *residual)
{
    lyc_value *first = activation == LYC_ACTIVATION_NONE ? residual : NULL;
    switch (layer->kind) {
    case LYC_LAYER_LINEAR:
        return lyc_layer_finish(g, linear(g, layer, x, first), activation, residual);
    case LYC_LAYER_CONV2D:
        return lyc_layer_finish(g, lyc_conv2d(g, x, layer->weight, layer->bias, first, &layer->conv), activation,
                                residual);
    case LYC_LAYER_LAYER_NORM:
        return lyc_layer_norm(g, x, layer->weight, layer->bias, layer->eps);
    case LYC_LAYER_GROUP_NORM:
        break;
    }
    return lyc_group_norm(g, x, layer->weight, layer->bias, layer->groups, layer->eps, layer->silu);
}
