/* reshape.h - the shape that a reshape gives
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_RESHAPE_H
#define LYC_GRAPH_OPS_RESHAPE_H

/* Extents; -1: what remains (one at most); 0 ends the list. */
typedef struct lyc_reshape_attr {
    int dims[8];
} lyc_reshape_attr;

#endif
