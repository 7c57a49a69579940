/* affine.c - scale * x + shift with constants
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/affine.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"scale", LYC_ATTR_FLOAT, offsetof(lyc_affine_attr, scale), .fallback = 1},
    {"shift", LYC_ATTR_FLOAT, offsetof(lyc_affine_attr, shift)},
    {0},
};

lyc_value *lyc_affine(lyc_graph *g, lyc_value *x, float scale, float shift)
{
    return lyc_graph_add(g, &lyc_op_affine, 1, (lyc_value *[]){x}, &(lyc_affine_attr){scale, shift});
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    const lyc_affine_attr *attr = n->attr;
    d_in[0] = attr->scale == 1.0f ? d_out[0] : lyc_affine(g, d_out[0], attr->scale, 0.0f);
}

const lyc_op lyc_op_affine = {
    .name = "affine",
    .inputs = "x",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_affine_attr),
    .infer = lyc_infer_same,
    .gradient = gradient,
    .in_place = 1,
};
