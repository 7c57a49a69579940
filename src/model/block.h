/* block.h - the blocks that U-Net, ControlNet and VAE share: ResBlock, transformer, resampling
 *
 * Each is called with its own layer entered (lyc_graph_enter), so that names are those of the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_BLOCK_H
#define LYC_MODEL_BLOCK_H

#include "model/module.h"

typedef struct lyc_resnet_attr {
    int64_t out; /* channels */
    int groups;
    float eps;
    float scale; /* divisor of the result; 1 in all but the mid block of some U-Nets */
} lyc_resnet_attr;

/* ResnetBlock2D: y = (shortcut(x) + conv2(silu(norm2(conv1(silu(norm1 x)) + time_emb_proj(time))))) / scale.
 * x [n,h,w,c] -> [n,h,w,out]; time: silu of the time embedding [n,t], NULL in a VAE. */
lyc_value *lyc_block_resnet(lyc_module *m, lyc_value *x, const lyc_resnet_attr *attr, lyc_value *time);

/* Keys and values of the cross attentions of one transformer, one pair for each of its blocks: [n,tokens,c]. */
typedef struct lyc_transformer_attr {
    int heads;
    int depth; /* BasicTransformerBlocks */
    int groups;
    bool linear; /* proj_in and proj_out are Linear, not 1x1 convolutions */
    lyc_value *const *k;
    lyc_value *const *v;
} lyc_transformer_attr;

/* Transformer2DModel: x [n,h,w,c] -> the same shape. */
lyc_value *lyc_block_transformer(lyc_module *m, lyc_value *x, const lyc_transformer_attr *attr);

/* downsamplers.0: 3x3 of stride 2 with the same padding on all sides, or with zeros at the right and the bottom alone
 * (pad 0, as in a VAE). */
lyc_value *lyc_block_downsample(lyc_module *m, lyc_value *x, int pad);

/* upsamplers.0: nearest to [oh,ow], then 3x3. */
lyc_value *lyc_block_upsample(lyc_module *m, lyc_value *x, int64_t oh, int64_t ow);

#endif
