/* clip_text_config.c - what a text tower is, from the shapes of its tensors
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "model/clip_text.h"
#include "model/vision_weights.h"

enum { MAX_LAYERS = 128 };

static int extent(const lyc_vision_weights *w, const char *name, int axis)
{
    lyc_weight_view v;
    return lyc_vision_weights_find(&v, w, name) && v.shape.rank > axis && v.shape.dims[axis] < INT32_MAX
               ? (int)v.shape.dims[axis]
               : 0;
}

static int count_layers(const lyc_vision_weights *w)
{
    int count = 0;
    char name[80];
    lyc_weight_view v;
    do {
        snprintf(name, sizeof name, "text_model.encoder.layers.%d.layer_norm1.weight", count);
    } while (lyc_vision_weights_find(&v, w, name) && ++count < MAX_LAYERS);
    return count;
}

lyc_status lyc_clip_text_config_infer(lyc_clip_text_config *config, const lyc_vision_weights *w, bool quick_gelu,
                                      lyc_error *err)
{
    *config = (lyc_clip_text_config){
        .vocab_size = extent(w, "text_model.embeddings.token_embedding.weight", 0),
        .hidden_size = extent(w, "text_model.embeddings.token_embedding.weight", 1),
        .max_positions = extent(w, "text_model.embeddings.position_embedding.weight", 0),
        .intermediate_size = extent(w, "text_model.encoder.layers.0.mlp.fc1.weight", 0),
        .layers = count_layers(w),
        .projection_dim = extent(w, "text_projection.weight", 0),
        .quick_gelu = quick_gelu,
        .norm_eps = 1e-5f,
    };
    config->heads = config->hidden_size < 64 ? 1 : config->hidden_size / 64;
    if (config->hidden_size == 0 || config->max_positions == 0 || config->intermediate_size == 0 ||
        config->layers == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: a text tower of width %d with %d layers", w->path, config->hidden_size,
                        config->layers);
    }
    return LYC_OK;
}
