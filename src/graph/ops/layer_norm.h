/* layer_norm.h - attributes of layer normalisation
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_LAYER_NORM_H
#define LYC_GRAPH_OPS_LAYER_NORM_H

typedef struct lyc_layer_norm_attr {
    float eps; /* added to the variance, inside the root */
} lyc_layer_norm_attr;

#endif
