/* axes.c - checks of axes that attributes name
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/axes.h"

lyc_status lyc_infer_axis(const lyc_node *n, int input, int axis, lyc_error *err)
{
    const lyc_shape *shape = &n->inputs[input]->shape;
    if (axis >= -shape->rank && axis < shape->rank) {
        return LYC_OK;
    }
    char name[64];
    char text[LYC_SHAPE_TEXT];
    return lyc_fail(err, LYC_E_SHAPE, "axis %d, but %s is %s with %d axes", axis,
                    lyc_op_input_name(name, sizeof name, n->op, input), lyc_shape_text(text, sizeof text, shape),
                    shape->rank);
}
