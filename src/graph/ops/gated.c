/* gated.c - shapes of the gated linear units
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/gated.h"

lyc_status lyc_infer_gated(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_shape *x = &n->inputs[0]->shape;
    LYC_TRY(lyc_infer_same(n, out, err));
    if (x->rank == 0 || x->dims[x->rank - 1] % 2 != 0) {
        char text[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "x is %s, expected an even last extent: two halves",
                        lyc_shape_text(text, sizeof text, x));
    }
    out[0].shape.dims[x->rank - 1] /= 2;
    return LYC_OK;
}

lyc_status lyc_infer_gated_backward(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_gated(n, out, err));
    LYC_TRY(lyc_infer_shape(n, 1, &out[0].shape, err));
    out[0].shape = n->inputs[0]->shape;
    return LYC_OK;
}
