/* upsample_nearest.h - the size of the resampled image, and of the one that its gradient has
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_UPSAMPLE_NEAREST_H
#define LYC_GRAPH_OPS_UPSAMPLE_NEAREST_H

typedef struct lyc_upsample_nearest_attr {
    int oh;
    int ow;
} lyc_upsample_nearest_attr;

typedef struct lyc_upsample_nearest_backward_attr {
    int h;
    int w;
} lyc_upsample_nearest_backward_attr;

#endif
