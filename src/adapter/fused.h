/* fused.h - matrices of transformers that the original code has in one piece and diffusers in several
 *
 *     double_blocks.3.img_attn.qkv        transformer_blocks.3.attn.to_q, to_k, to_v, one under the other
 *     single_blocks.3.linear1             single_transformer_blocks.3.attn.to_q, to_k, to_v, proj_mlp (4 times as high)
 *     joint_blocks.3.x_block.attn.qkv     transformer_blocks.3.attn.to_q, to_k, to_v                     (SD3)
 *
 * Modulations are the same matrix, but where one gives shift and scale alone the two halves of its rows are exchanged:
 * the last layer's, and of SD3 the text side's of the last block. Sources: diffusers'
 * scripts/convert_flux_to_diffusers.py, convert_sd3_to_diffusers.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_FUSED_H
#define LYC_ADAPTER_FUSED_H

#include <stdbool.h>
#include <stdint.h>

enum { LYC_FUSED_PARTS = 4, LYC_FUSED_PATH = 160 };

typedef enum lyc_fused_family { LYC_FUSED_FLUX, LYC_FUSED_SD3 } lyc_fused_family;

/* A matrix in one piece and its parts. Row shares of part i: [first[i],first[i+1]) of first[count]. */
typedef struct lyc_fused {
    char original[LYC_FUSED_PATH];
    char parts[LYC_FUSED_PARTS][LYC_FUSED_PATH]; /* diffusers' paths */
    int count;
    int first[LYC_FUSED_PARTS + 1];
} lyc_fused;

/* The matrix that a path of the original code names, or that one of diffusers is a part of (*part). False: the module
 * is no such matrix. */
bool lyc_fused_of_original(lyc_fused *out, const char *path);
bool lyc_fused_of_part(lyc_fused *out, int *part, const char *path, lyc_fused_family family);

/* Whether the halves of the rows are exchanged between the two; module is diffusers' path. */
bool lyc_fused_swaps_halves(const char *module, int64_t out, int64_t in);

#endif
