/* preset_built_in.c - LyCORIS' own presets (lycoris/config.py, 3.3.0), as the trees that files turn into
 *
 * Four classes of other families that 4.x adds to the lists would match the time embedding of a U-Net, so that its own
 * presets fail there; the lists are therefore those of 3.3.0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/preset.h"
#include "base/string.h"

#define TRANSFORMERS                                                                                                   \
    "Transformer2DModel", "HunYuanDiTBlock", "DoubleStreamBlock", "SingleStreamBlock", "SingleDiTBlock",               \
        "MMDoubleStreamBlock", "MMSingleStreamBlock", "WanAttentionBlock", "HunyuanVideoTransformerBlock",             \
        "HunyuanVideoSingleTransformerBlock", "JointTransformerBlock", "FinalLayer", "QwenImageTransformerBlock"
#define TEXT_ENCODERS                                                                                                  \
    "CLIPAttention", "CLIPSdpaAttention", "CLIPMLP", "MT5Block", "BertLayer", "Gemma2Attention",                       \
        "Gemma2FlashAttention2", "Gemma2SdpaAttention", "Gemma2MLP"
#define CONVOLUTIONS   "ResnetBlock2D", "Downsample2D", "Upsample2D"
#define TIME_EMBEDDING "time_embedding.linear_1", "time_embedding.linear_2"

/* Lists end in NULL, and begin with it where there is none. */
static const struct built_in {
    const char *name;
    const char *summary;
    bool enable_conv;
    const char *unet_modules[24], *unet_names[8];
    const char *text_modules[12], *text_names[4];
    const char *on_input[3]; /* of name_algo_map: train_on_input */
} presets[] = {
    {.name = "full",
     .summary = "all layers of U-Net and text encoder",
     .enable_conv = true,
     .unet_modules = {TRANSFORMERS, CONVOLUTIONS},
     .unet_names = {"conv_in", "conv_out", TIME_EMBEDDING},
     .text_modules = {TEXT_ENCODERS}},
    {.name = "full-lin",
     .summary = "all layers but convolutions larger than 1x1",
     .unet_modules = {TRANSFORMERS, "ResnetBlock2D"},
     .unet_names = {TIME_EMBEDDING},
     .text_modules = {TEXT_ENCODERS}},
    {.name = "attn-mlp",
     .summary = "transformers: attention, feed-forward, projections",
     .unet_modules = {TRANSFORMERS},
     .text_modules = {TEXT_ENCODERS}},
    {.name = "attn-only",
     .summary = "attention alone",
     .unet_modules = {"CrossAttention", "SelfAttention"},
     .text_modules = {"CLIPAttention", "CLIPSdpaAttention", "BertAttention", "MT5LayerSelfAttention", "Gemma2Attention",
                      "Gemma2FlashAttention2", "Gemma2SdpaAttention"}},
    {.name = "unet-only",
     .summary = "as full, without text encoder",
     .enable_conv = true,
     .unet_modules = {TRANSFORMERS, CONVOLUTIONS},
     .unet_names = {"conv_in", "conv_out", TIME_EMBEDDING}},
    {.name = "unet-transformer-only", .summary = "as attn-mlp, without text encoder", .unet_modules = {TRANSFORMERS}},
    {.name = "unet-convblock-only",
     .summary = "residual blocks, up- and downsampling, conv_in and conv_out",
     .enable_conv = true,
     .unet_modules = {CONVOLUTIONS},
     .unet_names = {"conv_in", "conv_out"}},
    {.name = "ia3",
     .summary = "keys, values and the second feed-forward layer, for (IA)3",
     .unet_names = {"to_k", "to_v", "ff.net.2"},
     .text_names = {"k_proj", "v_proj", "mlp.fc2"},
     .on_input = {"mlp.fc2", "ff.net.2"}},
};
enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

/* Of LyCORIS 4.x, and of other trees that use its presets. */
static const char *const more_classes[] = {
    "LensTransformerBlock",
    "Ideogram4TransformerBlock",
    "ZImageTransformerBlock",
    "AceStepEncoderLayer",
    "AceStepDiTLayer",
    "TextFusionBlock",
    "Block",
    "PatchEmbed",
    "TimestepEmbedding",
    "LLMAdapterTransformerBlock",
    "Qwen3Attention",
    "Qwen3FlashAttention2",
    "Qwen3SdpaAttention",
    "Qwen3MLP",
    "Attention",
    "T5Attention",
    "T5DenseGatedActDense",
    "T5Block",
};

const char *lyc_preset_built_in_name(size_t index)
{
    return index < PRESET_COUNT ? presets[index].name : NULL;
}

const char *lyc_preset_built_in_summary(size_t index)
{
    return index < PRESET_COUNT ? presets[index].summary : NULL;
}

static bool listed(const char *const *list, size_t size, const char *text)
{
    for (size_t i = 0; i < size && list[i] != NULL; i++) {
        if (strcmp(list[i], text) == 0) {
            return true;
        }
    }
    return false;
}

bool lyc_preset_class_known(const char *class_name)
{
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        const struct built_in *p = &presets[i];
        if (listed(p->unet_modules, sizeof p->unet_modules / sizeof p->unet_modules[0], class_name) ||
            listed(p->text_modules, sizeof p->text_modules / sizeof p->text_modules[0], class_name)) {
            return true;
        }
    }
    return listed(more_classes, sizeof more_classes / sizeof more_classes[0], class_name);
}

static json_t *list_tree(const char *const *list, size_t size)
{
    json_t *tree = json_array();
    for (size_t i = 0; i < size && list[i] != NULL; i++) {
        json_array_append_new(tree, json_string(list[i]));
    }
    return tree;
}

/* jansson checks nothing line by line: a member that has no memory is missing, and then the count is wrong. */
static json_t *preset_tree(const struct built_in *p)
{
    json_t *map = json_object();
    for (size_t i = 0; i < sizeof p->on_input / sizeof p->on_input[0] && p->on_input[i] != NULL; i++) {
        json_object_set_new(map, p->on_input[i], json_pack("{sb}", "train_on_input", true));
    }
    json_t *tree = json_object();
    json_object_set_new(tree, "enable_conv", json_boolean(p->enable_conv));
    json_object_set_new(tree, "unet_target_module", list_tree(p->unet_modules, 24));
    json_object_set_new(tree, "unet_target_name", list_tree(p->unet_names, 8));
    json_object_set_new(tree, "text_encoder_target_module", list_tree(p->text_modules, 12));
    json_object_set_new(tree, "text_encoder_target_name", list_tree(p->text_names, 4));
    json_object_set_new(tree, "name_algo_map", map);
    return tree;
}

static lyc_status unknown(const char *name, lyc_error *err)
{
    char text[256];
    size_t length = 0;
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        const size_t size = strlen(presets[i].name);
        memcpy(text + length, presets[i].name, size);
        memcpy(text + length + size, ", ", 3);
        length += size + 2;
    }
    text[length - 2] = '\0';
    return lyc_fail(err, LYC_E_ARGUMENT, "no preset '%s'; there are %s", name, text);
}

lyc_status lyc_preset_built_in(lyc_preset *out, const char *name, lyc_error *err)
{
    *out = (lyc_preset){0};
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            json_t *tree = preset_tree(&presets[i]);
            const lyc_status status = json_object_size(tree) == 6
                                          ? lyc_preset_parse(out, name, tree, err)
                                          : lyc_fail(err, LYC_E_MEMORY, "no memory for preset '%s'", name);
            json_decref(tree);
            out->built_in = status == LYC_OK;
            return status;
        }
    }
    return unknown(name, err);
}
