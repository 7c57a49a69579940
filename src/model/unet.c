/* unet.c - UNet2DConditionModel: time, down path, mid block, up path
 *
 *     skips = [conv_in x, every block and downsampler of the down path]; the up path takes them back in reverse
 *
 * Source: diffusers models/unets/unet_2d_condition.py and unet_2d_blocks.py; Ronneberger et al. (arXiv 1505.04597),
 * Rombach et al. (arXiv 2112.10752). up_blocks.0 is the deepest level. When a level's size is odd, the upsampler goes
 * to the size of the next skip instead of twice its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/unet.h"

#include <stdio.h>

#include "graph/ops/matmul.h"
#include "model/block.h"
#include "model/unet_internal.h"

lyc_value *lyc_unet_time(lyc_module *m, const lyc_unet_config *config, lyc_value *timesteps, lyc_value *guidance)
{
    lyc_graph *g = m->graph;
    const int64_t width = config->channels[0];
    lyc_graph_enter(g, "time_embedding");
    lyc_value *t = lyc_timestep_embedding(g, timesteps, (int)width, config->flip_sin_to_cos, config->freq_shift);
    t = lyc_cast(g, t, LYC_ACTIVATION);
    if (guidance != NULL) {
        t = lyc_module_linear(m, "cond_proj", guidance, width, false, LYC_ACTIVATION_NONE, t);
    }
    t = lyc_module_linear(m, "linear_1", t, 4 * width, true, LYC_ACTIVATION_SILU, NULL);
    t = lyc_module_linear(m, "linear_2", t, 4 * width, true, LYC_ACTIVATION_NONE, NULL);
    lyc_graph_leave(g);
    return t;
}

/* SDXL: temb + linear_2(silu(linear_1([pooled, sinusoids of the six sizes]))). */
static lyc_value *add_micro_conditions(lyc_module *m, const lyc_unet_config *config, lyc_value *temb, lyc_value *pooled,
                                       lyc_value *sizes)
{
    lyc_graph *g = m->graph;
    if (lyc_value_failed(sizes) || lyc_value_failed(temb)) {
        return temb;
    }
    const int64_t n = sizes->shape.dims[0];
    const int64_t count = sizes->shape.dims[1];
    lyc_graph_enter(g, "add_embedding");
    lyc_value *e = lyc_reshape(g, sizes, LYC_SHAPE(n * count));
    e = lyc_timestep_embedding(g, e, config->addition_time_dim, config->flip_sin_to_cos, config->freq_shift);
    e = lyc_cast(g, lyc_reshape(g, e, LYC_SHAPE(n, count * config->addition_time_dim)), LYC_ACTIVATION);
    e = lyc_concat(g, 2, (lyc_value *[]){pooled, e}, 1);
    if (!lyc_value_failed(e) && e->shape.dims[1] != config->addition_input_dim) {
        e = lyc_graph_fail(g, LYC_E_SHAPE, "pooled text and sizes have %lld channels, expected %d",
                           (long long)e->shape.dims[1], config->addition_input_dim);
    }
    const int64_t width = temb->shape.dims[1];
    e = lyc_module_linear(m, "linear_1", e, width, true, LYC_ACTIVATION_SILU, NULL);
    e = lyc_module_linear(m, "linear_2", e, width, true, LYC_ACTIVATION_NONE, temb);
    lyc_graph_leave(g);
    return e;
}

lyc_value *lyc_unet_embedding(lyc_module *m, const lyc_unet_config *config, const lyc_unet_inputs *in)
{
    if ((config->addition_time_dim > 0) != (in->pooled != NULL && in->sizes != NULL)) {
        return lyc_graph_fail(m->graph, LYC_E_ARGUMENT,
                              config->addition_time_dim > 0 ? "the model wants pooled text and sizes, there are none"
                                                            : "the model takes no pooled text and sizes");
    }
    if ((config->time_cond_dim > 0) != (in->guidance != NULL)) {
        return lyc_graph_fail(m->graph, LYC_E_ARGUMENT,
                              config->time_cond_dim > 0 ? "the model wants an embedding of the guidance scale"
                                                        : "the model takes no embedding of the guidance scale");
    }
    lyc_value *temb = lyc_unet_time(m, config, in->timesteps, in->guidance);
    if (config->addition_time_dim > 0) {
        temb = add_micro_conditions(m, config, temb, in->pooled, in->sizes);
    }
    return lyc_silu(m->graph, temb);
}

lyc_value *lyc_unet_resnet(lyc_unet_path *path, int index, lyc_value *h, int64_t out, float scale)
{
    const lyc_unet_config *config = path->config;
    const lyc_resnet_attr attr = {.out = out, .groups = config->norm_groups, .eps = config->norm_eps, .scale = scale};
    lyc_graph_enter(path->m->graph, "resnets.%d", index);
    h = lyc_block_resnet(path->m, h, &attr, path->time);
    lyc_graph_leave(path->m->graph);
    return h;
}

lyc_value *lyc_unet_transformer(lyc_unet_path *path, int index, lyc_value *h, int heads, int depth)
{
    lyc_graph *g = path->m->graph;
    if (path->next_key + depth > path->keys->count) {
        return lyc_graph_fail(g, LYC_E_ARGUMENT, "keys for %d cross attentions, the model has more", path->keys->count);
    }
    const lyc_transformer_attr attr = {.heads = heads,
                                       .depth = depth,
                                       .groups = path->config->norm_groups,
                                       .linear = path->config->linear_projection,
                                       .k = path->keys->k + path->next_key,
                                       .v = path->keys->v + path->next_key};
    path->next_key += depth;
    lyc_graph_enter(g, "attentions.%d", index);
    h = lyc_block_transformer(path->m, h, &attr);
    lyc_graph_leave(g);
    return h;
}

static void push(lyc_unet_path *path, lyc_value *h)
{
    if (path->skip_count == LYC_UNET_MAX_SKIPS) {
        lyc_graph_fail(path->m->graph, LYC_E_UNSUPPORTED, "a U-Net with more than %d skips", LYC_UNET_MAX_SKIPS);
        return;
    }
    path->skips[path->skip_count++] = h;
}

lyc_value *lyc_unet_down(lyc_unet_path *path, lyc_value *h)
{
    const lyc_unet_config *config = path->config;
    lyc_graph *g = path->m->graph;
    push(path, h);
    for (int level = 0; level < config->level_count; level++) {
        lyc_graph_enter(g, "down_blocks.%d", level);
        for (int j = 0; j < config->layers[level]; j++) {
            h = lyc_unet_resnet(path, j, h, config->channels[level], 1.0f);
            if (config->attention_down[level]) {
                h = lyc_unet_transformer(path, j, h, config->heads[level], config->depth[level]);
            }
            push(path, h);
        }
        if (level + 1 < config->level_count) {
            h = lyc_block_downsample(path->m, h, config->downsample_padding);
            push(path, h);
        }
        lyc_graph_leave(g);
    }
    return h;
}

lyc_value *lyc_unet_mid(lyc_unet_path *path, lyc_value *h)
{
    const lyc_unet_config *config = path->config;
    const int64_t channels = config->channels[config->level_count - 1];
    lyc_graph_enter(path->m->graph, "mid_block");
    h = lyc_unet_resnet(path, 0, h, channels, config->mid_block_scale);
    if (config->mid_depth > 0) {
        h = lyc_unet_transformer(path, 0, h, config->mid_heads, config->mid_depth);
    }
    h = lyc_unet_resnet(path, 1, h, channels, config->mid_block_scale);
    lyc_graph_leave(path->m->graph);
    return h;
}

static lyc_value *up_level(lyc_unet_path *path, lyc_value *h, int level)
{
    const lyc_unet_config *config = path->config;
    lyc_graph *g = path->m->graph;
    for (int j = 0; j <= config->layers[level]; j++) {
        h = lyc_concat(g, 2, (lyc_value *[]){h, path->skips[--path->skip_count]}, 3);
        h = lyc_unet_resnet(path, j, h, config->channels[level], 1.0f);
        if (config->attention_up[level]) {
            h = lyc_unet_transformer(path, j, h, config->heads[level], config->depth_up[level]);
        }
    }
    if (level > 0 && !lyc_value_failed(h)) {
        const lyc_value *next = path->skips[path->skip_count - 1];
        h = lyc_block_upsample(path->m, h, next->shape.dims[1], next->shape.dims[2]);
    }
    return h;
}

static lyc_value *up(lyc_unet_path *path, lyc_value *h)
{
    const int levels = path->config->level_count;
    for (int i = 0; i < levels && !lyc_value_failed(h); i++) {
        lyc_graph_enter(path->m->graph, "up_blocks.%d", i);
        h = up_level(path, h, levels - 1 - i);
        lyc_graph_leave(path->m->graph);
    }
    return h;
}

/* skips[k] += c_k, h += c_mid. */
static lyc_value *add_control(lyc_unet_path *path, const lyc_unet_inputs *in, lyc_value *h)
{
    lyc_graph *g = path->m->graph;
    if (in->skip_count > 0 && in->skip_count != path->skip_count) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "%d residuals of a ControlNet, the U-Net has %d skips", in->skip_count,
                              path->skip_count);
    }
    for (int k = 0; k < in->skip_count; k++) {
        path->skips[k] = lyc_add(g, path->skips[k], in->skips[k]);
    }
    return in->mid != NULL ? lyc_add(g, h, in->mid) : h;
}

lyc_value *lyc_unet_forward(lyc_module *m, const lyc_unet_config *config, const lyc_unet_inputs *in)
{
    lyc_unet_path path = {.m = m, .config = config, .keys = in->keys};
    path.time = lyc_unet_embedding(m, config, in);
    lyc_value *x = config->center_input ? lyc_affine(m->graph, in->latents, 2.0f, -1.0f) : in->latents;
    lyc_value *h = lyc_module_conv2d(m, "conv_in", x, config->channels[0], 3, 1, 1, NULL);
    h = lyc_unet_down(&path, h);
    h = lyc_unet_mid(&path, h);
    if (lyc_value_failed(h)) {
        return h;
    }
    h = up(&path, add_control(&path, in, h));
    h = lyc_module_group_norm(m, "conv_norm_out", h, config->norm_groups, config->norm_eps, true);
    return lyc_module_conv2d(m, "conv_out", h, config->out_channels, 3, 1, 1, NULL);
}
