/* pad.h - how many zeros stand before and after on one axis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_PAD_H
#define LYC_GRAPH_OPS_PAD_H

/* A negative axis counts from the last. */
typedef struct lyc_pad_attr {
    int axis;
    int before;
    int after;
} lyc_pad_attr;

#endif
