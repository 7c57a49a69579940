/* embedding.h - the size of the table whose gradient is wanted
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_EMBEDDING_H
#define LYC_GRAPH_OPS_EMBEDDING_H

typedef struct lyc_embedding_backward_attr {
    int rows;
} lyc_embedding_backward_attr;

#endif
