/* concat.h - the axis along which values are joined
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_CONCAT_H
#define LYC_GRAPH_OPS_CONCAT_H

/* A negative axis counts from the last. */
typedef struct lyc_concat_attr {
    int axis;
} lyc_concat_attr;

#endif
