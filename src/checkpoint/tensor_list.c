/* tensor_list.c - the tensors that a network of a configuration has
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/tensor_list.h"

#include "checkpoint/tensor_walk.h"
#include "tensor/shape.h"

/* --- U-Net and ControlNet ----------------------------------------------------------------------------------------- */

static void attention(lyc_tensor_walk *walk, const char *name, int64_t channels, int64_t context)
{
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    lyc_walk_linear(walk, "to_q", channels, channels, false);
    lyc_walk_linear(walk, "to_k", context, channels, false);
    lyc_walk_linear(walk, "to_v", context, channels, false);
    lyc_walk_linear(walk, "to_out.0", channels, channels, true);
    lyc_walk_leave(walk, outer);
}

/* BasicTransformerBlock: self-attention, cross-attention, GEGLU (two halves of four times the width). */
static void transformer_block(lyc_tensor_walk *walk, int64_t channels, int64_t context)
{
    lyc_walk_norm(walk, "norm1", channels);
    attention(walk, "attn1", channels, channels);
    lyc_walk_norm(walk, "norm2", channels);
    attention(walk, "attn2", channels, context);
    lyc_walk_norm(walk, "norm3", channels);
    lyc_walk_linear(walk, "ff.net.0.proj", channels, lyc_walk_times(8, channels), true);
    lyc_walk_linear(walk, "ff.net.2", lyc_walk_times(4, channels), channels, true);
}

static void projection(lyc_tensor_walk *walk, const lyc_unet_config *c, const char *name, int64_t channels)
{
    if (c->linear_projection) {
        lyc_walk_linear(walk, name, channels, channels, true);
    } else {
        lyc_walk_conv(walk, name, channels, channels, 1);
    }
}

/* Transformer2DModel */
static void transformer(lyc_tensor_walk *walk, const lyc_unet_config *c, int index, int64_t channels, int depth,
                        int context)
{
    const size_t outer = lyc_walk_enter(walk, "attentions.%d", index);
    lyc_walk_group_norm(walk, "norm", channels, c->norm_groups);
    projection(walk, c, "proj_in", channels);
    for (int i = 0; i < depth; i++) {
        const size_t block = lyc_walk_enter(walk, "transformer_blocks.%d", i);
        transformer_block(walk, channels, context);
        lyc_walk_leave(walk, block);
    }
    projection(walk, c, "proj_out", channels);
    lyc_walk_leave(walk, outer);
}

/* The width of the time embedding behind its first layer. */
static int64_t time_channels(const lyc_unet_config *c)
{
    return lyc_walk_times(4, c->channels[0]);
}

static void resnet(lyc_tensor_walk *walk, const lyc_unet_config *c, int index, int64_t in, int64_t out)
{
    const size_t outer = lyc_walk_enter(walk, "resnets.%d", index);
    lyc_walk_resnet(walk, in, out, time_channels(c), c->norm_groups);
    lyc_walk_leave(walk, outer);
}

static void embedding(lyc_tensor_walk *walk, const char *name, int64_t in, int64_t out)
{
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    lyc_walk_linear(walk, "linear_1", in, out, true);
    lyc_walk_linear(walk, "linear_2", out, out, true);
    lyc_walk_leave(walk, outer);
}

static void inputs(lyc_tensor_walk *walk, const lyc_unet_config *c)
{
    lyc_walk_conv(walk, "conv_in", c->in_channels, c->channels[0], 3);
    embedding(walk, "time_embedding", c->channels[0], time_channels(c));
    if (c->time_cond_dim > 0) {
        lyc_walk_linear(walk, "time_embedding.cond_proj", c->time_cond_dim, c->channels[0], false);
    }
    if (c->addition_input_dim > 0) {
        embedding(walk, "add_embedding", c->addition_input_dim, time_channels(c));
    }
}

static void down_block(lyc_tensor_walk *walk, const lyc_unet_config *c, int level)
{
    const int64_t channels = c->channels[level];
    int64_t in = level > 0 ? c->channels[level - 1] : channels;
    const size_t outer = lyc_walk_enter(walk, "down_blocks.%d", level);
    for (int j = 0; j < c->layers[level]; j++) {
        resnet(walk, c, j, in, channels);
        if (c->attention_down[level]) {
            transformer(walk, c, j, channels, c->depth[level], c->cross_dim[level]);
        }
        in = channels;
    }
    if (level < c->level_count - 1) {
        lyc_walk_conv(walk, "downsamplers.0.conv", channels, channels, 3);
    }
    lyc_walk_leave(walk, outer);
}

static void mid_block(lyc_tensor_walk *walk, const lyc_unet_config *c)
{
    const int64_t channels = c->channels[c->level_count - 1];
    const size_t outer = lyc_walk_enter(walk, "mid_block");
    resnet(walk, c, 0, channels, channels);
    transformer(walk, c, 0, channels, c->mid_depth, c->mid_cross_dim);
    resnet(walk, c, 1, channels, channels);
    lyc_walk_leave(walk, outer);
}

/* Channels of the skip that the j-th ResBlock of an up level takes: what the down path left is taken from the end. A
 * down level left its ResBlocks' outputs and, first, what came into it: the sampler's output above, or conv_in's. */
static int64_t skip_channels(const lyc_unet_config *c, int level, int j)
{
    const bool is_input = j == c->layers[level];
    return c->channels[is_input && level > 0 ? level - 1 : level];
}

static void up_block(lyc_tensor_walk *walk, const lyc_unet_config *c, int level)
{
    const int64_t channels = c->channels[level];
    int64_t in = c->channels[level < c->level_count - 1 ? level + 1 : level];
    const size_t outer = lyc_walk_enter(walk, "up_blocks.%d", c->level_count - 1 - level);
    for (int j = 0; j <= c->layers[level]; j++) {
        resnet(walk, c, j, in + skip_channels(c, level, j), channels);
        if (c->attention_up[level]) {
            transformer(walk, c, j, channels, c->depth_up[level], c->cross_dim[level]);
        }
        in = channels;
    }
    if (level > 0) {
        lyc_walk_conv(walk, "upsamplers.0.conv", channels, channels, 3);
    }
    lyc_walk_leave(walk, outer);
}

lyc_status lyc_unet_tensors(const lyc_unet_config *c, lyc_tensor_visit visit, void *context, lyc_error *err)
{
    lyc_tensor_walk walk = {.visit = visit, .context = context, .err = err};
    inputs(&walk, c);
    for (int i = 0; i < c->level_count; i++) {
        down_block(&walk, c, i);
    }
    mid_block(&walk, c);
    for (int i = c->level_count - 1; i >= 0; i--) {
        up_block(&walk, c, i);
    }
    lyc_walk_group_norm(&walk, "conv_norm_out", c->channels[0], c->norm_groups);
    lyc_walk_conv(&walk, "conv_out", c->channels[0], c->out_channels, 3);
    return walk.status;
}

/* The encoder of the condition image: two convolutions a step, the second of which halves the size. */
static void hint_encoder(lyc_tensor_walk *walk, const lyc_unet_config *c)
{
    const int64_t last = c->hint_channels[c->hint_level_count - 1];
    char name[32];
    const size_t outer = lyc_walk_enter(walk, "controlnet_cond_embedding");
    lyc_walk_conv(walk, "conv_in", c->hint_in_channels, c->hint_channels[0], 3);
    for (int i = 0; i + 1 < c->hint_level_count; i++) {
        const int64_t channels = c->hint_channels[i];
        const size_t block = lyc_walk_enter(walk, "blocks");
        lyc_walk_conv(walk, lyc_walk_number(name, i + i), channels, channels, 3);
        lyc_walk_conv(walk, lyc_walk_number(name, i + i + 1), channels, c->hint_channels[i + 1], 3);
        lyc_walk_leave(walk, block);
    }
    lyc_walk_conv(walk, "conv_out", last, c->channels[0], 3);
    lyc_walk_leave(walk, outer);
}

/* One 1x1 convolution for each skip of the U-Net. */
static void zero_convolutions(lyc_tensor_walk *walk, const lyc_unet_config *c)
{
    char name[32];
    int k = 0;
    const size_t outer = lyc_walk_enter(walk, "controlnet_down_blocks");
    lyc_walk_conv(walk, lyc_walk_number(name, k++), c->channels[0], c->channels[0], 1);
    for (int i = 0; i < c->level_count; i++) {
        const int count = c->layers[i] + (i < c->level_count - 1 ? 1 : 0);
        for (int j = 0; j < count; j++) {
            lyc_walk_conv(walk, lyc_walk_number(name, k++), c->channels[i], c->channels[i], 1);
        }
    }
    lyc_walk_leave(walk, outer);
}

lyc_status lyc_controlnet_tensors(const lyc_unet_config *c, lyc_tensor_visit visit, void *context, lyc_error *err)
{
    const int64_t deepest = c->channels[c->level_count - 1];
    lyc_tensor_walk walk = {.visit = visit, .context = context, .err = err};
    inputs(&walk, c);
    hint_encoder(&walk, c);
    for (int i = 0; i < c->level_count; i++) {
        down_block(&walk, c, i);
    }
    zero_convolutions(&walk, c);
    lyc_walk_conv(&walk, "controlnet_mid_block", deepest, deepest, 1);
    mid_block(&walk, c);
    return walk.status;
}

/* --- AutoencoderKL ------------------------------------------------------------------------------------------------ */

static void vae_resnet(lyc_tensor_walk *walk, const lyc_vae_config *c, int index, int64_t in, int64_t out)
{
    const size_t outer = lyc_walk_enter(walk, "resnets.%d", index);
    lyc_walk_resnet(walk, in, out, 0, c->norm_groups);
    lyc_walk_leave(walk, outer);
}

static void vae_mid(lyc_tensor_walk *walk, const lyc_vae_config *c)
{
    const int64_t channels = c->channels[c->level_count - 1];
    const size_t outer = lyc_walk_enter(walk, "mid_block");
    vae_resnet(walk, c, 0, channels, channels);
    if (c->mid_attention) {
        const size_t attn = lyc_walk_enter(walk, "attentions.0");
        lyc_walk_group_norm(walk, "group_norm", channels, c->norm_groups);
        lyc_walk_linear(walk, "to_q", channels, channels, true);
        lyc_walk_linear(walk, "to_k", channels, channels, true);
        lyc_walk_linear(walk, "to_v", channels, channels, true);
        lyc_walk_linear(walk, "to_out.0", channels, channels, true);
        lyc_walk_leave(walk, attn);
    }
    vae_resnet(walk, c, 1, channels, channels);
    lyc_walk_leave(walk, outer);
}

static void vae_encoder(lyc_tensor_walk *walk, const lyc_vae_config *c)
{
    const int64_t moments = lyc_walk_times(2, c->latent_channels);
    const int64_t deepest = c->channels[c->level_count - 1];
    int64_t in = c->channels[0];
    const size_t outer = lyc_walk_enter(walk, "encoder");
    lyc_walk_conv(walk, "conv_in", c->in_channels, in, 3);
    for (int i = 0; i < c->level_count; i++) {
        const size_t block = lyc_walk_enter(walk, "down_blocks.%d", i);
        for (int j = 0; j < c->layers; j++) {
            vae_resnet(walk, c, j, in, c->channels[i]);
            in = c->channels[i];
        }
        if (i < c->level_count - 1) {
            lyc_walk_conv(walk, "downsamplers.0.conv", in, in, 3);
        }
        lyc_walk_leave(walk, block);
    }
    vae_mid(walk, c);
    lyc_walk_group_norm(walk, "conv_norm_out", deepest, c->norm_groups);
    lyc_walk_conv(walk, "conv_out", deepest, moments, 3);
    lyc_walk_leave(walk, outer);
    if (c->quant_conv) {
        lyc_walk_conv(walk, "quant_conv", moments, moments, 1);
    }
}

static void vae_decoder(lyc_tensor_walk *walk, const lyc_vae_config *c)
{
    int64_t in = c->channels[c->level_count - 1];
    if (c->post_quant_conv) {
        lyc_walk_conv(walk, "post_quant_conv", c->latent_channels, c->latent_channels, 1);
    }
    const size_t outer = lyc_walk_enter(walk, "decoder");
    lyc_walk_conv(walk, "conv_in", c->latent_channels, in, 3);
    vae_mid(walk, c);
    for (int i = c->level_count - 1; i >= 0; i--) {
        const size_t block = lyc_walk_enter(walk, "up_blocks.%d", c->level_count - 1 - i);
        for (int j = 0; j <= c->layers; j++) {
            vae_resnet(walk, c, j, in, c->channels[i]);
            in = c->channels[i];
        }
        if (i > 0) {
            lyc_walk_conv(walk, "upsamplers.0.conv", in, in, 3);
        }
        lyc_walk_leave(walk, block);
    }
    lyc_walk_group_norm(walk, "conv_norm_out", c->channels[0], c->norm_groups);
    lyc_walk_conv(walk, "conv_out", c->channels[0], c->out_channels, 3);
    lyc_walk_leave(walk, outer);
}

lyc_status lyc_vae_tensors(const lyc_vae_config *config, lyc_tensor_visit visit, void *context, lyc_error *err)
{
    lyc_tensor_walk walk = {.visit = visit, .context = context, .err = err};
    vae_encoder(&walk, config);
    vae_decoder(&walk, config);
    return walk.status;
}

/* --- CLIP text ---------------------------------------------------------------------------------------------------- */

static void clip_layer(lyc_tensor_walk *walk, const lyc_clip_text_config *c)
{
    lyc_walk_norm(walk, "layer_norm1", c->hidden_size);
    lyc_walk_linear(walk, "self_attn.q_proj", c->hidden_size, c->hidden_size, true);
    lyc_walk_linear(walk, "self_attn.k_proj", c->hidden_size, c->hidden_size, true);
    lyc_walk_linear(walk, "self_attn.v_proj", c->hidden_size, c->hidden_size, true);
    lyc_walk_linear(walk, "self_attn.out_proj", c->hidden_size, c->hidden_size, true);
    lyc_walk_norm(walk, "layer_norm2", c->hidden_size);
    lyc_walk_linear(walk, "mlp.fc1", c->hidden_size, c->intermediate_size, true);
    lyc_walk_linear(walk, "mlp.fc2", c->intermediate_size, c->hidden_size, true);
}

lyc_status lyc_clip_text_tensors(const lyc_clip_text_config *c, lyc_tensor_visit visit, void *context, lyc_error *err)
{
    lyc_tensor_walk walk = {.visit = visit, .context = context, .err = err};
    const size_t outer = lyc_walk_enter(&walk, "text_model");
    lyc_walk_tensor(&walk, "embeddings.token_embedding.weight", &LYC_SHAPE(c->vocab_size, c->hidden_size));
    lyc_walk_tensor(&walk, "embeddings.position_embedding.weight", &LYC_SHAPE(c->max_positions, c->hidden_size));
    for (int i = 0; i < c->layers; i++) {
        const size_t layer = lyc_walk_enter(&walk, "encoder.layers.%d", i);
        clip_layer(&walk, c);
        lyc_walk_leave(&walk, layer);
    }
    lyc_walk_norm(&walk, "final_layer_norm", c->hidden_size);
    lyc_walk_leave(&walk, outer);
    if (c->projection_dim > 0) {
        lyc_walk_linear(&walk, "text_projection", c->hidden_size, c->projection_dim, false);
    }
    return walk.status;
}
