/* matmul.c - matrix products by the product engine
 *
 *     y = activation(alpha op(a) op(b) + bias) + residual         operands f32 or bf16, sums in f32
 *
 * A frozen b is packed once, whatever the number of rows. With b of rank 2 all rows of a are one matrix.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/matmul.h"

#include <stdio.h>

#include "backend/cpu/kernels/gemm_isa.h"
#include "base/thread.h"
#include "graph/backend.h"

extern const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_matmul);

enum { INPUT_A, INPUT_B, INPUT_BIAS, INPUT_RESIDUAL, INPUTS };

static bool is_number(const lyc_operand *o)
{
    return !o->present || o->dtype == LYC_F32 || o->dtype == LYC_BF16;
}

static bool accepts(const lyc_problem *p)
{
    for (int i = 0; i < INPUTS; i++) {
        if (!is_number(&p->in[i])) {
            return false;
        }
    }
    return is_number(&p->out[0]);
}

/* The panels of a frozen b. */
static lyc_dtype panel_dtype(const lyc_problem *p)
{
    return lyc_gemm_weight_dtype(p->in[INPUT_B].dtype, p->in[INPUT_B].stored);
}

/* Sizes and form; the operands' places are the caller's. */
static lyc_gemm sizes(const lyc_problem *p)
{
    const lyc_matmul_attr *attr = p->attr;
    const lyc_shape *a = &p->in[INPUT_A].shape;
    const lyc_shape *b = &p->in[INPUT_B].shape;
    const lyc_shape *y = &p->out[0].shape;
    const lyc_gemm_isa *isa = &LYC_ISA_SYMBOL(lyc_gemm_isa);
    const bool flat = b->rank == 2;
    lyc_gemm g = {.isa = isa, .prepacked = p->in[INPUT_B].frozen};
    g.batch = flat ? 1 : lyc_shape_product(y, 0, y->rank - 2);
    g.m = flat ? lyc_shape_product(y, 0, y->rank - 1) : y->dims[y->rank - 2];
    g.n = y->dims[y->rank - 1];
    g.k = a->dims[a->rank - (attr->trans_a ? 2 : 1)];
    g.form = g.prepacked ? lyc_gemm_packed_form(isa, p->in[INPUT_A].dtype, panel_dtype(p))
                         : lyc_gemm_choose_form(isa, p->in[INPUT_A].dtype, p->in[INPUT_B].dtype);
    return g;
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const lyc_gemm g = sizes(p);
    return lyc_gemm_workspace(&g, lyc_thread_count());
}

static size_t pack_bytes(char *key, const lyc_problem *p, const void *state, int input)
{
    (void)state;
    if (input != INPUT_B) {
        return 0;
    }
    const lyc_matmul_attr *attr = p->attr;
    const lyc_gemm g = sizes(p);
    const lyc_dtype dtype = panel_dtype(p);
    snprintf(key, LYC_PACK_KEY, "gemm %d lanes %s %s %lldx%lldx%lld from %s", g.isa->lanes, lyc_dtype_name(dtype),
             attr->trans_b ? "nk" : "kn", (long long)g.batch, (long long)g.n, (long long)g.k,
             lyc_dtype_name(p->in[input].stored));
    return (size_t)g.batch * lyc_gemm_packed_bytes(g.isa, dtype, g.n, g.k);
}

static lyc_status pack(void *dst, const lyc_problem *p, const void *state, int input, const void *src, lyc_error *err)
{
    (void)state;
    const lyc_matmul_attr *attr = p->attr;
    const lyc_gemm g = sizes(p);
    const lyc_dtype dtype = panel_dtype(p);
    lyc_gemm_weights w = {.base = src, .dtype = p->in[input].stored, .columns = g.n, .channels = g.k, .taps = 1};
    w.column_step = attr->trans_b ? g.k : 1;
    w.channel_step = attr->trans_b ? 1 : g.n;
    for (int64_t i = 0; i < g.batch; i++) {
        char *to = (char *)dst + (size_t)i * lyc_gemm_packed_bytes(g.isa, dtype, g.n, g.k);
        w.first = i * g.n * g.k;
        LYC_TRY(lyc_gemm_pack_weights(to, g.isa, dtype, &w, err));
    }
    return LYC_OK;
}

static lyc_status run(const lyc_call *call)
{
    const lyc_problem *p = call->problem;
    const lyc_matmul_attr *attr = p->attr;
    lyc_gemm g = sizes(p);
    const lyc_gemm_matrix a = lyc_gemm_matrix_source(call->in[INPUT_A], p->in[INPUT_A].dtype, attr->trans_a,
                                                     attr->trans_a ? g.m : g.k, g.m * g.k);
    const lyc_gemm_matrix b = lyc_gemm_matrix_source(call->in[INPUT_B], p->in[INPUT_B].dtype, !attr->trans_b,
                                                     attr->trans_b ? g.k : g.n, g.n * g.k);
    const lyc_gemm_finish finish = {
        .alpha = attr->alpha,
        .activation = attr->activation,
        .bias = p->in[INPUT_BIAS].present ? call->in[INPUT_BIAS] : NULL,
        .bias_dtype = p->in[INPUT_BIAS].dtype,
        .residual = p->in[INPUT_RESIDUAL].present ? call->in[INPUT_RESIDUAL] : NULL,
        .residual_dtype = p->in[INPUT_RESIDUAL].dtype,
        .out = call->out[0],
        .out_dtype = p->out[0].dtype,
    };
    const lyc_gemm_matrix_output c = lyc_gemm_matrix_target(&finish, g.n, g.m * g.n);
    g.a = &a.source;
    g.b = &b.source;
    g.packed = g.prepacked ? call->in[INPUT_B] : NULL;
    g.c = &c.output;
    lyc_gemm_run(&g, call->workspace);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_matmul) = {
    .name = LYC_ISA_NAME ".matmul",
    .op = &lyc_op_matmul,
    .accepts = accepts,
    .workspace = workspace,
    .pack_bytes = pack_bytes,
    .pack = pack,
    .run = run,
};
