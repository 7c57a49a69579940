/* component_infer.c - the configuration of a network from the names and shapes of its tensors
 *
 * Asks for tensors by their diffusers names through the layout, level by level: the names of a level depend on what is
 * above it alone, so that the part of the configuration that is known already is enough to find the next tensor.
 *
 * What tensors cannot tell: the number of heads (8 where projections are convolutions, as in SD 1.x, else 64 channels a
 * head), groups of norms (32), epsilons, and the scale of latents.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "tensor/shape.h"

enum { MAX_EXTENT = 1 << 24, MAX_COUNT = 512, HEAD_DIM = 64, HEADS_SD1 = 8 };

typedef struct inference {
    const lyc_source *source;
    const lyc_layout *layout;
    const lyc_component_config *config; /* as far as it is known */
    lyc_error *err;
    lyc_status status; /* of the first failure */
} inference;

/* Shape in the file of the tensor of a diffusers name; false when it is not there. */
static bool look_name(lyc_shape *shape, const inference *in, const char *name)
{
    lyc_key key;
    lyc_tensor_view view;
    const lyc_source_file *file;
    if (!lyc_layout_key(&key, in->layout, in->config, name) || !lyc_source_find(&view, &file, in->source, key.text)) {
        return false;
    }
    *shape = view.shape;
    return true;
}

static bool look(lyc_shape *shape, const inference *in, const char *format, ...) LYC_PRINTF(3, 4);
static bool look(lyc_shape *shape, const inference *in, const char *format, ...)
{
    char name[LYC_KEY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return look_name(shape, in, name);
}

/* An extent of a tensor that has to be there; 0, with the error kept, when it is not. */
static int extent(inference *in, int axis, const char *format, ...) LYC_PRINTF(3, 4);
static int extent(inference *in, int axis, const char *format, ...)
{
    lyc_shape shape;
    char name[LYC_KEY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (in->status != LYC_OK) {
        return 0;
    }
    if (!look_name(&shape, in, name)) {
        lyc_key key;
        const bool known = lyc_layout_key(&key, in->layout, in->config, name);
        in->status = lyc_fail(in->err, LYC_E_FORMAT, "'%s' is missing, without which the form of the model is unknown",
                              known ? key.text : name);
        return 0;
    }
    if (shape.rank <= axis || shape.dims[axis] < 1 || shape.dims[axis] > MAX_EXTENT) {
        char text[LYC_SHAPE_TEXT];
        in->status =
            lyc_fail(in->err, LYC_E_SHAPE, "'%s' has the shape %s", name, lyc_shape_text(text, sizeof text, &shape));
        return 0;
    }
    return (int)shape.dims[axis];
}

/* How many tensors there are of a name whose number grows: "text_model.encoder.layers.%d.layer_norm1.weight". */
static int count(const inference *in, const char *prefix, const char *suffix)
{
    int n = 0;
    lyc_shape shape;
    while (n < MAX_COUNT && look(&shape, in, "%s%d%s", prefix, n, suffix)) {
        n++;
    }
    return n;
}

/* --- U-Net and ControlNet ----------------------------------------------------------------------------------------- */

/* A transformer: its depth and the width of its context; false when there is none of that name. */
static bool transformer(int *depth, int *cross_dim, inference *in, lyc_unet_config *c, const char *name)
{
    lyc_shape shape;
    char prefix[LYC_KEY];
    if (!look(&shape, in, "%s.proj_in.weight", name)) {
        return false;
    }
    c->linear_projection = shape.rank == 2;
    snprintf(prefix, sizeof prefix, "%s.transformer_blocks.", name);
    *depth = count(in, prefix, ".norm1.weight");
    *cross_dim = extent(in, 1, "%s0.attn2.to_k.weight", prefix);
    return true;
}

static void down_levels(inference *in, lyc_unet_config *c)
{
    lyc_shape shape;
    bool more = true;
    for (int i = 0; more && i < LYC_MAX_LEVELS; i++) {
        char name[64];
        snprintf(name, sizeof name, "down_blocks.%d.resnets.", i);
        c->layers[i] = count(in, name, ".conv1.weight");
        c->channels[i] = extent(in, 0, "down_blocks.%d.resnets.0.conv1.weight", i);
        snprintf(name, sizeof name, "down_blocks.%d.attentions.0", i);
        c->attention_down[i] = transformer(&c->depth[i], &c->cross_dim[i], in, c, name);
        c->level_count = i + 1;
        more = in->status == LYC_OK && look(&shape, in, "down_blocks.%d.downsamplers.0.conv.weight", i);
    }
    if (more && in->status == LYC_OK) {
        in->status = lyc_fail(in->err, LYC_E_UNSUPPORTED, "more than %d levels", LYC_MAX_LEVELS);
    }
}

static void up_levels(inference *in, lyc_unet_config *c)
{
    for (int i = 0; i < c->level_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "up_blocks.%d.attentions.0", c->level_count - 1 - i);
        c->attention_up[i] = transformer(&c->depth_up[i], &c->cross_dim[i], in, c, name);
    }
}

static int heads_of(const lyc_unet_config *c, int channels, int cross_dim)
{
    const bool sd1 = !c->linear_projection && (cross_dim == 768 || channels % HEAD_DIM != 0);
    if (sd1) {
        return channels % HEADS_SD1 == 0 ? HEADS_SD1 : 0;
    }
    return channels % HEAD_DIM == 0 ? channels / HEAD_DIM : 0;
}

/* Heads, and a width of the context also where there is no transformer. */
static void fill_levels(inference *in, lyc_unet_config *c)
{
    if (!transformer(&c->mid_depth, &c->mid_cross_dim, in, c, "mid_block.attentions.0")) {
        c->mid_cross_dim = extent(in, 1, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight");
    }
    for (int i = 0; i < LYC_MAX_LEVELS; i++) {
        const bool known = i < c->level_count && (c->attention_down[i] || c->attention_up[i]);
        c->cross_dim[i] = known ? c->cross_dim[i] : c->mid_cross_dim;
        c->heads[i] = i < c->level_count ? heads_of(c, c->channels[i], c->cross_dim[i]) : 0;
    }
    c->mid_heads = heads_of(c, c->channels[c->level_count - 1], c->mid_cross_dim);
}

static void embeddings(inference *in, lyc_unet_config *c)
{
    lyc_shape shape;
    if (look(&shape, in, "time_embedding.cond_proj.weight")) {
        c->time_cond_dim = extent(in, 1, "time_embedding.cond_proj.weight");
    }
    if (look(&shape, in, "add_embedding.linear_1.weight")) {
        c->addition_input_dim = extent(in, 1, "add_embedding.linear_1.weight");
        c->addition_time_dim = 256; /* SDXL */
    }
}

static void infer_unet(inference *in, lyc_unet_config *c)
{
    lyc_unet_config_default(c);
    c->sample_size = 0;
    memset(c->attention_down, 0, sizeof c->attention_down);
    c->in_channels = extent(in, 1, "conv_in.weight");
    down_levels(in, c);
    up_levels(in, c);
    fill_levels(in, c);
    embeddings(in, c);
    c->out_channels = extent(in, 0, "conv_out.weight");
}

static void infer_controlnet(inference *in, lyc_unet_config *c)
{
    lyc_unet_config_default(c);
    c->sample_size = 0;
    memset(c->attention_down, 0, sizeof c->attention_down);
    memset(c->attention_up, 0, sizeof c->attention_up);
    c->in_channels = extent(in, 1, "conv_in.weight");
    down_levels(in, c);
    fill_levels(in, c);
    embeddings(in, c);
    const char *hint = "controlnet_cond_embedding.";
    c->hint_in_channels = extent(in, 1, "%sconv_in.weight", hint);
    c->hint_channels[0] = extent(in, 0, "%sconv_in.weight", hint);
    lyc_shape shape;
    int steps = 0;
    while (steps + 1 < LYC_MAX_LEVELS && look(&shape, in, "%sblocks.%d.weight", hint, steps + steps + 1)) {
        c->hint_channels[steps + 1] = extent(in, 0, "%sblocks.%d.weight", hint, steps + steps + 1);
        steps++;
    }
    /* In the original layout the last convolution continues the list: it was counted where it is a block's first, and
     * the second of a pair is missing. */
    c->hint_level_count = steps + 1;
}

/* --- VAE and CLIP ------------------------------------------------------------------------------------------------- */

static void infer_vae(inference *in, lyc_vae_config *c)
{
    lyc_shape shape;
    bool more = true;
    lyc_vae_config_default(c);
    c->sample_size = 0;
    c->in_channels = extent(in, 1, "encoder.conv_in.weight");
    c->layers = count(in, "encoder.down_blocks.0.resnets.", ".conv1.weight");
    for (int i = 0; more && i < LYC_MAX_LEVELS; i++) {
        c->channels[i] = extent(in, 0, "encoder.down_blocks.%d.resnets.0.conv1.weight", i);
        c->level_count = i + 1;
        more = in->status == LYC_OK && look(&shape, in, "encoder.down_blocks.%d.downsamplers.0.conv.weight", i);
    }
    c->mid_attention = look(&shape, in, "encoder.mid_block.attentions.0.to_q.weight");
    c->quant_conv = look(&shape, in, "quant_conv.weight");
    c->post_quant_conv = look(&shape, in, "post_quant_conv.weight");
    c->latent_channels = extent(in, 1, "decoder.conv_in.weight");
    c->out_channels = extent(in, 0, "decoder.conv_out.weight");
}

static void infer_clip_text(inference *in, lyc_clip_text_config *c)
{
    lyc_clip_text_config_default(c);
    c->vocab_size = extent(in, 0, "text_model.embeddings.token_embedding.weight");
    c->hidden_size = extent(in, 1, "text_model.embeddings.token_embedding.weight");
    c->max_positions = extent(in, 0, "text_model.embeddings.position_embedding.weight");
    c->intermediate_size = extent(in, 0, "text_model.encoder.layers.0.mlp.fc1.weight");
    c->layers = count(in, "text_model.encoder.layers.", ".layer_norm1.weight");
    c->heads = c->hidden_size % HEAD_DIM == 0 ? c->hidden_size / HEAD_DIM : 0;
    c->penultimate = in->layout->penultimate && c->layers > 1;
    c->layers -= c->penultimate ? 1 : 0;
    /* OpenCLIP's towers, under whatever names, have the exact GELU: 1024 is ViT-H, 1280 bigG. */
    c->quick_gelu = !in->layout->openclip && c->hidden_size != 1024 && c->hidden_size != 1280;
    lyc_shape shape;
    c->projection_dim = 0;
    if (!c->penultimate && look(&shape, in, "text_projection.weight")) {
        c->projection_dim = extent(in, in->layout->openclip ? 1 : 0, "text_projection.weight");
    }
}

lyc_status lyc_component_infer(lyc_component_config *out, lyc_component_kind kind, const lyc_source *source,
                               const lyc_layout *layout, lyc_error *err)
{
    inference in = {.source = source, .layout = layout, .config = out, .err = err};
    switch (kind) {
    case LYC_COMPONENT_UNET:
        infer_unet(&in, &out->unet);
        break;
    case LYC_COMPONENT_CONTROLNET:
        infer_controlnet(&in, &out->unet);
        break;
    case LYC_COMPONENT_VAE:
        infer_vae(&in, &out->vae);
        break;
    default:
        infer_clip_text(&in, &out->clip_text);
        break;
    }
    return in.status;
}
