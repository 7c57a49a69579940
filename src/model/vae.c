/* vae.c - AutoencoderKL: encoder and decoder
 *
 * Source: diffusers models/autoencoders/autoencoder_kl.py and vae.py (Rombach et al., arXiv 2112.10752). Every norm has
 * eps 1e-6. Traps: the encoder's downsampling pads at the right and the bottom only; the attention of the mid block has
 * one head over all channels, and biases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vae.h"

#include "graph/ops/matmul.h"
#include "model/block.h"

static const float eps = 1e-6f; /* vae.py */

static lyc_value *resnet(lyc_module *m, const lyc_vae_config *config, int index, lyc_value *h, int64_t out)
{
    const lyc_resnet_attr attr = {.out = out, .groups = config->norm_groups, .eps = eps, .scale = 1.0f};
    lyc_graph_enter(m->graph, "resnets.%d", index);
    h = lyc_block_resnet(m, h, &attr, NULL);
    lyc_graph_leave(m->graph);
    return h;
}

static lyc_value *attention(lyc_module *m, const lyc_vae_config *config, lyc_value *x)
{
    if (lyc_value_failed(x)) {
        return x;
    }
    const lyc_shape image = x->shape;
    const int64_t c = image.dims[3];
    const lyc_shape tokens = LYC_SHAPE(image.dims[0], image.dims[1] * image.dims[2], c);
    lyc_graph_enter(m->graph, "attentions.0");
    lyc_value *h = lyc_module_group_norm(m, "group_norm", x, config->norm_groups, eps, false);
    h = lyc_reshape(m->graph, h, tokens);
    lyc_value *q = lyc_module_linear(m, "to_q", h, c, true, LYC_ACTIVATION_NONE, NULL);
    lyc_value *k = lyc_module_linear(m, "to_k", h, c, true, LYC_ACTIVATION_NONE, NULL);
    lyc_value *v = lyc_module_linear(m, "to_v", h, c, true, LYC_ACTIVATION_NONE, NULL);
    h = lyc_attention(m->graph, q, k, v, 1, 0.0f, false);
    lyc_value *residual = lyc_reshape(m->graph, x, tokens);
    h = lyc_module_linear(m, "to_out.0", h, c, true, LYC_ACTIVATION_NONE, residual);
    h = lyc_reshape(m->graph, h, image);
    lyc_graph_leave(m->graph);
    return h;
}

static lyc_value *mid_block(lyc_module *m, const lyc_vae_config *config, lyc_value *h)
{
    const int64_t c = config->channels[config->level_count - 1];
    lyc_graph_enter(m->graph, "mid_block");
    h = resnet(m, config, 0, h, c);
    h = config->mid_attention ? attention(m, config, h) : h;
    h = resnet(m, config, 1, h, c);
    lyc_graph_leave(m->graph);
    return h;
}

int lyc_vae_factor(const lyc_vae_config *config)
{
    return 1 << (config->level_count - 1);
}

lyc_value *lyc_vae_encode(lyc_module *m, const lyc_vae_config *config, lyc_value *images)
{
    lyc_graph *g = m->graph;
    const int factor = lyc_vae_factor(config);
    if (lyc_value_failed(images)) {
        return images;
    }
    if (images->shape.dims[1] % factor != 0 || images->shape.dims[2] % factor != 0) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "an image of %lld x %lld pixels, both must be multiples of %d",
                              (long long)images->shape.dims[2], (long long)images->shape.dims[1], factor);
    }
    lyc_graph_enter(g, "encoder");
    lyc_value *h = lyc_module_conv2d(m, "conv_in", images, config->channels[0], 3, 1, 1, NULL);
    for (int level = 0; level < config->level_count; level++) {
        lyc_graph_enter(g, "down_blocks.%d", level);
        for (int j = 0; j < config->layers; j++) {
            h = resnet(m, config, j, h, config->channels[level]);
        }
        h = level + 1 < config->level_count ? lyc_block_downsample(m, h, 0) : h;
        lyc_graph_leave(g);
    }
    h = mid_block(m, config, h);
    h = lyc_module_group_norm(m, "conv_norm_out", h, config->norm_groups, eps, true);
    h = lyc_module_conv2d(m, "conv_out", h, 2 * (int64_t)config->latent_channels, 3, 1, 1, NULL);
    lyc_graph_leave(g);
    const int64_t moments = 2 * (int64_t)config->latent_channels;
    return config->quant_conv ? lyc_module_conv2d(m, "quant_conv", h, moments, 1, 1, 0, NULL) : h;
}

lyc_value *lyc_vae_decode(lyc_module *m, const lyc_vae_config *config, lyc_value *z)
{
    lyc_graph *g = m->graph;
    lyc_value *h = z;
    if (config->post_quant_conv) {
        h = lyc_module_conv2d(m, "post_quant_conv", h, config->latent_channels, 1, 1, 0, NULL);
    }
    lyc_graph_enter(g, "decoder");
    h = lyc_module_conv2d(m, "conv_in", h, config->channels[config->level_count - 1], 3, 1, 1, NULL);
    h = mid_block(m, config, h);
    for (int i = 0; i < config->level_count; i++) {
        const int level = config->level_count - 1 - i;
        lyc_graph_enter(g, "up_blocks.%d", i);
        for (int j = 0; j <= config->layers; j++) {
            h = resnet(m, config, j, h, config->channels[level]);
        }
        if (level > 0 && !lyc_value_failed(h)) {
            h = lyc_block_upsample(m, h, 2 * h->shape.dims[1], 2 * h->shape.dims[2]);
        }
        lyc_graph_leave(g);
    }
    h = lyc_module_group_norm(m, "conv_norm_out", h, config->norm_groups, eps, true);
    h = lyc_module_conv2d(m, "conv_out", h, config->out_channels, 3, 1, 1, NULL);
    lyc_graph_leave(g);
    return h;
}
