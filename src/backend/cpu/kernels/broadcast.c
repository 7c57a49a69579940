/* broadcast.c - a value repeated to a shape: along the innermost merged axis it is dense or one element
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/broadcast.h"

#include "backend/cpu/kernels/copy.h"

enum { CHUNK = 4096 };

typedef struct task {
    lyc_copy copy;
    lyc_broadcast axes;
    int64_t count;
} task;

static void fill(const lyc_copy *c, int64_t to, int64_t from, int64_t n)
{
    const lyc_vf v = lyc_vset(lyc_load_one(c->src_dtype, lyc_at(c->src, c->src_dtype, from)));
    void *dst = lyc_at_mutable(c->dst, c->dst_dtype, to);
    for (int64_t i = 0; i < n; i += LYC_LANES) {
        lyc_vstore_some(c->dst_dtype, dst, i, v, (int)lyc_min(LYC_LANES, n - i));
    }
}

static void repeat(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    first *= CHUNK;
    last = lyc_min(last * CHUNK, t->count);
    lyc_walk w = lyc_walk_from(&t->axes, first);
    while (first < last) {
        const int64_t n = lyc_min(lyc_walk_left(&w), last - first);
        if (t->axes.step[0][0] != 0) {
            lyc_copy_run(&t->copy, first, w.at[0], n);
        } else {
            fill(&t->copy, first, w.at[0], n);
        }
        lyc_walk_on(&w, n);
        first += n;
    }
    lyc_vstream_end();
}

static lyc_status run(const lyc_call *call)
{
    const lyc_shape *y = &call->problem->out[0].shape;
    task t = {.copy = lyc_copy_of(call, 0), .count = lyc_shape_elements(y)};
    lyc_broadcast_init(&t.axes, y, 1, (const lyc_shape *[]){&call->problem->in[0].shape});
    lyc_parallel_chunks(lyc_ceil_div(t.count, CHUNK), lyc_copy_ns(t.count), repeat, &t);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_broadcast) = {
    .name = LYC_ISA_NAME ".broadcast", .op = &lyc_op_broadcast, .accepts = lyc_accepts_floats, .run = run};
