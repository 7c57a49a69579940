/* block_diag_matmul.h - attributes of the block-diagonal product and of its gradient by the blocks
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_BLOCK_DIAG_MATMUL_H
#define LYC_GRAPH_OPS_BLOCK_DIAG_MATMUL_H

#include <stdbool.h>

typedef struct lyc_block_diag_matmul_attr {
    bool trans;
} lyc_block_diag_matmul_attr;

typedef struct lyc_block_diag_backward_weights_attr {
    int blocks;
    bool trans;
} lyc_block_diag_backward_weights_attr;

#endif
