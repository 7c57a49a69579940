/* kernels.c - what oneDNN's kernels have in common, and their lists
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/onednn/kernels.h"

#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/reference/reference.h"
#include "backend/onednn/onednn_internal.h"
#include "base/memory.h"
#include "tensor/dtype.h"

bool lyc_onednn_can(const lyc_problem *p, int src, int weights)
{
    const lyc_dtype dtype = p->in[src].dtype;
    const bool machine = dtype == LYC_F32 ? lyc_cpu_isa() >= LYC_ISA_AVX2 : lyc_cpu_isa() >= LYC_ISA_AVX512BF16;
    return (dtype == LYC_F32 || dtype == LYC_BF16) && machine && p->in[weights].frozen && p->out[0].dtype == dtype;
}

lyc_status lyc_onednn_prepare(void **state, const lyc_onednn_state *like, const lyc_onednn_spec *spec, lyc_error *err)
{
    lyc_onednn_state *s = lyc_alloc(sizeof *s);
    if (s == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a oneDNN kernel");
    }
    *s = *like;
    const lyc_status status = lyc_onednn_primitive_new(&s->primitive, spec, err);
    if (status != LYC_OK) {
        lyc_free(s);
        return status;
    }
    *state = s;
    return LYC_OK;
}

void lyc_onednn_release(void *state)
{
    lyc_onednn_state *s = state;
    if (s != NULL) {
        lyc_onednn_primitive_free(s->primitive);
        lyc_free(s);
    }
}

size_t lyc_onednn_workspace(const lyc_problem *p, const void *state)
{
    (void)p;
    const lyc_onednn_state *s = state;
    return lyc_onednn_workspace_bytes(s->primitive);
}

size_t lyc_onednn_pack_bytes(char *key, const lyc_problem *p, const void *state, int input)
{
    (void)p;
    const lyc_onednn_state *s = state;
    if (input != s->weights) {
        return 0;
    }
    lyc_onednn_weights_key(key, LYC_PACK_KEY, s->primitive);
    return lyc_onednn_weights_bytes(s->primitive);
}

lyc_status lyc_onednn_widen(void **out, const lyc_problem *p, int input, lyc_dtype dtype, const void *src,
                            lyc_error *err)
{
    const lyc_operand *o = &p->in[input];
    size_t bytes;
    LYC_TRY(lyc_shape_bytes(&bytes, &o->shape, dtype, err));
    *out = lyc_alloc(bytes);
    if (*out == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a weight of %zu bytes", bytes);
    }
    return lyc_dtype_convert(*out, dtype, src, o->stored, (size_t)lyc_shape_elements(&o->shape), err);
}

/* The residual is added by accumulation, so it has to lie in the output first; a plan usually sees to that by itself.
 */
lyc_status lyc_onednn_call(const lyc_call *call)
{
    const lyc_onednn_state *s = call->state;
    if (s->residual >= 0 && call->in[s->residual] != call->out[0]) {
        const lyc_operand *out = &call->problem->out[0];
        memcpy(call->out[0], call->in[s->residual],
               (size_t)lyc_shape_elements(&out->shape) * (size_t)lyc_dtype_bits(out->dtype) / 8);
    }
    return lyc_onednn_run(s->primitive, call->in[s->src], call->in[s->weights], s->bias >= 0 ? call->in[s->bias] : NULL,
                          call->out[0], call->workspace, call->err);
}

static const lyc_kernel *const everywhere[] = {
    &lyc_onednn_conv2d,
    &lyc_onednn_conv2d_backward_data,
    &lyc_onednn_matmul,
    NULL,
};

static const lyc_kernel_set everywhere_set = {"onednn", everywhere};

#define ONEDNN_BACKEND(isa)                                                                                            \
    {                                                                                                                  \
        .name = "onednn." #isa,                                                                                        \
        .sets = (const lyc_kernel_set *const[]){&everywhere_set, &lyc_kernels_##isa, &lyc_reference_kernels, NULL},    \
        .alloc = lyc_cpu_alloc, .release = lyc_cpu_release, .upload = lyc_cpu_copy, .download = lyc_cpu_copy           \
    }

static const lyc_backend backends[LYC_ISA_COUNT] = {
    [LYC_ISA_GENERIC] = ONEDNN_BACKEND(generic),
#if defined(__x86_64__)
    [LYC_ISA_AVX2] = ONEDNN_BACKEND(avx2),
    [LYC_ISA_AVX512] = ONEDNN_BACKEND(avx512),
    [LYC_ISA_AVX512BF16] = ONEDNN_BACKEND(avx512bf16),
#endif
};

const lyc_backend *lyc_backend_onednn_everywhere(void)
{
    return &backends[lyc_cpu_isa()];
}

/* Measured: docs/performance.md. With AVX2 the own kernels are faster; with AVX-512 and its bf16 products oneDNN's are
 * close to the processor's ceiling. */
const lyc_backend *lyc_backend_onednn(void)
{
    return lyc_cpu_isa() >= LYC_ISA_AVX512 ? &backends[lyc_cpu_isa()] : lyc_backend_cpu();
}
