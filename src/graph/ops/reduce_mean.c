/* reduce_mean.c - the mean over whole axes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"
#include "graph/ops/reduce.h"

lyc_value *lyc_reduce_mean(lyc_graph *g, lyc_value *x, unsigned axes, bool keep, bool wide)
{
    const lyc_reduce_attr attr = {.axes = (int)axes, .keep = keep, .wide = wide};
    return lyc_graph_add(g, &lyc_op_reduce_mean, 1, (lyc_value *[]){x}, &attr);
}

static void gradient(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in)
{
    d_in[0] = lyc_reduce_gradient(g, n, d_out[0], 1.0f / (float)lyc_reduce_count(n));
}

const lyc_op lyc_op_reduce_mean = {
    .name = "reduce_mean",
    .inputs = "x",
    .outputs = "y",
    .attrs = lyc_reduce_attrs,
    .attr_size = sizeof(lyc_reduce_attr),
    .infer = lyc_infer_reduce,
    .gradient = gradient,
    .flops = lyc_reduce_flops,
};
