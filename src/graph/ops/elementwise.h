/* elementwise.h - what the elementwise operations share: broadcasting, and its gradient
 *
 * Broadcasting is numpy's: shapes are aligned at the last axis, and an extent of 1, or a missing axis, repeats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_ELEMENTWISE_H
#define LYC_GRAPH_OPS_ELEMENTWISE_H

#include "graph/op.h"

/* Whether a value of the shape `from` can be repeated to the shape `to`. */
bool lyc_shape_broadcasts(const lyc_shape *from, const lyc_shape *to);

/* Output 0 has the shape that inputs 0 and 1 broadcast to. */
lyc_status lyc_infer_broadcast(const lyc_node *n, lyc_value_info *out, lyc_error *err);

/* All inputs have one shape, and output 0 has it too: x and d_y of an activation. */
lyc_status lyc_infer_alike(const lyc_node *n, lyc_value_info *out, lyc_error *err);

/* The role that the gradient of v has. */
lyc_value_type lyc_gradient_type(const lyc_value *v);

/* d, the gradient of something v was broadcast to, summed to the shape of v. */
lyc_value *lyc_unbroadcast(lyc_graph *g, lyc_value *d, const lyc_value *v);

#endif
