/* layout_clip.c - names of OpenCLIP's text tower: SD 2.x, and the second encoder of SDXL
 *
 * It stacks the matrices of q, k and v, and applies its projection from the other side: x P instead of P x.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/layout.h"

// clang-format off
static const lyc_name_rule layer[] = {
    {"layer_norm1", "ln_1"},
    {"layer_norm2", "ln_2"},
    {"self_attn.q_proj.weight", "attn.in_proj_weight", .part = 1},
    {"self_attn.k_proj.weight", "attn.in_proj_weight", .part = 2},
    {"self_attn.v_proj.weight", "attn.in_proj_weight", .part = 3},
    {"self_attn.q_proj.bias", "attn.in_proj_bias", .part = 1},
    {"self_attn.k_proj.bias", "attn.in_proj_bias", .part = 2},
    {"self_attn.v_proj.bias", "attn.in_proj_bias", .part = 3},
    {"self_attn.out_proj", "attn.out_proj"},
    {"mlp.fc1", "mlp.c_fc"},
    {"mlp.fc2", "mlp.c_proj"},
    {0},
};

const lyc_name_rule lyc_rules_openclip[] = {
    {"text_model.embeddings.token_embedding", "token_embedding"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_model.encoder.layers.#", "transformer.resblocks.#", .inside = layer},
    {"text_model.final_layer_norm", "ln_final"},
    {"text_projection.weight", "text_projection", .transposed = true},
    {0},
};
// clang-format on
