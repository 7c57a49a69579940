/* softmax_rows.h - shapes of the operations on rows of the last axis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_SOFTMAX_ROWS_H
#define LYC_GRAPH_OPS_SOFTMAX_ROWS_H

#include "graph/ops/elementwise.h"

/* All inputs have one shape with a last axis, and output 0 has it too. */
static inline lyc_status lyc_infer_rows(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    char name[64];
    if (n->inputs[0]->shape.rank == 0) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is a scalar, expected one axis at least",
                        lyc_op_input_name(name, sizeof name, n->op, 0));
    }
    return lyc_infer_alike(n, out, err);
}

#endif
