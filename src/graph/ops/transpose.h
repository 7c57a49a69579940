/* transpose.h - the order of axes that a transposition gives
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_TRANSPOSE_H
#define LYC_GRAPH_OPS_TRANSPOSE_H

/* Output axis k is input axis axes[k]; -1 after the last. */
typedef struct lyc_transpose_attr {
    int axes[8];
} lyc_transpose_attr;

#endif
