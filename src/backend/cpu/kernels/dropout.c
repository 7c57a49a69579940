/* dropout.c - zeros at random places; the numbers are those of tensor/random.h, so the mask is the reference's
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/dropout.h"

#include "backend/cpu/kernels/kernel.h"

enum { CHUNK = 2048 }; /* a multiple of 4, as the generator asks for */

typedef struct task {
    const lyc_call *call;
    lyc_native_random random;
    int64_t count;
} task;

static void chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const lyc_problem *p = t->call->problem;
    const float probability = ((const lyc_dropout_attr *)p->attr)->p;
    const lyc_vf scale = lyc_vset((float)(1.0 / (1.0 - (double)probability)));
    float uniform[CHUNK];
    (void)thread;
    for (int64_t chunk = first; chunk < last; chunk++) {
        const int64_t begin = chunk * CHUNK;
        const int64_t n = lyc_min(CHUNK, t->count - begin);
        lyc_native_random_uniforms(&t->random, uniform, (uint64_t)begin, (size_t)n);
        for (int64_t i = 0; i < n; i += LYC_LANES) {
            const int m = (int)lyc_min(LYC_LANES, n - i);
            const lyc_vi stays = lyc_vload_some(LYC_F32, uniform, i, m) >= lyc_vset(probability);
            const lyc_vf x = lyc_vload_some(p->in[0].dtype, t->call->in[0], begin + i, m);
            lyc_vstore_some(p->out[0].dtype, t->call->out[0], begin + i, lyc_vselect(stays, x * scale, lyc_vset(0.0f)),
                            m);
        }
    }
}

static lyc_status run(const lyc_call *call)
{
    const lyc_shape *x = &call->problem->in[0].shape;
    task t = {
        .call = call, .random = lyc_dropout_random(call->problem->attr, call->in[1]), .count = lyc_shape_elements(x)};
    lyc_parallel_chunks(lyc_ceil_div(t.count, CHUNK), 3.0 * (double)t.count, chunks, &t);
    return LYC_OK;
}

static bool accepts(const lyc_problem *p)
{
    return lyc_is_float(p->in[0].dtype) && p->in[1].dtype == LYC_I32 && lyc_is_float(p->out[0].dtype);
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_dropout) = {
    .name = LYC_ISA_NAME ".dropout", .op = &lyc_op_dropout, .accepts = accepts, .run = run};
