/* layout_unet.c - names of the U-Net and of ControlNet in the original code (CompVis, Stability AI)
 *
 * There, everything on the way down is one list, input_blocks: the first convolution, then for each level its ResBlocks
 * (with their transformers) and its sampler. On the way up, output_blocks, a sampler is part of the last block.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/layout.h"

/* Entries of input_blocks before the level: a level has its ResBlocks and a sampler. */
static bool blocks_before(int *out, const lyc_unet_config *config, int level)
{
    if (level >= LYC_MAX_LEVELS) {
        return false;
    }
    *out = 1;
    for (int i = 0; i < level; i++) {
        *out += config->layers[i] + 1;
    }
    return true;
}

static bool input_block(int out[2], const int in[2], const void *config)
{
    if (!blocks_before(&out[0], config, in[0])) {
        return false;
    }
    out[0] += in[1];
    return true;
}

/* Behind the ResBlocks of the level. */
static bool input_sampler(int out[2], const int in[2], const void *config)
{
    const lyc_unet_config *c = config;
    if (!blocks_before(&out[0], config, in[0])) {
        return false;
    }
    out[0] += c->layers[in[0]];
    return true;
}

/* up_blocks counts from the deepest level; each has one ResBlock more than on the way down. */
static bool output_block(int out[2], const int in[2], const void *config)
{
    const lyc_unet_config *c = config;
    if (in[0] >= c->level_count) {
        return false;
    }
    out[0] = in[1];
    for (int i = 0; i < in[0]; i++) {
        out[0] += c->layers[c->level_count - 1 - i] + 1;
    }
    return true;
}

/* The last part of the last block: behind a ResBlock, or behind a ResBlock and a transformer. */
static bool output_sampler(int out[2], const int in[2], const void *config)
{
    const lyc_unet_config *c = config;
    if (!output_block(out, (int[2]){in[0], 0}, config)) {
        return false;
    }
    const int level = c->level_count - 1 - in[0];
    out[0] += c->layers[level];
    out[1] = c->attention_up[level] ? 2 : 1;
    return true;
}

/* input_hint_block is a list of convolutions with an activation behind each. */
static bool hint_block(int out[2], const int in[2], const void *config)
{
    (void)config;
    out[0] = in[0] + in[0] + 2;
    return true;
}

static bool hint_end(int out[2], const int in[2], const void *config)
{
    const lyc_unet_config *c = config;
    (void)in;
    out[0] = 4 * (c->hint_level_count - 1) + 2; /* fits: at most 8 levels */
    return true;
}

// clang-format off
static const lyc_name_rule resnet[] = {
    {"norm1", "in_layers.0"},
    {"conv1", "in_layers.2"},
    {"time_emb_proj", "emb_layers.1"},
    {"norm2", "out_layers.0"},
    {"conv2", "out_layers.3"},
    {"conv_shortcut", "skip_connection"},
    {0},
};

const lyc_name_rule lyc_rules_unet[] = {
    {"conv_in", "input_blocks.0.0"},
    {"time_embedding.linear_1", "time_embed.0"},
    {"time_embedding.linear_2", "time_embed.2"},
    {"time_embedding.cond_proj", "time_embed.cond_proj"},
    {"add_embedding.linear_1", "label_emb.0.0"},
    {"add_embedding.linear_2", "label_emb.0.2"},
    {"down_blocks.#.resnets.#", "input_blocks.#.0", .number = input_block, .inside = resnet},
    {"down_blocks.#.attentions.#", "input_blocks.#.1", .number = input_block},
    {"down_blocks.#.downsamplers.0.conv", "input_blocks.#.0.op", .number = input_sampler},
    {"mid_block.resnets.0", "middle_block.0", .inside = resnet},
    {"mid_block.attentions.0", "middle_block.1"},
    {"mid_block.resnets.1", "middle_block.2", .inside = resnet},
    {"up_blocks.#.resnets.#", "output_blocks.#.0", .number = output_block, .inside = resnet},
    {"up_blocks.#.attentions.#", "output_blocks.#.1", .number = output_block},
    {"up_blocks.#.upsamplers.0.conv", "output_blocks.#.#.conv", .number = output_sampler},
    {"conv_norm_out", "out.0"},
    {"conv_out", "out.2"},

    {"controlnet_cond_embedding.conv_in", "input_hint_block.0"},
    {"controlnet_cond_embedding.blocks.#", "input_hint_block.#", .number = hint_block},
    {"controlnet_cond_embedding.conv_out", "input_hint_block.#", .number = hint_end},
    {"controlnet_down_blocks.#", "zero_convs.#.0"},
    {"controlnet_mid_block", "middle_block_out.0"},
    {0},
};
// clang-format on
