/* dropout.c - elements zeroed at random while training (arXiv 1207.0580)
 *
 *     y[i] = x[i] / (1 - p) where u_i >= p, else 0;   d_x = the same of d_y
 *
 * u_i is the i-th uniform number of the native stream of (seed, step, place), whatever the number of threads: the mask
 * is drawn again for the gradient and for a recomputation, and never stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/dropout.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"p", LYC_ATTR_FLOAT, offsetof(lyc_dropout_attr, p)},
    {"stream", LYC_ATTR_INT, offsetof(lyc_dropout_attr, stream)},
    {0},
};

lyc_value *lyc_dropout(lyc_graph *g, lyc_value *x, lyc_value *key, float p, int stream)
{
    return lyc_graph_add(g, &lyc_op_dropout, 2, (lyc_value *[]){x, key}, &(lyc_dropout_attr){p, stream});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_dropout_attr *attr = n->attr;
    d_in[0] = lyc_dropout(g, d_out[0], n->inputs[1], attr->p, attr->stream);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_dropout_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 1u << 1, err));
    LYC_TRY(lyc_infer_shape(n, 1, &LYC_SHAPE(2), err));
    if (!(attr->p >= 0.0f && attr->p < 1.0f)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "p is %g, expected 0 at least and less than 1", (double)attr->p);
    }
    if (attr->stream < 0 || attr->stream >= LYC_DROPOUT_STREAMS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "stream is %d, expected 0 to %d", attr->stream, LYC_DROPOUT_STREAMS - 1);
    }
    out[0].type = lyc_infer_type(n);
    out[0].shape = n->inputs[0]->shape;
    return LYC_OK;
}

const lyc_op lyc_op_dropout = {
    .name = "dropout",
    .inputs = "x key",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_dropout_attr),
    .infer = infer,
    .gradient = gradient,
    .gradient_inputs = 1u << 1,
    .in_place = 1,
};
