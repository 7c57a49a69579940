/* max_pool2d.h - the windows of a pooling
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_MAX_POOL2D_H
#define LYC_GRAPH_OPS_MAX_POOL2D_H

/* Alike in both directions; of max_pool2d and max_pool2d_backward. */
typedef struct lyc_max_pool2d_attr {
    int kernel;
    int stride;
} lyc_max_pool2d_attr;

#endif
