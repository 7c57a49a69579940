/* block.c - ResBlock, transformer, resampling
 *
 * Sources: diffusers models/resnet.py, models/attention.py, models/transformers/transformer_2d.py. Traps: the norm of a
 * transformer has another eps than those of ResBlocks; GEGLU takes the value from the first half and the gate from the
 * second; q, k and v have no bias, the output has one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/block.h"

#include "graph/ops/matmul.h"

static const float transformer_group_eps = 1e-6f; /* transformer_2d.py */
static const float transformer_layer_eps = 1e-5f; /* attention.py */

static int64_t channels_of(const lyc_value *x)
{
    return x->shape.dims[x->shape.rank - 1];
}

/* h [n,h,w,c] + projection [n,c] at every pixel. */
static lyc_value *add_time(lyc_module *m, lyc_value *h, lyc_value *time)
{
    lyc_value *shift = lyc_module_linear(m, "time_emb_proj", time, channels_of(h), true, LYC_ACTIVATION_NONE, NULL);
    if (lyc_value_failed(shift)) {
        return shift;
    }
    const lyc_shape shape = LYC_SHAPE(shift->shape.dims[0], 1, 1, shift->shape.dims[1]);
    return lyc_add(m->graph, h, lyc_reshape(m->graph, shift, shape));
}

lyc_value *lyc_block_resnet(lyc_module *m, lyc_value *x, const lyc_resnet_attr *attr, lyc_value *time)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    lyc_value *h = lyc_module_group_norm(m, "norm1", x, attr->groups, attr->eps, true);
    h = lyc_module_conv2d(m, "conv1", h, attr->out, 3, 1, 1, NULL);
    if (time != NULL && !lyc_value_failed(h)) {
        h = add_time(m, h, time);
    }
    h = lyc_module_group_norm(m, "norm2", h, attr->groups, attr->eps, true);
    lyc_value *shortcut = x;
    if (channels_of(x) != attr->out) {
        shortcut = lyc_module_conv2d(m, "conv_shortcut", x, attr->out, 1, 1, 0, NULL);
    }
    h = lyc_module_conv2d(m, "conv2", h, attr->out, 3, 1, 1, shortcut);
    return attr->scale == 1.0f ? h : lyc_affine(m->graph, h, 1.0f / attr->scale, 0.0f);
}

/* x + to_out(attention(to_q norm, keys, values)). Self attention has keys and values from norm as well. */
static lyc_value *attend(lyc_module *m, const char *name, lyc_value *x, lyc_value *norm, int heads, lyc_value *k,
                         lyc_value *v)
{
    if (lyc_value_failed(norm)) {
        return norm;
    }
    const int64_t c = channels_of(x);
    lyc_graph_enter(m->graph, "%s", name);
    lyc_value *q = lyc_module_linear(m, "to_q", norm, c, false, LYC_ACTIVATION_NONE, NULL);
    if (k == NULL) {
        k = lyc_module_linear(m, "to_k", norm, c, false, LYC_ACTIVATION_NONE, NULL);
        v = lyc_module_linear(m, "to_v", norm, c, false, LYC_ACTIVATION_NONE, NULL);
    }
    lyc_value *y = lyc_attention(m->graph, q, k, v, heads, 0.0f, false);
    y = lyc_module_linear(m, "to_out.0", y, c, true, LYC_ACTIVATION_NONE, x);
    lyc_graph_leave(m->graph);
    return y;
}

static lyc_value *feed_forward(lyc_module *m, lyc_value *x, lyc_value *norm)
{
    if (lyc_value_failed(norm)) {
        return norm;
    }
    const int64_t c = channels_of(x);
    lyc_graph_enter(m->graph, "ff");
    lyc_value *h = lyc_module_linear(m, "net.0.proj", norm, 8 * c, true, LYC_ACTIVATION_NONE, NULL);
    h = lyc_geglu(m->graph, h);
    h = lyc_module_linear(m, "net.2", h, c, true, LYC_ACTIVATION_NONE, x);
    lyc_graph_leave(m->graph);
    return h;
}

/* BasicTransformerBlock on tokens [n,t,c]. */
static lyc_value *transformer_block(lyc_module *m, lyc_value *x, int heads, lyc_value *k, lyc_value *v)
{
    x = attend(m, "attn1", x, lyc_module_layer_norm(m, "norm1", x, transformer_layer_eps), heads, NULL, NULL);
    x = attend(m, "attn2", x, lyc_module_layer_norm(m, "norm2", x, transformer_layer_eps), heads, k, v);
    return feed_forward(m, x, lyc_module_layer_norm(m, "norm3", x, transformer_layer_eps));
}

/* proj_in and proj_out: the same product, described as what it is in the file. */
static lyc_value *project(lyc_module *m, const char *name, lyc_value *x, bool linear, lyc_value *residual)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    const int64_t c = channels_of(x);
    return linear ? lyc_module_linear(m, name, x, c, true, LYC_ACTIVATION_NONE, residual)
                  : lyc_module_conv2d(m, name, x, c, 1, 1, 0, residual);
}

lyc_value *lyc_block_transformer(lyc_module *m, lyc_value *x, const lyc_transformer_attr *attr)
{
    lyc_value *h = lyc_module_group_norm(m, "norm", x, attr->groups, transformer_group_eps, false);
    h = project(m, "proj_in", h, attr->linear, NULL);
    if (lyc_value_failed(h)) {
        return h;
    }
    const lyc_shape image = h->shape;
    h = lyc_reshape(m->graph, h, LYC_SHAPE(image.dims[0], image.dims[1] * image.dims[2], image.dims[3]));
    for (int i = 0; i < attr->depth; i++) {
        lyc_graph_enter(m->graph, "transformer_blocks.%d", i);
        h = transformer_block(m, h, attr->heads, attr->k[i], attr->v[i]);
        lyc_graph_leave(m->graph);
    }
    h = lyc_value_failed(h) ? h : lyc_reshape(m->graph, h, image);
    return project(m, "proj_out", h, attr->linear, x);
}

lyc_value *lyc_block_downsample(lyc_module *m, lyc_value *x, int pad)
{
    lyc_conv2d_attr attr = lyc_conv2d_plain(2, pad);
    if (pad == 0) {
        attr.pad[2] = 1;
        attr.pad[3] = 1;
    }
    if (lyc_value_failed(x)) {
        return x;
    }
    return lyc_module_conv2d_attr(m, "downsamplers.0.conv", x, channels_of(x), 3, true, &attr, NULL);
}

lyc_value *lyc_block_upsample(lyc_module *m, lyc_value *x, int64_t oh, int64_t ow)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    lyc_value *h = lyc_upsample_nearest(m->graph, x, oh, ow);
    return lyc_module_conv2d(m, "upsamplers.0.conv", h, channels_of(x), 3, 1, 1, NULL);
}
