/* norm.h - the axis that a norm is taken over
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_NORM_H
#define LYC_GRAPH_OPS_NORM_H

/* Of norm and norm_backward; a negative axis counts from the last. */
typedef struct lyc_norm_attr {
    int axis;
} lyc_norm_attr;

#endif
