/* matmul.h - attributes of the matrix product
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_MATMUL_H
#define LYC_GRAPH_OPS_MATMUL_H

#include <stdbool.h>

/* What a product applies to its result before it is stored; the formulas stand at the operations of the same names. */
typedef enum lyc_activation {
    LYC_ACTIVATION_NONE,
    LYC_ACTIVATION_SILU,
    LYC_ACTIVATION_GELU,
    LYC_ACTIVATION_GELU_TANH,
    LYC_ACTIVATION_QUICK_GELU,
    LYC_ACTIVATION_RELU,
} lyc_activation;

/* For attribute tables: the names in the order of the enumeration. */
extern const char *const lyc_activation_names[];

typedef struct lyc_matmul_attr {
    float alpha; /* 1 by default; a struct of zeros is not the default */
    int activation;
    bool trans_a;
    bool trans_b;
    bool wide; /* the result is of type LYC_FLOAT whatever the operands are: gradients of parameters */
} lyc_matmul_attr;

/* y = x wT + bias: a linear layer with its weight [out,in] as in files. */
struct lyc_graph;
struct lyc_value;
struct lyc_value *lyc_linear(struct lyc_graph *g, struct lyc_value *x, struct lyc_value *weight,
                             struct lyc_value *bias);

#endif
