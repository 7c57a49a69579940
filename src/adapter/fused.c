/* fused.c - matrices that the original code has in one piece and diffusers in several
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/fused.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct fused_row {
    lyc_fused_family family;
    const char *original_block, *original; /* "double_blocks", "img_attn.qkv" */
    const char *block, *parts[LYC_FUSED_PARTS];
    int shares[LYC_FUSED_PARTS];
} rows[] = {
    {LYC_FUSED_FLUX,
     "double_blocks",
     "img_attn.qkv",
     "transformer_blocks",
     {"attn.to_q", "attn.to_k", "attn.to_v"},
     {1, 1, 1}},
    {LYC_FUSED_FLUX,
     "double_blocks",
     "txt_attn.qkv",
     "transformer_blocks",
     {"attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"},
     {1, 1, 1}},
    {LYC_FUSED_FLUX,
     "single_blocks",
     "linear1",
     "single_transformer_blocks",
     {"attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"},
     {1, 1, 1, 4}},
    {LYC_FUSED_SD3,
     "joint_blocks",
     "x_block.attn.qkv",
     "transformer_blocks",
     {"attn.to_q", "attn.to_k", "attn.to_v"},
     {1, 1, 1}},
    {LYC_FUSED_SD3,
     "joint_blocks",
     "context_block.attn.qkv",
     "transformer_blocks",
     {"attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"},
     {1, 1, 1}},
};

/* "block.12.rest": the number, and where the rest begins; NULL when the path is of other blocks. */
static const char *behind_block(int *number, const char *path, const char *block)
{
    const size_t length = strlen(block);
    if (strncmp(path, block, length) != 0 || path[length] != '.') {
        return NULL;
    }
    char *end;
    const long value = strtol(path + length + 1, &end, 10);
    if (end == path + length + 1 || *end != '.' || value < 0 || value > 10000) {
        return NULL;
    }
    *number = (int)value;
    return end + 1;
}

static void fill(lyc_fused *out, const struct fused_row *row, int number)
{
    *out = (lyc_fused){0};
    snprintf(out->original, sizeof out->original, "%s.%d.%s", row->original_block, number, row->original);
    while (out->count < LYC_FUSED_PARTS && row->parts[out->count] != NULL) {
        const int i = out->count++;
        snprintf(out->parts[i], sizeof out->parts[i], "%s.%d.%s", row->block, number, row->parts[i]);
        out->first[i + 1] = out->first[i] + row->shares[i];
    }
}

bool lyc_fused_of_original(lyc_fused *out, const char *path)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int number;
        const char *rest = behind_block(&number, path, rows[i].original_block);
        if (rest != NULL && strcmp(rest, rows[i].original) == 0) {
            fill(out, &rows[i], number);
            return true;
        }
    }
    return false;
}

bool lyc_fused_of_part(lyc_fused *out, int *part, const char *path, lyc_fused_family family)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int number;
        const char *rest = behind_block(&number, path, rows[i].block);
        for (int k = 0; k < LYC_FUSED_PARTS && rest != NULL && rows[i].family == family; k++) {
            if (rows[i].parts[k] != NULL && strcmp(rest, rows[i].parts[k]) == 0) {
                fill(out, &rows[i], number);
                *part = k;
                return true;
            }
        }
    }
    return false;
}

bool lyc_fused_swaps_halves(const char *module, int64_t out, int64_t in)
{
    int number;
    const char *rest = behind_block(&number, module, "transformer_blocks");
    const bool last_text = rest != NULL && strcmp(rest, "norm1_context.linear") == 0 && out == 2 * in;
    return strcmp(module, "norm_out.linear") == 0 || last_text;
}
