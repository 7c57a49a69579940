/* inventory_unet.c - the modules of the U-Net of Stable Diffusion 1.x, 2.x and XL
 *
 * The original code numbers blocks through all levels: with L layers a level, D = L + 1,
 *
 *     down_blocks.i.resnets.j, attentions.j    input_blocks.{1 + D i + j}.0, .1
 *     down_blocks.i.downsamplers.0             input_blocks.{D (i + 1)}.0
 *     up_blocks.i.resnets.j, attentions.j      output_blocks.{D i + j}.0, .1
 *     up_blocks.i.upsamplers.0                 output_blocks.{D i + L}.1, or .2 behind an attention
 *
 * Orders are those of diffusers 0.42 and of sd-scripts (library/original_unet.py, library/sdxl_original_unet.py):
 * sd-scripts registers attentions before resnets and ff before attn2, and both register mid_block last.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "adapter/inventory.h"

typedef struct builder {
    lyc_inventory_builder base;
    const lyc_unet_config *config;
    bool original; /* modules in the order of the original code */
    bool trainer;  /* classes and inner order of sd-scripts */
    int64_t time_dim;
} builder;

enum { TEXT = 96 };

static void linear(builder *b, const char *name, const char *original, int64_t out, int64_t in, bool bias)
{
    lyc_inventory_linear(&b->base, name, original, out, in, bias);
}

static void conv(builder *b, const char *name, const char *original, int64_t out, int64_t in, int64_t kernel)
{
    lyc_inventory_conv(&b->base, name, original, out, in, kernel);
}

static void norm(builder *b, const char *class_name, const char *name, const char *original, int64_t channels)
{
    lyc_inventory_norm(&b->base, class_name, name, original, channels);
}

static void resnet(builder *b, const char *name, const char *original, int64_t in, int64_t out)
{
    lyc_inventory_open(&b->base, "ResnetBlock2D", name, original);
    norm(b, "GroupNorm", "norm1", "in_layers.0", in);
    conv(b, "conv1", "in_layers.2", out, in, 3);
    linear(b, "time_emb_proj", "emb_layers.1", out, b->time_dim, true);
    norm(b, "GroupNorm", "norm2", "out_layers.0", out);
    conv(b, "conv2", "out_layers.3", out, out, 3);
    if (in != out) {
        conv(b, "conv_shortcut", "skip_connection", out, in, 1);
    }
    lyc_inventory_close(&b->base);
}

static void attention(builder *b, const char *name, int64_t c, int64_t states)
{
    lyc_inventory_open(&b->base, b->trainer ? "CrossAttention" : "Attention", name, NULL);
    linear(b, "to_q", NULL, c, c, false);
    linear(b, "to_k", NULL, c, states, false);
    linear(b, "to_v", NULL, c, states, false);
    linear(b, "to_out.0", NULL, c, c, true);
    lyc_inventory_close(&b->base);
}

static void feed_forward(builder *b, int64_t c)
{
    lyc_inventory_open(&b->base, "FeedForward", "ff", NULL);
    lyc_inventory_open(&b->base, "GEGLU", "net.0", NULL);
    linear(b, "proj", NULL, 8 * c, c, true);
    lyc_inventory_close(&b->base);
    linear(b, "net.2", NULL, c, 4 * c, true);
    lyc_inventory_close(&b->base);
}

static void transformer_block(builder *b, int index, int64_t c, int64_t states)
{
    char name[TEXT];
    snprintf(name, sizeof name, "transformer_blocks.%d", index);
    lyc_inventory_open(&b->base, "BasicTransformerBlock", name, NULL);
    if (b->trainer) {
        attention(b, "attn1", c, c);
        feed_forward(b, c);
        attention(b, "attn2", c, states);
        norm(b, "LayerNorm", "norm1", NULL, c);
        norm(b, "LayerNorm", "norm2", NULL, c);
        norm(b, "LayerNorm", "norm3", NULL, c);
    } else {
        norm(b, "LayerNorm", "norm1", NULL, c);
        attention(b, "attn1", c, c);
        norm(b, "LayerNorm", "norm2", NULL, c);
        attention(b, "attn2", c, states);
        norm(b, "LayerNorm", "norm3", NULL, c);
        feed_forward(b, c);
    }
    lyc_inventory_close(&b->base);
}

static void transformer(builder *b, const char *name, const char *original, int64_t c, int depth, int64_t states)
{
    lyc_inventory_open(&b->base, "Transformer2DModel", name, original);
    norm(b, "GroupNorm", "norm", NULL, c);
    const bool is_linear = b->config->linear_projection;
    if (is_linear) {
        linear(b, "proj_in", NULL, c, c, true);
    } else {
        conv(b, "proj_in", NULL, c, c, 1);
    }
    for (int i = 0; i < depth; i++) {
        transformer_block(b, i, c, states);
    }
    if (is_linear) {
        linear(b, "proj_out", NULL, c, c, true);
    } else {
        conv(b, "proj_out", NULL, c, c, 1);
    }
    lyc_inventory_close(&b->base);
}

/* One level of the down or the up path. Its modules come attentions first, or block by block in the original order. */
typedef struct level {
    bool up;
    int index;   /* of the block in down_blocks or up_blocks */
    int number;  /* of the first block of the level in the original code, counted from 0 behind conv_in */
    int resnets; /* in it */
    int depth;
    int64_t channels, states;
    int64_t inputs[64]; /* of each resnet */
    bool has_attention, resamples;
} level;

enum { MAX_LAYERS = 63 };

static const char *block_name(char *name, const builder *b, const level *l, int block, int position)
{
    const int first = l->up ? 0 : 1;
    snprintf(name, TEXT, "%s_blocks.%d.%d", l->up ? "output" : "input", first + l->number + block, position);
    (void)b;
    return name;
}

static void level_resnet(builder *b, const level *l, int i)
{
    char name[TEXT], original[TEXT];
    snprintf(name, sizeof name, "%s_blocks.%d.resnets.%d", l->up ? "up" : "down", l->index, i);
    resnet(b, name, block_name(original, b, l, i, 0), l->inputs[i], l->channels);
}

static void level_attention(builder *b, const level *l, int i)
{
    char name[TEXT], original[TEXT];
    snprintf(name, sizeof name, "%s_blocks.%d.attentions.%d", l->up ? "up" : "down", l->index, i);
    transformer(b, name, block_name(original, b, l, i, 1), l->channels, l->depth, l->states);
}

static void level_resample(builder *b, const level *l)
{
    char name[TEXT], original[TEXT];
    if (l->up) {
        snprintf(name, sizeof name, "up_blocks.%d.upsamplers.0", l->index);
        block_name(original, b, l, l->resnets - 1, l->has_attention ? 2 : 1);
    } else {
        snprintf(name, sizeof name, "down_blocks.%d.downsamplers.0", l->index);
        block_name(original, b, l, l->resnets, 0);
    }
    lyc_inventory_open(&b->base, l->up ? "Upsample2D" : "Downsample2D", name, original);
    conv(b, "conv", l->up ? "conv" : "op", l->channels, l->channels, 3);
    lyc_inventory_close(&b->base);
}

static void add_level(builder *b, const level *l)
{
    if (b->original) {
        for (int i = 0; i < l->resnets; i++) {
            level_resnet(b, l, i);
            if (l->has_attention) {
                level_attention(b, l, i);
            }
        }
    } else {
        for (int i = 0; i < l->resnets && l->has_attention; i++) {
            level_attention(b, l, i);
        }
        for (int i = 0; i < l->resnets; i++) {
            level_resnet(b, l, i);
        }
    }
    if (l->resamples) {
        level_resample(b, l);
    }
}

/* Opened around a level where modules are grouped by it: a preset may name the class of the block. */
static void add_block(builder *b, const level *l)
{
    if (b->original) {
        add_level(b, l);
        return;
    }
    static const char *const classes[2][2] = {{"DownBlock2D", "CrossAttnDownBlock2D"},
                                              {"UpBlock2D", "CrossAttnUpBlock2D"}};
    char name[TEXT], original[TEXT];
    snprintf(name, sizeof name, "%s_blocks.%d", l->up ? "up" : "down", l->index);
    snprintf(original, sizeof original, "%s_blocks", l->up ? "output" : "input");
    /* The inner names are whole paths: the block is listed for its class, then its paths are taken back. */
    const size_t at = b->base.inventory->count;
    lyc_inventory_open(&b->base, classes[l->up][l->has_attention], name, original);
    lyc_inventory_close(&b->base);
    add_level(b, l);
    if (!b->base.failed) {
        b->base.inventory->entries[at].end = b->base.inventory->count;
    }
}

static void mid_block(builder *b)
{
    const lyc_unet_config *config = b->config;
    const int64_t c = config->channels[config->level_count - 1];
    const bool listed = !b->original;
    const size_t at = b->base.inventory->count;
    if (listed) {
        lyc_inventory_open(&b->base, "UNetMidBlock2DCrossAttn", "mid_block", "middle_block");
        lyc_inventory_close(&b->base);
        transformer(b, "mid_block.attentions.0", "middle_block.1", c, config->mid_depth, config->mid_cross_dim);
        resnet(b, "mid_block.resnets.0", "middle_block.0", c, c);
    } else {
        resnet(b, "mid_block.resnets.0", "middle_block.0", c, c);
        transformer(b, "mid_block.attentions.0", "middle_block.1", c, config->mid_depth, config->mid_cross_dim);
    }
    resnet(b, "mid_block.resnets.1", "middle_block.2", c, c);
    if (listed && !b->base.failed) {
        b->base.inventory->entries[at].end = b->base.inventory->count;
    }
}

static void down_blocks(builder *b)
{
    const lyc_unet_config *config = b->config;
    int number = 0;
    for (int i = 0; i < config->level_count; i++) {
        const bool last = i == config->level_count - 1;
        level l = {.index = i,
                   .number = number,
                   .resnets = config->layers[i],
                   .depth = config->depth[i],
                   .channels = config->channels[i],
                   .states = config->cross_dim[i],
                   .has_attention = config->attention_down[i],
                   .resamples = !last};
        for (int j = 0; j < l.resnets; j++) {
            l.inputs[j] = j > 0 ? config->channels[i] : config->channels[i > 0 ? i - 1 : 0];
        }
        add_block(b, &l);
        number += l.resnets + (last ? 0 : 1);
    }
}

static void up_blocks(builder *b)
{
    const lyc_unet_config *config = b->config;
    int number = 0;
    for (int k = 0; k < config->level_count; k++) {
        const int i = config->level_count - 1 - k;
        const bool last = i == 0;
        level l = {.up = true,
                   .index = k,
                   .number = number,
                   .resnets = config->layers[i] + 1,
                   .depth = config->depth_up[i],
                   .channels = config->channels[i],
                   .states = config->cross_dim[i],
                   .has_attention = config->attention_up[i],
                   .resamples = !last};
        for (int j = 0; j < l.resnets; j++) {
            /* What comes from the previous resnet, and the skip: the last one of a level is the level's input. */
            const int64_t previous = j > 0 ? l.channels : config->channels[k == 0 ? i : i + 1];
            const int64_t skip = j < l.resnets - 1 ? l.channels : config->channels[i > 0 ? i - 1 : 0];
            l.inputs[j] = previous + skip;
        }
        add_block(b, &l);
        number += l.resnets;
    }
}

static void embedding(builder *b, const char *name, const char *first, const char *second, int64_t in)
{
    if (b->original) {
        char inner[TEXT];
        snprintf(inner, sizeof inner, "%s.linear_1", name);
        linear(b, inner, first, b->time_dim, in, true);
        snprintf(inner, sizeof inner, "%s.linear_2", name);
        linear(b, inner, second, b->time_dim, b->time_dim, true);
        return;
    }
    /* first and second begin with the same word, which is the module's path in the original code. */
    char outer[TEXT];
    const char *dot = strchr(first, '.');
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - first), first);
    lyc_inventory_open(&b->base, "TimestepEmbedding", name, outer);
    linear(b, "linear_1", dot + 1, b->time_dim, in, true);
    linear(b, "linear_2", strchr(second, '.') + 1, b->time_dim, b->time_dim, true);
    lyc_inventory_close(&b->base);
}

static void embeddings(builder *b)
{
    embedding(b, "time_embedding", "time_embed.0", "time_embed.2", b->config->channels[0]);
    if (b->config->addition_time_dim > 0) {
        embedding(b, "add_embedding", "label_emb.0.0", "label_emb.0.2", b->config->addition_input_dim);
    }
}

lyc_status lyc_inventory_unet(lyc_inventory *out, const lyc_unet_config *config, lyc_naming naming, lyc_error *err)
{
    for (int i = 0; i < config->level_count; i++) {
        if (config->layers[i] < 0 || config->layers[i] > MAX_LAYERS) {
            *out = (lyc_inventory){0};
            return lyc_fail(err, LYC_E_UNSUPPORTED, "a U-Net of %d layers in a level", config->layers[i]);
        }
    }
    const bool trainer = naming == LYC_NAMING_TRAINER;
    builder b = {.config = config,
                 .trainer = trainer,
                 .original = trainer && config->addition_time_dim > 0,
                 .time_dim = 4 * (int64_t)config->channels[0]};
    lyc_inventory_begin(&b.base, out, "unet", b.original ? LYC_NAMING_TRAINER : LYC_NAMING_DIFFUSERS);
    const int64_t c = config->channels[0];
    if (b.original) {
        embeddings(&b);
        conv(&b, "conv_in", "input_blocks.0.0", c, config->in_channels, 3);
        down_blocks(&b);
        mid_block(&b);
        up_blocks(&b);
    } else {
        conv(&b, "conv_in", "input_blocks.0.0", c, config->in_channels, 3);
        embeddings(&b);
        down_blocks(&b);
        up_blocks(&b);
        mid_block(&b);
    }
    norm(&b, "GroupNorm", "conv_norm_out", "out.0", c);
    conv(&b, "conv_out", "out.2", config->out_channels, c, 3);
    LYC_TRY(lyc_inventory_finish(&b.base, err));
    out->naming = naming;
    return LYC_OK;
}
