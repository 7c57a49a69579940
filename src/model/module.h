/* module.h - what builders of models say: a named layer and its size; weights are found by name and checked
 *
 *     lyc_module m = {.graph = g, .weights = component, .component = "unet"};
 *     lyc_graph_enter(g, "conv_in");   names follow lyc_graph_enter and lyc_graph_leave
 *     ...
 *     h = lyc_module_conv2d(&m, "conv_in", x, channels, 3, 1, 1, NULL);
 *
 * A weight that is missing or has another shape is an error of the graph that names tensor, file, both shapes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_MODULE_H
#define LYC_MODEL_MODULE_H

#include "adapter/layer.h"
#include "checkpoint/component.h"

/* Tensors of a network that is no part of a checkpoint: encoders of pictures, networks that are made from nothing. */
typedef struct lyc_weight_source {
    /* shape: what the builder asks for, NULL when it only asks whether there is one. A source that finds is not bound
     * by it; one that makes its tensors takes it. */
    bool (*find)(lyc_weight_view *out, const void *context, const char *name, const lyc_shape *shape);
    const void *context;
    const char *file; /* for messages */
} lyc_weight_source;

typedef struct lyc_module {
    lyc_graph *graph;
    const lyc_component *weights;
    const lyc_weight_source *source; /* instead of weights; NULL: weights */
    const char *component;           /* for adapters: "unet", "text_encoder", "text_encoder_2" */
    struct lyc_network *network;     /* adapters; NULL: none */
    /* Which tensors are parameters (native training, gradient checks): f32, bound by the caller under their diffusers
     * name. NULL: all frozen. */
    bool (*trainable)(void *context, const char *name);
    void *context;
} lyc_module;

/* Linear y = x wT + bias; `bias`: the file has one. x [..,in] -> [..,out]. */
lyc_value *lyc_module_linear(lyc_module *m, const char *name, lyc_value *x, int64_t out, bool bias, int activation,
                             lyc_value *residual);

/* Square kernel, stride, symmetric padding, with bias. x [n,h,w,in] -> [n,oh,ow,out]. _attr: everything. */
lyc_value *lyc_module_conv2d(lyc_module *m, const char *name, lyc_value *x, int64_t out, int kernel, int stride,
                             int pad, lyc_value *residual);
lyc_value *lyc_module_conv2d_attr(lyc_module *m, const char *name, lyc_value *x, int64_t out, int kernel, bool bias,
                                  const lyc_conv2d_attr *attr, lyc_value *residual);

lyc_value *lyc_module_group_norm(lyc_module *m, const char *name, lyc_value *x, int groups, float eps, bool silu);
lyc_value *lyc_module_layer_norm(lyc_module *m, const char *name, lyc_value *x, float eps);

/* ids LYC_INDEX [..] -> [..,width]. */
lyc_value *lyc_module_embedding(lyc_module *m, const char *name, lyc_value *ids, int64_t rows, int64_t width);

/* A tensor of the current layer as it is ("class_token", "positional_embedding"). */
lyc_value *lyc_module_tensor(lyc_module *m, const char *name, lyc_shape shape);

/* Whether the current layer has a tensor of this name ("conv_shortcut.weight"). */
bool lyc_module_has(const lyc_module *m, const char *name);

#endif
