/* layer.h - a layer of a network, as builders of models hand it to adapters
 *
 * Builders never call matmul or conv2d for a layer with weights: they describe the layer and ask for its output, so
 * that an adapter can stand beside it (LoRA), before it (DoRA, (IA)3) or behind it (OFT).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_LAYER_H
#define LYC_ADAPTER_LAYER_H

#include "graph/build.h"
#include "graph/ops/conv2d.h"

typedef enum lyc_layer_kind {
    LYC_LAYER_LINEAR,     /* weight [out,in] */
    LYC_LAYER_CONV2D,     /* weight [out,in/groups,kh,kw] */
    LYC_LAYER_LAYER_NORM, /* weight [c] */
    LYC_LAYER_GROUP_NORM  /* weight [c] */
} lyc_layer_kind;

typedef struct lyc_layer {
    lyc_layer_kind kind;
    const char *component; /* "unet", "text_encoder", "text_encoder_2" */
    const char *name;      /* diffusers module name: "down_blocks.0.attentions.0.proj_in" */
    lyc_value *weight;     /* LYC_VALUE_WEIGHT, or LYC_VALUE_PARAM when it is trained itself */
    lyc_value *bias;       /* NULL: none */
    bool transposed;       /* weight is [in,out] in memory (linear only) */
    lyc_conv2d_attr conv;  /* of LYC_LAYER_CONV2D; activation NONE */
    int groups;            /* of LYC_LAYER_GROUP_NORM */
    float eps;             /* of norms */
    bool silu;             /* group norm with SiLU */
} lyc_layer;

/* The layer alone: linear x [..,in] -> [..,out], conv x [n,h,w,c], norms. residual? is added (linear, conv).
 * activation: lyc_activation of linear and conv, applied before the residual. */
lyc_value *lyc_layer_forward(lyc_graph *g, const lyc_layer *layer, lyc_value *x, int activation, lyc_value *residual);

/* The activation, and behind it the residual, which the product could then not take, as operations of their own: these
 * have gradients, and a plan fuses them where it can. Without an activation, y has the residual already. */
lyc_value *lyc_layer_finish(lyc_graph *g, lyc_value *y, int activation, lyc_value *residual);

/* The layer with whatever adapters of the network apply to it; equal to lyc_layer_forward when network is NULL or has
 * nothing for it. */
struct lyc_network;
lyc_value *lyc_network_apply(struct lyc_network *network, lyc_graph *g, const lyc_layer *layer, lyc_value *x,
                             int activation, lyc_value *residual);

#endif
