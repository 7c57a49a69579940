/* gather_rows.h - the number of rows that the gradient has
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_GATHER_ROWS_H
#define LYC_GRAPH_OPS_GATHER_ROWS_H

typedef struct lyc_gather_rows_backward_attr {
    int t;
} lyc_gather_rows_backward_attr;

#endif
