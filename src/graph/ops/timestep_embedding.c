/* timestep_embedding.c - times as sines and cosines of many frequencies (DDPM, arXiv 2006.11239, after 1706.03762)
 *
 *     w_k = exp(-ln(10000) k / (half - freq_shift)),  k = 0 .. half - 1,  half = floor(dim / 2)
 *     y[n] = [sin(t_n w_k).., cos(t_n w_k)..], the cosines first with flip_sin_to_cos, one zero at the end for an odd
 * dim
 *
 * t [n] is of type LYC_FLOAT, since bf16 cannot tell time 999 from 1000. There is no gradient: times are inputs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/timestep_embedding.h"

#include <stddef.h>

#include "graph/build.h"
#include "graph/op.h"

static const lyc_attr_field attrs[] = {
    {"dim", LYC_ATTR_INT, offsetof(lyc_timestep_embedding_attr, dim)},
    {"flip_sin_to_cos", LYC_ATTR_BOOL, offsetof(lyc_timestep_embedding_attr, flip_sin_to_cos)},
    {"freq_shift", LYC_ATTR_FLOAT, offsetof(lyc_timestep_embedding_attr, freq_shift)},
    {0},
};

lyc_value *lyc_timestep_embedding(lyc_graph *g, lyc_value *t, int dim, bool flip_sin_to_cos, float freq_shift)
{
    const lyc_timestep_embedding_attr attr = {.dim = dim, .flip_sin_to_cos = flip_sin_to_cos, .freq_shift = freq_shift};
    return lyc_graph_add(g, &lyc_op_timestep_embedding, 1, (lyc_value *[]){t}, &attr);
}

static lyc_status infer(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    const lyc_timestep_embedding_attr *attr = n->attr;
    LYC_TRY(lyc_infer_indices(n, 0, err));
    LYC_TRY(lyc_infer_rank(n, 0, 1, err));
    if (n->inputs[0]->type == LYC_ACTIVATION) {
        return lyc_fail(err, LYC_E_ARGUMENT, "t is an activation, expected LYC_FLOAT: bf16 has too few digits");
    }
    if (attr->dim < 2) {
        return lyc_fail(err, LYC_E_SHAPE, "dim is %d, expected 2 at least", attr->dim);
    }
    const int half = attr->dim / 2;
    if (!(attr->freq_shift < (float)half)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "freq_shift is %g, expected less than half of dim, %d",
                        (double)attr->freq_shift, half);
    }
    out[0].type = LYC_FLOAT;
    out[0].shape = LYC_SHAPE(n->inputs[0]->shape.dims[0], attr->dim);
    return LYC_OK;
}

const lyc_op lyc_op_timestep_embedding = {
    .name = "timestep_embedding",
    .inputs = "t",
    .outputs = "y",
    .attrs = attrs,
    .attr_size = sizeof(lyc_timestep_embedding_attr),
    .infer = infer,
};
