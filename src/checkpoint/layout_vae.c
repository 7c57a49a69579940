/* layout_vae.c - names of the VAE in the original code, and in old diffusers
 *
 * The original decoder counts its levels from the image, diffusers from the latent. Its four matrices of attention are
 * 1x1 convolutions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/layout.h"

static bool reversed(int out[2], const int in[2], const void *config)
{
    const lyc_vae_config *c = config;
    out[0] = c->level_count - 1 - in[0];
    out[1] = in[1];
    return out[0] >= 0;
}

// clang-format off
static const lyc_name_rule resnet[] = {
    {"norm1", "norm1"},
    {"conv1", "conv1"},
    {"norm2", "norm2"},
    {"conv2", "conv2"},
    {"conv_shortcut", "nin_shortcut"},
    {0},
};

static const lyc_name_rule attention[] = {
    {"group_norm", "norm"},
    {"to_q", "q", .convolution = true},
    {"to_k", "k", .convolution = true},
    {"to_v", "v", .convolution = true},
    {"to_out.0", "proj_out", .convolution = true},
    {0},
};

static const lyc_name_rule mid[] = {
    {"resnets.0", "block_1", .inside = resnet},
    {"attentions.0", "attn_1", .inside = attention},
    {"resnets.1", "block_2", .inside = resnet},
    {0},
};

const lyc_name_rule lyc_rules_vae[] = {
    {"encoder.conv_in", "encoder.conv_in"},
    {"encoder.down_blocks.#.resnets.#", "encoder.down.#.block.#", .inside = resnet},
    {"encoder.down_blocks.#.downsamplers.0.conv", "encoder.down.#.downsample.conv"},
    {"encoder.mid_block", "encoder.mid", .inside = mid},
    {"encoder.conv_norm_out", "encoder.norm_out"},
    {"encoder.conv_out", "encoder.conv_out"},
    {"quant_conv", "quant_conv"},
    {"post_quant_conv", "post_quant_conv"},
    {"decoder.conv_in", "decoder.conv_in"},
    {"decoder.mid_block", "decoder.mid", .inside = mid},
    {"decoder.up_blocks.#.resnets.#", "decoder.up.#.block.#", .number = reversed, .inside = resnet},
    {"decoder.up_blocks.#.upsamplers.0.conv", "decoder.up.#.upsample.conv", .number = reversed},
    {"decoder.conv_norm_out", "decoder.norm_out"},
    {"decoder.conv_out", "decoder.conv_out"},
    {0},
};

static const lyc_name_rule old_attention[] = {
    {"group_norm", "group_norm"},
    {"to_q", "query"},
    {"to_k", "key"},
    {"to_v", "value"},
    {"to_out.0", "proj_attn"},
    {0},
};

const lyc_name_rule lyc_rules_vae_old[] = {
    {"encoder.mid_block.attentions.0", "encoder.mid_block.attentions.0", .inside = old_attention},
    {"decoder.mid_block.attentions.0", "decoder.mid_block.attentions.0", .inside = old_attention},
    {"encoder", "encoder"},
    {"decoder", "decoder"},
    {"quant_conv", "quant_conv"},
    {"post_quant_conv", "post_quant_conv"},
    {0},
};
// clang-format on
