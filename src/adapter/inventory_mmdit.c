/* inventory_mmdit.c - the modules of Flux.1 and SD3, by which names in adapter files are recognised
 *
 * The original code keeps q, k and v (and, in Flux's single blocks, the feed-forward) in one matrix where diffusers has
 * several. Adapters are trained on either, so both are modules here; a fused one has its original path as its name.
 * Sources: black-forest-labs/flux (model.py), Stability's sd3_impls.py, and diffusers' convert scripts of both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "adapter/inventory.h"

enum { TEXT = 96 };

/* One matrix under two names; sizes in units of the width. */
typedef struct matrix {
    const char *name, *original;
    int out, in;
} matrix;

static void blocks(lyc_inventory_builder *b, const char *class_name, const char *name, const char *original, int count,
                   const matrix *list, int64_t width)
{
    for (int i = 0; i < count; i++) {
        char outer_name[TEXT], outer_original[TEXT];
        snprintf(outer_name, sizeof outer_name, "%s.%d", name, i);
        snprintf(outer_original, sizeof outer_original, "%s.%d", original, i);
        lyc_inventory_open(b, class_name, outer_name, outer_original);
        for (const matrix *m = list; m->out > 0; m++) {
            lyc_inventory_linear(b, m->name, m->original, m->out * width, m->in * width, true);
        }
        lyc_inventory_close(b);
    }
}

static const matrix flux_double[] = {
    {"attn.to_q", NULL, 1, 1},
    {"attn.to_k", NULL, 1, 1},
    {"attn.to_v", NULL, 1, 1},
    {NULL, "img_attn.qkv", 3, 1},
    {"attn.add_q_proj", NULL, 1, 1},
    {"attn.add_k_proj", NULL, 1, 1},
    {"attn.add_v_proj", NULL, 1, 1},
    {NULL, "txt_attn.qkv", 3, 1},
    {"attn.to_out.0", "img_attn.proj", 1, 1},
    {"attn.to_add_out", "txt_attn.proj", 1, 1},
    {"ff.net.0.proj", "img_mlp.0", 4, 1},
    {"ff.net.2", "img_mlp.2", 1, 4},
    {"ff_context.net.0.proj", "txt_mlp.0", 4, 1},
    {"ff_context.net.2", "txt_mlp.2", 1, 4},
    {"norm1.linear", "img_mod.lin", 6, 1},
    {"norm1_context.linear", "txt_mod.lin", 6, 1},
    {0},
};

static const matrix flux_single[] = {
    {"attn.to_q", NULL, 1, 1},
    {"attn.to_k", NULL, 1, 1},
    {"attn.to_v", NULL, 1, 1},
    {"proj_mlp", NULL, 4, 1},
    {NULL, "linear1", 7, 1},
    {"proj_out", "linear2", 1, 5},
    {"norm.linear", "modulation.lin", 3, 1},
    {0},
};

/* Outside of the blocks; sizes as they are. */
typedef struct outer_matrix {
    const char *name, *original;
    int64_t out, in;
} outer_matrix;

static void add_outer(lyc_inventory_builder *b, const outer_matrix *list)
{
    for (const outer_matrix *m = list; m->name != NULL; m++) {
        lyc_inventory_linear(b, m->name, m->original, m->out, m->in, true);
    }
}

lyc_status lyc_inventory_flux(lyc_inventory *out, lyc_error *err)
{
    enum { WIDTH = 3072, DOUBLE_BLOCKS = 19, SINGLE_BLOCKS = 38 };
    static const outer_matrix outer[] = {
        {"x_embedder", "img_in", WIDTH, 64},
        {"context_embedder", "txt_in", WIDTH, 4096},
        {"time_text_embed.timestep_embedder.linear_1", "time_in.in_layer", WIDTH, 256},
        {"time_text_embed.timestep_embedder.linear_2", "time_in.out_layer", WIDTH, WIDTH},
        {"time_text_embed.text_embedder.linear_1", "vector_in.in_layer", WIDTH, 768},
        {"time_text_embed.text_embedder.linear_2", "vector_in.out_layer", WIDTH, WIDTH},
        {"time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer", WIDTH, 256},
        {"time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer", WIDTH, WIDTH},
        {"proj_out", "final_layer.linear", 64, WIDTH},
        {"norm_out.linear", "final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH},
        {0},
    };
    lyc_inventory_builder b;
    lyc_inventory_begin(&b, out, "transformer", LYC_NAMING_DIFFUSERS);
    add_outer(&b, outer);
    blocks(&b, "DoubleStreamBlock", "transformer_blocks", "double_blocks", DOUBLE_BLOCKS, flux_double, WIDTH);
    blocks(&b, "SingleStreamBlock", "single_transformer_blocks", "single_blocks", SINGLE_BLOCKS, flux_single, WIDTH);
    return lyc_inventory_finish(&b, err);
}

static const matrix sd3_joint[] = {
    {"attn.to_q", NULL, 1, 1},
    {"attn.to_k", NULL, 1, 1},
    {"attn.to_v", NULL, 1, 1},
    {NULL, "x_block.attn.qkv", 3, 1},
    {"attn.add_q_proj", NULL, 1, 1},
    {"attn.add_k_proj", NULL, 1, 1},
    {"attn.add_v_proj", NULL, 1, 1},
    {NULL, "context_block.attn.qkv", 3, 1},
    {"attn.to_out.0", "x_block.attn.proj", 1, 1},
    {"attn.to_add_out", "context_block.attn.proj", 1, 1},
    {"ff.net.0.proj", "x_block.mlp.fc1", 4, 1},
    {"ff.net.2", "x_block.mlp.fc2", 1, 4},
    {"ff_context.net.0.proj", "context_block.mlp.fc1", 4, 1},
    {"ff_context.net.2", "context_block.mlp.fc2", 1, 4},
    {"norm1.linear", "x_block.adaLN_modulation.1", 6, 1},
    {"norm1_context.linear", "context_block.adaLN_modulation.1", 6, 1},
    {0},
};

/* The width of SD3 is 64 for each block: 24 blocks of 1536 in Medium, 38 of 2432 in 3.5 Large. */
lyc_status lyc_inventory_sd3(lyc_inventory *out, int block_count, lyc_error *err)
{
    const int64_t width = 64 * (int64_t)block_count;
    const outer_matrix outer[] = {
        {"context_embedder", "context_embedder", width, 4096},
        {"time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0", width, 256},
        {"time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2", width, width},
        {"time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0", width, 2048},
        {"time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2", width, width},
        {"proj_out", "final_layer.linear", 64, width},
        {"norm_out.linear", "final_layer.adaLN_modulation.1", 2 * width, width},
        {0},
    };
    lyc_inventory_builder b;
    lyc_inventory_begin(&b, out, "transformer", LYC_NAMING_DIFFUSERS);
    add_outer(&b, outer);
    blocks(&b, "JointTransformerBlock", "transformer_blocks", "joint_blocks", block_count, sd3_joint, width);
    return lyc_inventory_finish(&b, err);
}
