/* group_norm.h - attributes of group normalisation
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_GROUP_NORM_H
#define LYC_GRAPH_OPS_GROUP_NORM_H

#include <stdbool.h>

typedef struct lyc_group_norm_attr {
    int groups; /* divides the channels */
    float eps;  /* added to the variance, inside the root */
    bool silu;  /* y = silu(norm) */
} lyc_group_norm_attr;

typedef struct lyc_group_norm_backward_attr {
    int groups;
    bool silu;
} lyc_group_norm_backward_attr;

#endif
