/* reduce_to.h - the shape and role that a sum is given
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_REDUCE_TO_H
#define LYC_GRAPH_OPS_REDUCE_TO_H

typedef struct lyc_reduce_to_attr {
    int dims[8]; /* extents; 0 ends the list, an empty one is the shape of a scalar */
    int type;    /* LYC_ACTIVATION or LYC_FLOAT */
} lyc_reduce_to_attr;

#endif
