/* matmul.c - products with frozen weights
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/matmul.h"

#include "backend/onednn/onednn_internal.h"
#include "base/memory.h"

enum { A = 0, B = 1, BIAS = 2, RESIDUAL = 3 };

static bool accepts(const lyc_problem *p)
{
    const lyc_matmul_attr *attr = p->attr;
    const bool both = attr->activation != LYC_ACTIVATION_NONE && p->in[RESIDUAL].present;
    return lyc_onednn_can(p, A, B) && !both && !attr->trans_a && attr->alpha == 1.0f && p->in[B].shape.rank == 2 &&
           p->in[B].shape.dims[0] >= 16 && p->in[B].shape.dims[1] >= 16;
}

/* A row-major matrix. */
static lyc_onednn_tensor matrix(int64_t rows, int64_t columns, lyc_dtype dtype)
{
    return (lyc_onednn_tensor){.n_dims = 2, .dims = {rows, columns}, .strides = {columns, 1}, .dtype = dtype};
}

static lyc_status prepare(void **state, const lyc_problem *p, lyc_error *err)
{
    const lyc_matmul_attr *attr = p->attr;
    const lyc_shape *a = &p->in[A].shape;
    const int64_t rows = lyc_shape_product(a, 0, a->rank - 1);
    const int64_t k = a->dims[a->rank - 1];
    const int64_t n = p->out[0].shape.dims[p->out[0].shape.rank - 1];
    const lyc_dtype dtype = p->in[A].dtype;
    lyc_onednn_spec spec = {
        .src = matrix(rows, k, dtype),
        .weights = {.n_dims = 2, .dims = {k, n}, .dtype = dtype},
        .dst = matrix(rows, n, dtype),
        .activation = attr->activation,
        .accumulate = p->in[RESIDUAL].present,
        .dilation = {1, 1},
    };
    if (p->in[BIAS].present) {
        spec.bias = matrix(1, n, LYC_F32);
    }
    lyc_onednn_state like = {
        .plain = matrix(k, n, dtype),
        .src = A,
        .weights = B,
        .bias = p->in[BIAS].present ? BIAS : -1,
        .residual = p->in[RESIDUAL].present ? RESIDUAL : -1,
    };
    if (attr->trans_b) { /* [n,k] in memory */
        like.plain.strides[0] = 1;
        like.plain.strides[1] = k;
    }
    return lyc_onednn_prepare(state, &like, &spec, err);
}

static lyc_status pack(void *dst, const lyc_problem *p, const void *state, int input, const void *src, lyc_error *err)
{
    const lyc_onednn_state *s = state;
    void *wide = NULL;
    lyc_status status = lyc_onednn_widen(&wide, p, input, s->plain.dtype, src, err);
    if (status == LYC_OK) {
        status = lyc_onednn_pack_weights(dst, s->primitive, &s->plain, wide, err);
    }
    lyc_free(wide);
    return status;
}

const lyc_kernel lyc_onednn_matmul = {
    .name = "onednn.matmul",
    .op = &lyc_op_matmul,
    .accepts = accepts,
    .prepare = prepare,
    .release = lyc_onednn_release,
    .workspace = lyc_onednn_workspace,
    .pack_bytes = lyc_onednn_pack_bytes,
    .pack = pack,
    .run = lyc_onednn_call,
};
