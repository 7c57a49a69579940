/* inventory_text.c - the modules of text encoders: CLIP and T5
 *
 * Order of registration: transformers (k before v before q in CLIP). OpenCLIP keeps q, k and v in one matrix, so these
 * have no name of their own there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "adapter/inventory.h"

enum { TEXT = 64 };

static void clip_layer(lyc_inventory_builder *b, int index, const lyc_clip_text_config *config)
{
    const int64_t c = config->hidden_size, wide = config->intermediate_size;
    char name[TEXT], original[TEXT];
    snprintf(name, sizeof name, "text_model.encoder.layers.%d", index);
    snprintf(original, sizeof original, "transformer.resblocks.%d", index);
    lyc_inventory_open(b, "CLIPEncoderLayer", name, original);
    lyc_inventory_open(b, "CLIPAttention", "self_attn", "attn");
    lyc_inventory_linear(b, "k_proj", NULL, c, c, true);
    lyc_inventory_linear(b, "v_proj", NULL, c, c, true);
    lyc_inventory_linear(b, "q_proj", NULL, c, c, true);
    lyc_inventory_linear(b, "out_proj", NULL, c, c, true);
    lyc_inventory_close(b);
    lyc_inventory_norm(b, "LayerNorm", "layer_norm1", "ln_1", c);
    lyc_inventory_open(b, "CLIPMLP", "mlp", NULL);
    lyc_inventory_linear(b, "fc1", "c_fc", wide, c, true);
    lyc_inventory_linear(b, "fc2", "c_proj", c, wide, true);
    lyc_inventory_close(b);
    lyc_inventory_norm(b, "LayerNorm", "layer_norm2", "ln_2", c);
    lyc_inventory_close(b);
}

lyc_status lyc_inventory_text(lyc_inventory *out, const char *component, const lyc_clip_text_config *config,
                              lyc_error *err)
{
    lyc_inventory_builder b;
    lyc_inventory_begin(&b, out, component, LYC_NAMING_DIFFUSERS);
    lyc_inventory_table(&b, "text_model.embeddings.token_embedding", "token_embedding", config->vocab_size,
                        config->hidden_size);
    lyc_inventory_table(&b, "text_model.embeddings.position_embedding", NULL, config->max_positions,
                        config->hidden_size);
    for (int i = 0; i < config->layers; i++) {
        clip_layer(&b, i, config);
    }
    lyc_inventory_norm(&b, "LayerNorm", "text_model.final_layer_norm", "ln_final", config->hidden_size);
    if (config->projection_dim > 0) {
        lyc_inventory_linear(&b, "text_projection", NULL, config->projection_dim, config->hidden_size, false);
    }
    return lyc_inventory_finish(&b, err);
}

/* T5 v1.1 XXL, the encoder of Flux.1 and SD3: 24 layers, width 4096, 64 heads of 64, gated feed-forward of 10240. */
lyc_status lyc_inventory_t5(lyc_inventory *out, const char *component, lyc_error *err)
{
    enum { LAYERS = 24, WIDTH = 4096, WIDE = 10240 };
    lyc_inventory_builder b;
    lyc_inventory_begin(&b, out, component, LYC_NAMING_DIFFUSERS);
    for (int i = 0; i < LAYERS; i++) {
        static const char *const attention[] = {"q", "k", "v", "o"};
        char name[TEXT];
        snprintf(name, sizeof name, "encoder.block.%d", i);
        lyc_inventory_open(&b, "T5Block", name, NULL);
        lyc_inventory_open(&b, "T5Attention", "layer.0.SelfAttention", NULL);
        for (size_t k = 0; k < sizeof attention / sizeof attention[0]; k++) {
            lyc_inventory_linear(&b, attention[k], NULL, WIDTH, WIDTH, false);
        }
        lyc_inventory_close(&b);
        lyc_inventory_open(&b, "T5DenseGatedActDense", "layer.1.DenseReluDense", NULL);
        lyc_inventory_linear(&b, "wi_0", NULL, WIDE, WIDTH, false);
        lyc_inventory_linear(&b, "wi_1", NULL, WIDE, WIDTH, false);
        lyc_inventory_linear(&b, "wo", NULL, WIDTH, WIDE, false);
        lyc_inventory_close(&b);
        lyc_inventory_close(&b);
    }
    return lyc_inventory_finish(&b, err);
}
