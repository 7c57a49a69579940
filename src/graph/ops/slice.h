/* slice.h - the part of one axis that a slice takes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_SLICE_H
#define LYC_GRAPH_OPS_SLICE_H

/* Elements [first, first + count) of the axis; a negative axis counts from the last. */
typedef struct lyc_slice_attr {
    int axis;
    int first;
    int count;
} lyc_slice_attr;

#endif
