/* unet_keys.c - keys and values of every cross attention, apart from the rest of the U-Net
 *
 * The transformers are listed in the order in which the forward pass meets them; this is the one place that knows it
 * beside unet.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "graph/ops/matmul.h"
#include "model/unet.h"

enum { MAX_TRANSFORMERS = LYC_UNET_MAX_CROSS, LAYER_SIZE = 96 };

typedef struct transformer {
    char layer[LAYER_SIZE];
    int channels;
    int cross_dim;
    int depth;
} transformer;

typedef struct transformer_list {
    int count;
    int attentions; /* of all transformers */
    transformer items[MAX_TRANSFORMERS];
} transformer_list;

static bool append(transformer_list *list, const transformer *like, const char *block, int block_index, int index)
{
    const int depth = like->depth;
    if (list->count == MAX_TRANSFORMERS || list->attentions + depth > LYC_UNET_MAX_CROSS) {
        return false;
    }
    transformer *t = &list->items[list->count++];
    *t = *like;
    char number[16] = "";
    if (block_index >= 0) {
        snprintf(number, sizeof number, ".%d", block_index);
    }
    snprintf(t->layer, sizeof t->layer, "%s%s.attentions.%d", block, number, index);
    list->attentions += depth;
    return true;
}

/* False when there are more than this program takes. with_up: a ControlNet has no up path. */
static bool list_transformers(transformer_list *list, const lyc_unet_config *config, bool with_up)
{
    const int levels = config->level_count;
    bool fits = true;
    list->count = 0;
    list->attentions = 0;
    for (int level = 0; level < levels; level++) {
        const transformer t = {"", config->channels[level], config->cross_dim[level], config->depth[level]};
        for (int j = 0; config->attention_down[level] && j < config->layers[level]; j++) {
            fits = fits && append(list, &t, "down_blocks", level, j);
        }
    }
    if (config->mid_depth > 0) {
        const transformer t = {"", config->channels[levels - 1], config->mid_cross_dim, config->mid_depth};
        fits = fits && append(list, &t, "mid_block", -1, 0);
    }
    for (int level = levels - 1; with_up && level >= 0; level--) {
        const transformer t = {"", config->channels[level], config->cross_dim[level], config->depth_up[level]};
        for (int j = 0; config->attention_up[level] && j <= config->layers[level]; j++) {
            fits = fits && append(list, &t, "up_blocks", levels - 1 - level, j);
        }
    }
    return fits;
}

static bool take_list(transformer_list *list, lyc_graph *g, const lyc_unet_config *config, bool with_up)
{
    if (!list_transformers(list, config, with_up)) {
        lyc_graph_fail(g, LYC_E_UNSUPPORTED, "a U-Net with more than %d cross attentions", LYC_UNET_MAX_CROSS);
        return false;
    }
    return true;
}

static void context(lyc_unet_keys *keys, lyc_module *m, const lyc_unet_config *config, lyc_value *states, bool with_up)
{
    transformer_list list;
    keys->count = 0;
    if (lyc_value_failed(states) || !take_list(&list, m->graph, config, with_up)) {
        return;
    }
    const int64_t width = states->shape.dims[states->shape.rank - 1];
    for (int i = 0; i < list.count; i++) {
        const transformer *t = &list.items[i];
        if (width != t->cross_dim) {
            lyc_graph_fail(m->graph, LYC_E_SHAPE, "text states have %lld channels, %s expects %d", (long long)width,
                           t->layer, t->cross_dim);
            return;
        }
        for (int k = 0; k < t->depth; k++) {
            lyc_graph_enter(m->graph, "%s.transformer_blocks.%d.attn2", t->layer, k);
            keys->k[keys->count] = lyc_module_linear(m, "to_k", states, t->channels, false, LYC_ACTIVATION_NONE, NULL);
            keys->v[keys->count++] =
                lyc_module_linear(m, "to_v", states, t->channels, false, LYC_ACTIVATION_NONE, NULL);
            lyc_graph_leave(m->graph);
        }
    }
}

void lyc_unet_context(lyc_unet_keys *keys, lyc_module *m, const lyc_unet_config *config, lyc_value *states)
{
    context(keys, m, config, states, true);
}

void lyc_unet_context_down(lyc_unet_keys *keys, lyc_module *m, const lyc_unet_config *config, lyc_value *states)
{
    context(keys, m, config, states, false);
}

static void key_inputs(lyc_unet_keys *keys, lyc_graph *g, const lyc_unet_config *config, int64_t n, int64_t tokens,
                       bool with_up)
{
    transformer_list list;
    keys->count = 0;
    if (!take_list(&list, g, config, with_up)) {
        return;
    }
    for (int i = 0; i < list.count; i++) {
        const transformer *t = &list.items[i];
        const lyc_shape shape = LYC_SHAPE(n, tokens, t->channels);
        for (int k = 0; k < t->depth; k++) {
            char name[LAYER_SIZE + 64];
            snprintf(name, sizeof name, "%s.transformer_blocks.%d.attn2.k", t->layer, k);
            keys->k[keys->count] = lyc_graph_input(g, name, LYC_ACTIVATION, shape);
            name[strlen(name) - 1] = 'v';
            keys->v[keys->count++] = lyc_graph_input(g, name, LYC_ACTIVATION, shape);
        }
    }
}

void lyc_unet_key_inputs(lyc_unet_keys *keys, lyc_graph *g, const lyc_unet_config *config, int64_t n, int64_t tokens)
{
    key_inputs(keys, g, config, n, tokens, true);
}

void lyc_unet_key_inputs_down(lyc_unet_keys *keys, lyc_graph *g, const lyc_unet_config *config, int64_t n,
                              int64_t tokens)
{
    key_inputs(keys, g, config, n, tokens, false);
}
