/* vision_weights.c - names of vision transformers and CLIP's text towers in files, by tables
 *
 * A rule is a name here and one in the file; # stands for the number of a block, * at the end for ".weight" or ".bias".
 * Several rules for one name are tried in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vision_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

enum { NAME_SIZE = 256 };

/* What part of the file's tensor is meant. */
typedef enum part { WHOLE, THIRD_0, THIRD_1, THIRD_2, TRANSPOSED, SQUEEZED } part;

typedef struct rule {
    const char *ours;
    const char *theirs;
    part part;
} rule;

// clang-format off
static const rule hub_rules[] = {
    {"patch*", "patch_embed.proj*", WHOLE},
    {"class_token", "cls_token", SQUEEZED},
    {"positions", "pos_embed", SQUEEZED},
    {"registers", "register_tokens", SQUEEZED},
    {"blocks.#.norm1*", "blocks.#.norm1*", WHOLE},
    {"blocks.#.attn.q*", "blocks.#.attn.qkv*", THIRD_0},
    {"blocks.#.attn.k*", "blocks.#.attn.qkv*", THIRD_1},
    {"blocks.#.attn.v*", "blocks.#.attn.qkv*", THIRD_2},
    {"blocks.#.attn.out*", "blocks.#.attn.proj*", WHOLE},
    {"blocks.#.scale1", "blocks.#.ls1.gamma", WHOLE},
    {"blocks.#.norm2*", "blocks.#.norm2*", WHOLE},
    {"blocks.#.mlp.fc1*", "blocks.#.mlp.fc1*", WHOLE},
    {"blocks.#.mlp.fc1*", "blocks.#.mlp.w12*", WHOLE},
    {"blocks.#.mlp.fc2*", "blocks.#.mlp.fc2*", WHOLE},
    {"blocks.#.mlp.fc2*", "blocks.#.mlp.w3*", WHOLE},
    {"blocks.#.scale2", "blocks.#.ls2.gamma", WHOLE},
    {"norm*", "norm*", WHOLE},
    {"pool_norm*", "fc_norm*", WHOLE},
    {"head*", "head*", WHOLE},
    {NULL, NULL, WHOLE},
};

static const rule dino_rules[] = {
    {"patch*", "embeddings.patch_embeddings.projection*", WHOLE},
    {"class_token", "embeddings.cls_token", SQUEEZED},
    {"positions", "embeddings.position_embeddings", SQUEEZED},
    {"registers", "embeddings.register_tokens", SQUEEZED},
    {"blocks.#.norm1*", "encoder.layer.#.norm1*", WHOLE},
    {"blocks.#.attn.q*", "encoder.layer.#.attention.attention.query*", WHOLE},
    {"blocks.#.attn.k*", "encoder.layer.#.attention.attention.key*", WHOLE},
    {"blocks.#.attn.v*", "encoder.layer.#.attention.attention.value*", WHOLE},
    {"blocks.#.attn.out*", "encoder.layer.#.attention.output.dense*", WHOLE},
    {"blocks.#.attn.q*", "encoder.layer.#.attention.q_proj*", WHOLE},
    {"blocks.#.attn.k*", "encoder.layer.#.attention.k_proj*", WHOLE},
    {"blocks.#.attn.v*", "encoder.layer.#.attention.v_proj*", WHOLE},
    {"blocks.#.attn.out*", "encoder.layer.#.attention.o_proj*", WHOLE},
    {"blocks.#.scale1", "encoder.layer.#.layer_scale1.lambda1", WHOLE},
    {"blocks.#.norm2*", "encoder.layer.#.norm2*", WHOLE},
    {"blocks.#.mlp.fc1*", "encoder.layer.#.mlp.fc1*", WHOLE},
    {"blocks.#.mlp.fc1*", "encoder.layer.#.mlp.weights_in*", WHOLE},
    {"blocks.#.mlp.gate*", "encoder.layer.#.mlp.gate_proj*", WHOLE},
    {"blocks.#.mlp.up*", "encoder.layer.#.mlp.up_proj*", WHOLE},
    {"blocks.#.mlp.fc2*", "encoder.layer.#.mlp.fc2*", WHOLE},
    {"blocks.#.mlp.fc2*", "encoder.layer.#.mlp.weights_out*", WHOLE},
    {"blocks.#.mlp.fc2*", "encoder.layer.#.mlp.down_proj*", WHOLE},
    {"blocks.#.scale2", "encoder.layer.#.layer_scale2.lambda1", WHOLE},
    {"norm*", "layernorm*", WHOLE},
    {NULL, NULL, WHOLE},
};

static const rule clip_rules[] = {
    {"patch*", "embeddings.patch_embedding*", WHOLE},
    {"class_token", "embeddings.class_embedding", SQUEEZED},
    {"positions", "embeddings.position_embedding.weight", WHOLE},
    {"pre_norm*", "pre_layrnorm*", WHOLE}, /* as published */
    {"pre_norm*", "pre_layernorm*", WHOLE},
    {"blocks.#.norm1*", "encoder.layers.#.layer_norm1*", WHOLE},
    {"blocks.#.attn.q*", "encoder.layers.#.self_attn.q_proj*", WHOLE},
    {"blocks.#.attn.k*", "encoder.layers.#.self_attn.k_proj*", WHOLE},
    {"blocks.#.attn.v*", "encoder.layers.#.self_attn.v_proj*", WHOLE},
    {"blocks.#.attn.out*", "encoder.layers.#.self_attn.out_proj*", WHOLE},
    {"blocks.#.norm2*", "encoder.layers.#.layer_norm2*", WHOLE},
    {"blocks.#.mlp.fc1*", "encoder.layers.#.mlp.fc1*", WHOLE},
    {"blocks.#.mlp.fc2*", "encoder.layers.#.mlp.fc2*", WHOLE},
    {"norm*", "post_layernorm*", WHOLE},
    {"projection.weight", "visual_projection.weight", WHOLE},
    {NULL, NULL, WHOLE},
};

static const rule openclip_rules[] = {
    {"patch*", "conv1*", WHOLE},
    {"class_token", "class_embedding", SQUEEZED},
    {"positions", "positional_embedding", SQUEEZED},
    {"pre_norm*", "ln_pre*", WHOLE},
    {"blocks.#.norm1*", "transformer.resblocks.#.ln_1*", WHOLE},
    {"blocks.#.attn.q.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_0},
    {"blocks.#.attn.k.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_1},
    {"blocks.#.attn.v.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_2},
    {"blocks.#.attn.q.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_0},
    {"blocks.#.attn.k.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_1},
    {"blocks.#.attn.v.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_2},
    {"blocks.#.attn.out*", "transformer.resblocks.#.attn.out_proj*", WHOLE},
    {"blocks.#.norm2*", "transformer.resblocks.#.ln_2*", WHOLE},
    {"blocks.#.mlp.fc1*", "transformer.resblocks.#.mlp.c_fc*", WHOLE},
    {"blocks.#.mlp.fc2*", "transformer.resblocks.#.mlp.c_proj*", WHOLE},
    {"norm*", "ln_post*", WHOLE},
    {"projection.weight", "proj", TRANSPOSED},
    {NULL, NULL, WHOLE},
};

static const rule text_rules[] = {
    {"text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight", WHOLE},
    {"text_model.embeddings.position_embedding.weight", "embeddings.position_embedding.weight", WHOLE},
    {"text_model.encoder.layers.#.layer_norm1*", "encoder.layers.#.layer_norm1*", WHOLE},
    {"text_model.encoder.layers.#.layer_norm2*", "encoder.layers.#.layer_norm2*", WHOLE},
    {"text_model.encoder.layers.#.self_attn.q_proj*", "encoder.layers.#.self_attn.q_proj*", WHOLE},
    {"text_model.encoder.layers.#.self_attn.k_proj*", "encoder.layers.#.self_attn.k_proj*", WHOLE},
    {"text_model.encoder.layers.#.self_attn.v_proj*", "encoder.layers.#.self_attn.v_proj*", WHOLE},
    {"text_model.encoder.layers.#.self_attn.out_proj*", "encoder.layers.#.self_attn.out_proj*", WHOLE},
    {"text_model.encoder.layers.#.mlp.fc1*", "encoder.layers.#.mlp.fc1*", WHOLE},
    {"text_model.encoder.layers.#.mlp.fc2*", "encoder.layers.#.mlp.fc2*", WHOLE},
    {"text_model.final_layer_norm*", "final_layer_norm*", WHOLE},
    {"text_projection.weight", "text_projection.weight", WHOLE},
    {NULL, NULL, WHOLE},
};

static const rule openclip_text_rules[] = {
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight", WHOLE},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding", SQUEEZED},
    {"text_model.encoder.layers.#.layer_norm1*", "transformer.resblocks.#.ln_1*", WHOLE},
    {"text_model.encoder.layers.#.layer_norm2*", "transformer.resblocks.#.ln_2*", WHOLE},
    {"text_model.encoder.layers.#.self_attn.q_proj.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_0},
    {"text_model.encoder.layers.#.self_attn.k_proj.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_1},
    {"text_model.encoder.layers.#.self_attn.v_proj.weight", "transformer.resblocks.#.attn.in_proj_weight", THIRD_2},
    {"text_model.encoder.layers.#.self_attn.q_proj.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_0},
    {"text_model.encoder.layers.#.self_attn.k_proj.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_1},
    {"text_model.encoder.layers.#.self_attn.v_proj.bias", "transformer.resblocks.#.attn.in_proj_bias", THIRD_2},
    {"text_model.encoder.layers.#.self_attn.out_proj*", "transformer.resblocks.#.attn.out_proj*", WHOLE},
    {"text_model.encoder.layers.#.mlp.fc1*", "transformer.resblocks.#.mlp.c_fc*", WHOLE},
    {"text_model.encoder.layers.#.mlp.fc2*", "transformer.resblocks.#.mlp.c_proj*", WHOLE},
    {"text_model.final_layer_norm*", "ln_final*", WHOLE},
    {"text_projection.weight", "text_projection", TRANSPOSED},
    {NULL, NULL, WHOLE},
};

/* What may stand in front of all keys; the first that fits is taken. */
static const struct {
    const rule *rules;
    const char *sign; /* a key that tells the layout */
    const char *prefixes[4];
} layouts[] = {
    [LYC_VISION_HUB] = {hub_rules, "patch_embed.proj.weight", {"", "dinov2.", "backbone.", NULL}},
    [LYC_VISION_DINO_TRANSFORMERS] =
        {dino_rules, "embeddings.patch_embeddings.projection.weight", {"", "dinov2.", "dinov2_with_registers.", NULL}},
    [LYC_VISION_CLIP_TRANSFORMERS] =
        {clip_rules, "embeddings.patch_embedding.weight", {"", "vision_model.", NULL}},
    [LYC_VISION_OPENCLIP] = {openclip_rules, "transformer.resblocks.0.ln_1.weight", {"visual.", NULL}},
    [LYC_VISION_TEXT_TRANSFORMERS] = {text_rules, "embeddings.token_embedding.weight", {"text_model.", "", NULL}},
    [LYC_VISION_TEXT_OPENCLIP] = {openclip_text_rules, "token_embedding.weight", {"", "text.", NULL}},
};
// clang-format on

static bool has_key(const lyc_safetensors *file, const char *prefix, const char *more, const char *key)
{
    char name[NAME_SIZE];
    lyc_tensor_view view;
    return snprintf(name, sizeof name, "%s%s%s", prefix, more, key) < NAME_SIZE &&
           lyc_safetensors_find(&view, file, name);
}

static bool take_layout(lyc_vision_weights *w, lyc_vision_layout layout)
{
    for (int i = 0; layouts[layout].prefixes[i] != NULL; i++) {
        const char *more = layouts[layout].prefixes[i];
        if (has_key(w->file, w->root, more, layouts[layout].sign)) {
            w->layout = layout;
            return snprintf(w->prefix, sizeof w->prefix, "%s%s", w->root, more) < (int)sizeof w->prefix;
        }
    }
    return false;
}

/* Chunks have the blocks of the whole network, each those of its own range, under the numbers they have in it. */
static int count_chunks(const lyc_vision_weights *w)
{
    int chunks = 0;
    char key[64];
    for (int block = 0; block < 1024; block++) {
        snprintf(key, sizeof key, "blocks.%d.%d.norm1.weight", chunks, block);
        if (has_key(w->file, w->prefix, "", key)) {
            continue;
        }
        snprintf(key, sizeof key, "blocks.%d.%d.norm1.weight", chunks + 1, block);
        if (!has_key(w->file, w->prefix, "", key)) {
            return block == 0 ? 0 : chunks + 1;
        }
        chunks++;
    }
    return chunks + 1;
}

static bool recognise(lyc_vision_weights *w, const lyc_safetensors *file, const char *path, const char *root,
                      lyc_vision_layout first, lyc_vision_layout last)
{
    *w = (lyc_vision_weights){.file = file, .path = path};
    snprintf(w->root, sizeof w->root, "%s", root);
    for (int layout = first; layout <= (int)last; layout++) {
        if (take_layout(w, (lyc_vision_layout)layout)) {
            w->chunks = layout == LYC_VISION_HUB ? count_chunks(w) : 0;
            return true;
        }
    }
    return false;
}

lyc_status lyc_vision_weights_init(lyc_vision_weights *w, const lyc_safetensors *file, const char *path,
                                   const char *root, lyc_error *err)
{
    if (recognise(w, file, path, root, LYC_VISION_HUB, LYC_VISION_OPENCLIP)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_FORMAT,
                    "%s: no vision transformer known here: none of the keys patch_embed.proj.weight (DINOv2, timm), "
                    "embeddings.patch_embeddings.projection.weight (DINOv2 of transformers), "
                    "vision_model.embeddings.patch_embedding.weight (CLIP), "
                    "visual.transformer.resblocks.0.ln_1.weight (OpenCLIP)",
                    path);
}

lyc_status lyc_text_weights_init(lyc_vision_weights *w, const lyc_safetensors *file, const char *path, const char *root,
                                 lyc_error *err)
{
    if (recognise(w, file, path, root, LYC_VISION_TEXT_TRANSFORMERS, LYC_VISION_TEXT_OPENCLIP)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_FORMAT,
                    "%s: no text tower of a CLIP: neither text_model.embeddings.token_embedding.weight nor "
                    "token_embedding.weight",
                    path);
}

/* Whether name is an instance of pattern: *block the number at #, *tail what stands for *. */
static bool match(int *block, const char **tail, const char *pattern, const char *name)
{
    *tail = "";
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '#') {
            char *end;
            *block = (int)strtol(name, &end, 10);
            if (end == name) {
                return false;
            }
            name = end;
        } else if (*pattern == '*') {
            *tail = name;
            return strcmp(name, ".weight") == 0 || strcmp(name, ".bias") == 0;
        } else if (*pattern != *name++) {
            return false;
        }
    }
    return *name == '\0';
}

static bool write_key(char *key, const char *prefix, const char *pattern, int chunk, int block, const char *tail)
{
    size_t length = (size_t)snprintf(key, NAME_SIZE, "%s", prefix);
    for (; *pattern != '\0' && length + 32 < NAME_SIZE; pattern++) {
        if (*pattern == '#' && chunk >= 0) {
            length += (size_t)snprintf(key + length, NAME_SIZE - length, "%d.%d", chunk, block);
        } else if (*pattern == '#') {
            length += (size_t)snprintf(key + length, NAME_SIZE - length, "%d", block);
        } else if (*pattern == '*') {
            length += (size_t)snprintf(key + length, NAME_SIZE - length, "%s", tail);
        } else {
            key[length++] = *pattern;
            key[length] = '\0';
        }
    }
    return *pattern == '\0';
}

/* Projections stand beside the towers, not in them. */
static bool find_key(lyc_tensor_view *out, const lyc_vision_weights *w, const char *pattern, int block,
                     const char *tail)
{
    char key[NAME_SIZE];
    for (int chunk = w->chunks > 0 ? 0 : -1; chunk < w->chunks; chunk++) {
        if ((write_key(key, w->prefix, pattern, chunk, block, tail) && lyc_safetensors_find(out, w->file, key)) ||
            (write_key(key, w->root, pattern, chunk, block, tail) && lyc_safetensors_find(out, w->file, key))) {
            return true;
        }
    }
    return false;
}

static void take_third(lyc_weight_view *v, int index)
{
    v->shape.dims[0] /= 3;
    v->size_bytes /= 3;
    v->data = (const char *)v->data + (size_t)index * v->size_bytes;
}

/* The part that a rule means; false when the tensor cannot be divided so. */
static bool take_part(lyc_weight_view *v, part which)
{
    lyc_shape *s = &v->shape;
    switch (which) {
    case WHOLE:
        return true;
    case THIRD_0:
    case THIRD_1:
    case THIRD_2:
        if (s->rank < 1 || s->dims[0] % 3 != 0) {
            return false;
        }
        take_third(v, (int)(which - THIRD_0));
        return true;
    case TRANSPOSED:
        if (s->rank != 2) {
            return false;
        }
        *s = LYC_SHAPE(s->dims[1], s->dims[0]);
        v->transposed = true;
        return true;
    case SQUEEZED:
        break;
    }
    while (s->rank > 1 && s->dims[0] == 1) {
        s->rank--;
        memmove(s->dims, s->dims + 1, (size_t)s->rank * sizeof s->dims[0]);
    }
    return true;
}

bool lyc_vision_weights_find(lyc_weight_view *out, const lyc_vision_weights *w, const char *name)
{
    for (const rule *r = layouts[w->layout].rules; r->ours != NULL; r++) {
        int block = 0;
        const char *tail;
        lyc_tensor_view t;
        if (match(&block, &tail, r->ours, name) && find_key(&t, w, r->theirs, block, tail)) {
            *out = (lyc_weight_view){.name = t.name,
                                     .key = t.name,
                                     .file = w->path,
                                     .dtype = t.dtype,
                                     .shape = t.shape,
                                     .data = t.data,
                                     .size_bytes = t.size_bytes,
                                     .file_offset = t.file_offset};
            return take_part(out, r->part);
        }
    }
    return false;
}

bool lyc_vision_weights_name(char *out, size_t size, lyc_vision_layout layout, const char *name)
{
    for (const rule *r = layouts[layout].rules; r->ours != NULL; r++) {
        int block = 0;
        const char *tail;
        char key[NAME_SIZE];
        if (match(&block, &tail, r->ours, name) && (r->part == WHOLE || r->part == SQUEEZED)) {
            const char *const *prefixes = layouts[layout].prefixes;
            const bool beside = strcmp(name, "projection.weight") == 0;
            const char *prefix = beside || prefixes[1] == NULL ? "" : prefixes[1];
            return write_key(key, prefix, r->theirs, -1, block, tail) && snprintf(out, size, "%s", key) < (int)size;
        }
    }
    return false;
}

static bool find_in(lyc_weight_view *out, const void *context, const char *name, const lyc_shape *shape)
{
    (void)shape;
    return lyc_vision_weights_find(out, context, name);
}

lyc_weight_source lyc_vision_weights_source(const lyc_vision_weights *w)
{
    return (lyc_weight_source){.find = find_in, .context = w, .file = w->path};
}
