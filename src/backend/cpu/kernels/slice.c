/* slice.c - slice, pad and concat: runs along one axis
 *
 * With the axis in the middle a value is [outer,extent,inner], and neighbours along the axis lie together: each of the
 * outer parts is one run, cut into pieces of PIECE elements when it is long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/slice.h"

#include "backend/cpu/kernels/copy.h"
#include "graph/ops/axes.h"
#include "graph/ops/concat.h"
#include "graph/ops/pad.h"

enum { PIECE = 16384 };

/* Runs of `run` elements: part o goes from from_first + o from_step to to_first + o to_step; zeros before and after. */
typedef struct task {
    lyc_copy copy;
    int64_t run, pieces;
    int64_t to_first, to_step, from_first, from_step;
    int64_t zeros_before, zeros_after;
} task;

static void copy_pieces(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const int64_t o = i / t->pieces;
        const int64_t begin = i % t->pieces * PIECE;
        const int64_t n = lyc_min(PIECE, t->run - begin);
        const int64_t to = t->to_first + o * t->to_step + begin;
        if (begin == 0) {
            lyc_copy_zeros(&t->copy, to - t->zeros_before, t->zeros_before);
        }
        lyc_copy_run(&t->copy, to, t->from_first + o * t->from_step + begin, n);
        if (begin + n == t->run) {
            lyc_copy_zeros(&t->copy, to + n, t->zeros_after);
        }
    }
    lyc_vstream_end();
}

static void copy_parts(task *t, int64_t outer)
{
    t->pieces = lyc_ceil_div(t->run, PIECE);
    lyc_parallel_chunks(outer * t->pieces, lyc_copy_ns(outer * (t->run + t->zeros_before + t->zeros_after)),
                        copy_pieces, t);
}

static lyc_status run_slice(const lyc_call *call)
{
    const lyc_slice_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(&call->problem->in[0].shape, attr->axis);
    task t = {.copy = lyc_copy_of(call, 0),
              .run = attr->count * x.inner,
              .to_step = attr->count * x.inner,
              .from_first = attr->first * x.inner,
              .from_step = x.extent * x.inner};
    copy_parts(&t, x.outer);
    return LYC_OK;
}

static lyc_status run_pad(const lyc_call *call)
{
    const lyc_pad_attr *attr = call->problem->attr;
    const lyc_axis_view x = lyc_axis_view_of(&call->problem->in[0].shape, attr->axis);
    task t = {.copy = lyc_copy_of(call, 0),
              .run = x.extent * x.inner,
              .to_first = attr->before * x.inner,
              .to_step = (attr->before + x.extent + attr->after) * x.inner,
              .from_step = x.extent * x.inner,
              .zeros_before = attr->before * x.inner,
              .zeros_after = attr->after * x.inner};
    copy_parts(&t, x.outer);
    return LYC_OK;
}

static lyc_status run_concat(const lyc_call *call)
{
    const lyc_concat_attr *attr = call->problem->attr;
    const lyc_axis_view y = lyc_axis_view_of(&call->problem->out[0].shape, attr->axis);
    int64_t first = 0;
    for (int k = 0; k < call->problem->n_inputs; k++) {
        const lyc_axis_view x = lyc_axis_view_of(&call->problem->in[k].shape, attr->axis);
        task t = {.copy = lyc_copy_of(call, k),
                  .run = x.extent * x.inner,
                  .to_first = first * y.inner,
                  .to_step = y.extent * y.inner,
                  .from_step = x.extent * x.inner};
        copy_parts(&t, x.outer);
        first += x.extent;
    }
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_slice) = {
    .name = LYC_ISA_NAME ".slice", .op = &lyc_op_slice, .accepts = lyc_accepts_floats, .run = run_slice};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_pad) = {
    .name = LYC_ISA_NAME ".pad", .op = &lyc_op_pad, .accepts = lyc_accepts_floats, .run = run_pad};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_concat) = {
    .name = LYC_ISA_NAME ".concat", .op = &lyc_op_concat, .accepts = lyc_accepts_floats, .run = run_concat};
