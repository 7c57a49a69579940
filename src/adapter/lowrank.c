/* lowrank.c - what changes of low rank have in common
 *
 * For a row u of `up`, ||w + s u D||^2 = ||w||^2 + u . (2 s w DT + s^2 u D DT); for a column d of `down`,
 * ||w + s U d||^2 = ||w||^2 + d . (2 s UT w + s^2 UT U d).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/lowrank.h"

#include "base/memory.h"
#include "graph/build.h"
#include "tensor/shape.h"

/* sum over a, b of t[a,b,k] down[b,i], as [a,i*kernel]. */
lyc_value *lyc_lowrank_tucker(lyc_graph *g, lyc_value *t, lyc_value *down, int64_t rank, int64_t in, int64_t kernel)
{
    lyc_value *core = lyc_reshape(g, t, LYC_SHAPE(rank, rank, kernel));
    return lyc_reshape(g, lyc_mix(g, core, down, true), LYC_SHAPE(rank, in * kernel));
}

/* min(max(ranks - without - j, 0), 1) for rank j. */
lyc_value *lyc_lowrank_mask(lyc_graph *g, lyc_value *ranks, int64_t rank, double without)
{
    float *indices = lyc_alloc_zero((size_t)rank, sizeof *indices);
    if (indices == NULL) {
        return lyc_graph_fail(g, LYC_E_MEMORY, "no memory for a mask of ranks");
    }
    for (int64_t j = 0; j < rank; j++) {
        indices[j] = (float)((double)j + without);
    }
    lyc_value *first = lyc_graph_constant(g, LYC_SHAPE(rank), indices);
    lyc_free(indices);
    lyc_value *left = lyc_clamp_min(g, lyc_sub(g, lyc_reshape(g, ranks, LYC_SHAPE(-1, 1)), first), 0.0f);
    return lyc_affine(g, lyc_clamp_min(g, lyc_affine(g, left, -1.0f, 1.0f), 0.0f), -1.0f, 1.0f);
}

lyc_value *lyc_lowrank_scaled(lyc_graph *g, lyc_value *v, double s)
{
    return s == 1.0 ? v : lyc_affine(g, v, (float)s, 0.0f);
}

lyc_value *lyc_lowrank_squared_norms(lyc_graph *g, lyc_value *up, lyc_value *down, lyc_value *weight, bool rows,
                                     double s)
{
    const lyc_matmul_attr by_transposed = {.alpha = 1.0f, .trans_b = true};
    const lyc_matmul_attr transposed_by = {.alpha = 1.0f, .trans_a = true};
    lyc_value *cross;
    lyc_value *square;
    if (rows) {
        cross = lyc_matmul(g, weight, down, NULL, NULL, &by_transposed);
        square = lyc_matmul(g, up, lyc_matmul(g, down, down, NULL, NULL, &by_transposed), NULL, NULL, NULL);
    } else {
        cross = lyc_matmul(g, up, weight, NULL, NULL, &transposed_by);
        square = lyc_matmul(g, lyc_matmul(g, up, up, NULL, NULL, &transposed_by), down, NULL, NULL, NULL);
    }
    lyc_value *sum =
        lyc_add(g, lyc_affine(g, cross, (float)(2.0 * s), 0.0f), lyc_affine(g, square, (float)(s * s), 0.0f));
    return lyc_reduce_sum(g, lyc_mul(g, rows ? up : down, sum), rows ? 2 : 1, true, true);
}
