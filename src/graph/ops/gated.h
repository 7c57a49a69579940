/* gated.h - shapes of the gated linear units: one half of the channels times an activation of the other
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_GATED_H
#define LYC_GRAPH_OPS_GATED_H

#include "graph/op.h"

/* x [..,2c] -> y [..,c]. */
lyc_status lyc_infer_gated(const lyc_node *n, lyc_value_info *out, lyc_error *err);

/* x [..,2c], d_y [..,c] -> d_x [..,2c]. */
lyc_status lyc_infer_gated_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err);

#endif
