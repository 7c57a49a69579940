/* vit_config.c - what a vision transformer is, from the shapes of its tensors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "graph/ops/matmul.h"
#include "model/vit.h"

static int64_t extent(const lyc_vision_weights *w, const char *name, int axis)
{
    lyc_weight_view v;
    return lyc_vision_weights_find(&v, w, name) && v.shape.rank > axis && v.shape.dims[axis] < INT32_MAX
               ? v.shape.dims[axis]
               : 0;
}

static bool has(const lyc_vision_weights *w, const char *name)
{
    lyc_weight_view v;
    return lyc_vision_weights_find(&v, w, name);
}

static int count_blocks(const lyc_vision_weights *w)
{
    int count = 0;
    char name[64];
    do {
        snprintf(name, sizeof name, "blocks.%d.norm1.weight", count);
    } while (has(w, name) && ++count <= LYC_VIT_MAX_BLOCKS);
    return count;
}

/* The side of a square of rows; 0 when they are none. */
static int side_of(int64_t rows)
{
    int side = 0;
    while ((int64_t)side * side < rows) {
        side++;
    }
    return (int64_t)side * side == rows ? side : 0;
}

/* Heads of 64 channels but in two towers of OpenCLIP. */
static int usual_heads(int width)
{
    return width == 1280 || width == 1664 ? 16 : width / 64;
}

static void infer_usual(lyc_vit_config *c, const lyc_vision_weights *w)
{
    const bool clip = w->layout == LYC_VISION_CLIP_TRANSFORMERS || w->layout == LYC_VISION_OPENCLIP;
    c->heads = usual_heads(c->width);
    c->eps = clip ? 1e-5f : 1e-6f;
    c->activation = clip ? LYC_VIT_ACTIVATION_UNKNOWN : LYC_ACTIVATION_GELU;
    c->resample = !clip && c->class_token;
    c->antialias = c->registers > 0;
    c->coefficient = c->antialias ? -0.5f : -0.75f;
    c->offset = w->layout == LYC_VISION_HUB && c->registers == 0 ? 0.1f : 0.0f;
}

lyc_status lyc_vit_config_infer(lyc_vit_config *c, const lyc_vision_weights *w, lyc_error *err)
{
    *c = (lyc_vit_config){
        .channels = (int)extent(w, "patch.weight", 1),
        .patch = (int)extent(w, "patch.weight", 2),
        .width = (int)extent(w, "patch.weight", 0),
        .blocks = count_blocks(w),
        .class_token = has(w, "class_token"),
        .registers = (int)extent(w, "registers", 0),
        .patch_bias = has(w, "patch.bias"),
        .pre_norm = has(w, "pre_norm.weight"),
        .layer_scale = has(w, "blocks.0.scale1"),
        .gate_apart = has(w, "blocks.0.mlp.gate.weight"),
        .projection = (int)extent(w, "projection.weight", 0),
        .classes = (int)extent(w, "head.weight", 0),
        .pool_norm = has(w, "pool_norm.weight"),
    };
    const int64_t in = extent(w, "blocks.0.mlp.fc1.weight", 0);
    c->mlp = (int)extent(w, "blocks.0.mlp.fc2.weight", 1);
    c->gated = c->gate_apart || in == 2 * (int64_t)c->mlp;
    const int64_t rows = extent(w, "positions", 0) - c->class_token;
    c->grid = side_of(rows);
    if (c->grid == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: %" PRId64 " positions of patches are no square", w->path, rows);
    }
    infer_usual(c, w);
    return LYC_OK;
}

lyc_status lyc_vit_config_check(const lyc_vit_config *c, lyc_error *err)
{
    if (c->channels < 1 || c->patch < 1 || c->width < 1 || c->mlp < 1 || c->blocks < 1 || c->grid < 1) {
        return lyc_fail(err, LYC_E_FORMAT, "a vision transformer of %d blocks, width %d, MLP %d, patches of %d",
                        c->blocks, c->width, c->mlp, c->patch);
    }
    if (c->blocks > LYC_VIT_MAX_BLOCKS) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "a vision transformer of more than %d blocks", LYC_VIT_MAX_BLOCKS);
    }
    if (c->heads < 1 || c->width % c->heads != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%d heads for %d channels, these must divide", c->heads, c->width);
    }
    if (c->activation == LYC_VIT_ACTIVATION_UNKNOWN) {
        return lyc_fail(
            err, LYC_E_ARGUMENT,
            "weights of CLIP do not tell whether they want quick_gelu (OpenAI's) or gelu (LAION, DataComp): "
            "it must be said");
    }
    return LYC_OK;
}
