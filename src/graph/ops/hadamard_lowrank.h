/* hadamard_lowrank.h - attributes of the Hadamard product of two low-rank products, the same for its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_HADAMARD_LOWRANK_H
#define LYC_GRAPH_OPS_HADAMARD_LOWRANK_H

typedef struct lyc_hadamard_lowrank_attr {
    float alpha;
} lyc_hadamard_lowrank_attr;

typedef lyc_hadamard_lowrank_attr lyc_hadamard_lowrank_backward_attr;

#endif
