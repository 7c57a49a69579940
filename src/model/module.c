/* module.c - layers by name: the weight is found, its shape checked, and the layer handed to the adapters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/module.h"

#include <stdio.h>

#include "base/string.h"
#include "tensor/shape.h"

enum { NAME_SIZE = 512 };

static bool find(lyc_weight_view *out, const lyc_module *m, const char *name, const lyc_shape *shape)
{
    return m->source != NULL ? m->source->find(out, m->source->context, name, shape)
                             : lyc_component_find(out, m->weights, name);
}

/* What the weights were read from, for messages. */
static const char *file_of(const lyc_module *m)
{
    if (m->source != NULL) {
        return m->source->file;
    }
    return lyc_component_count(m->weights) > 0 ? lyc_component_at(m->weights, 0).file : "an empty file";
}

/* The name of a tensor of the current layer: "conv_in.weight"; tensor "" is the layer's own name. */
static bool name_tensor(char *name, const lyc_graph *g, const char *tensor)
{
    const char *layer = lyc_graph_layer(g);
    const char *dot = layer[0] != '\0' && tensor[0] != '\0' ? "." : "";
    return snprintf(name, NAME_SIZE, "%s%s%s", layer, dot, tensor) < NAME_SIZE;
}

static lyc_shape transposed_shape(const lyc_shape *shape)
{
    return LYC_SHAPE(shape->dims[1], shape->dims[0]);
}

/* A tensor of the current layer as a weight or, when it is trained, a parameter. transposed: NULL when the caller
 * cannot take a matrix that lies transposed in memory. */
static lyc_value *tensor_of(lyc_module *m, const char *tensor, lyc_shape shape, bool *transposed)
{
    char name[NAME_SIZE];
    lyc_weight_view view;
    if (!name_tensor(name, m->graph, tensor)) {
        return lyc_graph_fail(m->graph, LYC_E_ARGUMENT, "a name of more than %d bytes", NAME_SIZE - 1);
    }
    if (!find(&view, m, name, &shape)) {
        return lyc_graph_fail(m->graph, LYC_E_FORMAT, "no tensor %s in %s", name, file_of(m));
    }
    if (!lyc_shape_equal(&view.shape, &shape)) {
        char found[LYC_SHAPE_TEXT];
        char expected[LYC_SHAPE_TEXT];
        return lyc_graph_fail(m->graph, LYC_E_SHAPE, "%s is %s in %s, expected %s", name,
                              lyc_shape_text(found, sizeof found, &view.shape), view.file,
                              lyc_shape_text(expected, sizeof expected, &shape));
    }
    if (m->trainable != NULL && m->trainable(m->context, name)) {
        return lyc_graph_param(m->graph, name, LYC_FLOAT, LYC_F32, shape);
    }
    if (!view.transposed) {
        return lyc_graph_weight(m->graph, name, view.dtype, shape, view.data);
    }
    if (transposed != NULL) {
        *transposed = true;
        return lyc_graph_weight(m->graph, name, view.dtype, transposed_shape(&shape), view.data);
    }
    lyc_value *memory = lyc_graph_weight(m->graph, name, view.dtype, transposed_shape(&shape), view.data);
    return lyc_transpose(m->graph, memory, 2, (const int[]){1, 0});
}

lyc_value *lyc_module_linear(lyc_module *m, const char *name, lyc_value *x, int64_t out, bool bias, int activation,
                             lyc_value *residual)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    lyc_graph_enter(m->graph, "%s", name);
    const int64_t in = x->shape.dims[x->shape.rank - 1];
    lyc_layer layer = {.kind = LYC_LAYER_LINEAR, .component = m->component, .name = lyc_graph_layer(m->graph)};
    layer.weight = tensor_of(m, "weight", LYC_SHAPE(out, in), &layer.transposed);
    layer.bias = bias ? tensor_of(m, "bias", LYC_SHAPE(out), NULL) : NULL;
    lyc_value *y = lyc_network_apply(m->network, m->graph, &layer, x, activation, residual);
    lyc_graph_leave(m->graph);
    return y;
}

lyc_value *lyc_module_conv2d(lyc_module *m, const char *name, lyc_value *x, int64_t out, int kernel, int stride,
                             int pad, lyc_value *residual)
{
    const lyc_conv2d_attr attr = lyc_conv2d_plain(stride, pad);
    return lyc_module_conv2d_attr(m, name, x, out, kernel, true, &attr, residual);
}

lyc_value *lyc_module_conv2d_attr(lyc_module *m, const char *name, lyc_value *x, int64_t out, int kernel, bool bias,
                                  const lyc_conv2d_attr *attr, lyc_value *residual)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    lyc_graph_enter(m->graph, "%s", name);
    const int64_t in = x->shape.dims[x->shape.rank - 1] / attr->groups;
    lyc_layer layer = {.kind = LYC_LAYER_CONV2D, .component = m->component, .name = lyc_graph_layer(m->graph)};
    layer.conv = *attr;
    layer.conv.activation = LYC_ACTIVATION_NONE;
    layer.weight = tensor_of(m, "weight", LYC_SHAPE(out, in, kernel, kernel), NULL);
    layer.bias = bias ? tensor_of(m, "bias", LYC_SHAPE(out), NULL) : NULL;
    lyc_value *y = lyc_network_apply(m->network, m->graph, &layer, x, attr->activation, residual);
    lyc_graph_leave(m->graph);
    return y;
}

static lyc_value *norm(lyc_module *m, const char *name, lyc_value *x, lyc_layer layer)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    lyc_graph_enter(m->graph, "%s", name);
    const int64_t c = x->shape.dims[x->shape.rank - 1];
    layer.component = m->component;
    layer.name = lyc_graph_layer(m->graph);
    layer.weight = tensor_of(m, "weight", LYC_SHAPE(c), NULL);
    layer.bias = tensor_of(m, "bias", LYC_SHAPE(c), NULL);
    lyc_value *y = lyc_network_apply(m->network, m->graph, &layer, x, LYC_ACTIVATION_NONE, NULL);
    lyc_graph_leave(m->graph);
    return y;
}

lyc_value *lyc_module_group_norm(lyc_module *m, const char *name, lyc_value *x, int groups, float eps, bool silu)
{
    return norm(m, name, x, (lyc_layer){.kind = LYC_LAYER_GROUP_NORM, .groups = groups, .eps = eps, .silu = silu});
}

lyc_value *lyc_module_layer_norm(lyc_module *m, const char *name, lyc_value *x, float eps)
{
    return norm(m, name, x, (lyc_layer){.kind = LYC_LAYER_LAYER_NORM, .eps = eps});
}

lyc_value *lyc_module_embedding(lyc_module *m, const char *name, lyc_value *ids, int64_t rows, int64_t width)
{
    lyc_graph_enter(m->graph, "%s", name);
    lyc_value *table = tensor_of(m, "weight", LYC_SHAPE(rows, width), NULL);
    lyc_value *y = lyc_embedding(m->graph, table, ids);
    lyc_graph_leave(m->graph);
    return y;
}

lyc_value *lyc_module_tensor(lyc_module *m, const char *name, lyc_shape shape)
{
    return tensor_of(m, name, shape, NULL);
}

bool lyc_module_has(const lyc_module *m, const char *name)
{
    char full[NAME_SIZE];
    lyc_weight_view view;
    return name_tensor(full, m->graph, name) && find(&view, m, full, NULL);
}
