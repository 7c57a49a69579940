/* autodiff.h - gradients as further nodes of the same graph
 *
 * Reverse mode. Nodes are added only where something trainable lies below: a frozen weight gets no gradient, and
 * nothing is computed in front of the first trained layer. Contributions to one value are added in the order of its
 * uses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_AUTODIFF_H
#define LYC_GRAPH_AUTODIFF_H

#include "graph/graph.h"

/* Adds gradients of sum_k <seeds[k], values[k]>; a NULL seed stands for ones (a scalar loss). Call once for a graph.
 * Errors: nothing trainable below the values; an operation on the way without a gradient; seeds of another shape. */
lyc_status lyc_graph_differentiate(lyc_graph *g, int count, lyc_value *const *values, lyc_value *const *seeds,
                                   lyc_error *err);

/* The gradient of v (of a parameter, usually), or NULL when none arrives there. */
lyc_value *lyc_graph_gradient(const lyc_graph *g, const lyc_value *v);

#endif
