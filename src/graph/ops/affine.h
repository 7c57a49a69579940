/* affine.h - the two constants of an affine map
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_AFFINE_H
#define LYC_GRAPH_OPS_AFFINE_H

typedef struct lyc_affine_attr {
    float scale; /* 1 by default */
    float shift;
} lyc_affine_attr;

#endif
