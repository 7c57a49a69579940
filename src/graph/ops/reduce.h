/* reduce.h - attributes and shapes of reductions over whole axes: reduce_sum, reduce_mean
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_REDUCE_H
#define LYC_GRAPH_OPS_REDUCE_H

#include "graph/op.h"

typedef struct lyc_reduce_attr {
    int axes;  /* bit k: axis k is reduced */
    bool keep; /* reduced axes stay, with extent 1 */
    bool wide; /* the result is LYC_FLOAT */
} lyc_reduce_attr;

extern const lyc_attr_field lyc_reduce_attrs[];

lyc_status lyc_infer_reduce(const lyc_node *n, lyc_value_info *out, lyc_error *err);

/* The number of elements behind each element of the result. */
int64_t lyc_reduce_count(const lyc_node *n);

/* d_y * scale, repeated to the shape of input 0. */
lyc_value *lyc_reduce_gradient(lyc_graph *g, const lyc_node *n, lyc_value *d_y, float scale);

double lyc_reduce_flops(const lyc_node *n);

#endif
