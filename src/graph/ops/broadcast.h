/* broadcast.h - the shape that a broadcast gives
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_BROADCAST_H
#define LYC_GRAPH_OPS_BROADCAST_H

/* Extents; 0 ends the list, an empty one is the shape of a scalar. */
typedef struct lyc_broadcast_attr {
    int dims[8];
} lyc_broadcast_attr;

#endif
