/* unet_internal.h - the parts of a U-Net that a ControlNet has as well
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_UNET_INTERNAL_H
#define LYC_MODEL_UNET_INTERNAL_H

#include "model/unet.h"

/* A walk through the network: what all blocks need, and what the down path leaves for the up path. */
typedef struct lyc_unet_path {
    lyc_module *m;
    const lyc_unet_config *config;
    lyc_value *time; /* silu of the embedding: [n,4 channels[0]] */
    const lyc_unet_keys *keys;
    int next_key;
    int skip_count;
    lyc_value *skips[LYC_UNET_MAX_SKIPS]; /* in push order */
} lyc_unet_path;

/* time_embedding: timesteps [n], guidance [n,time_cond_dim] or NULL -> [n,4 channels[0]]. */
lyc_value *lyc_unet_time(lyc_module *m, const lyc_unet_config *config, lyc_value *timesteps, lyc_value *guidance);

/* The same with the micro-conditions of SDXL, and silu. */
lyc_value *lyc_unet_embedding(lyc_module *m, const lyc_unet_config *config, const lyc_unet_inputs *in);

/* One ResBlock or transformer of the current block. */
lyc_value *lyc_unet_resnet(lyc_unet_path *path, int index, lyc_value *h, int64_t out, float scale);
lyc_value *lyc_unet_transformer(lyc_unet_path *path, int index, lyc_value *h, int heads, int depth);

/* From the output of conv_in, which becomes the first skip, to the end of the down path; then the mid block. */
lyc_value *lyc_unet_down(lyc_unet_path *path, lyc_value *h);
lyc_value *lyc_unet_mid(lyc_unet_path *path, lyc_value *h);

#endif
