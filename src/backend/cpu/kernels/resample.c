/* resample.c - nearest upsampling and its gradient, maximum pooling and its gradient
 *
 * Images are [n,h,w,c]: everything is done for a pixel's channels at a time. The gradient of pooling asks for each
 * element of x which of the windows over it have their first maximum there (as the reference does); it needs no sums
 * in f32 beside the result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/kernels/copy.h"
#include "graph/ops/max_pool2d.h"

typedef struct task {
    const lyc_call *call;
    lyc_copy copy;
    const int64_t *large; /* [n,h,w,c] */
    const int64_t *small;
    const lyc_max_pool2d_attr *pool;
} task;

static void rows_of(task *t, int64_t rows, int64_t elements, lyc_parallel_body body)
{
    lyc_parallel_chunks(rows, lyc_copy_ns(elements), body, t);
}

/* ---- nearest ---- */

/* Rows of the larger image. */
static void upsample(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t h = t->small[1], w = t->small[2], oh = t->large[1], ow = t->large[2], c = t->large[3];
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        const int64_t from = (r / oh * h + r % oh * h / oh) * w;
        for (int64_t j = 0; j < ow; j++) {
            lyc_copy_run(&t->copy, (r * ow + j) * c, (from + j * w / ow) * c, c);
        }
    }
    lyc_vstream_end();
}

static lyc_status run_upsample(const lyc_call *call)
{
    task t = {.copy = lyc_copy_of(call, 0),
              .small = call->problem->in[0].shape.dims,
              .large = call->problem->out[0].shape.dims};
    rows_of(&t, t.large[0] * t.large[1], lyc_shape_elements(&call->problem->out[0].shape), upsample);
    return LYC_OK;
}

/* The least index of the larger axis whose source is at least `index`. */
static int64_t first_from(int64_t index, int64_t small, int64_t large)
{
    return lyc_ceil_div(index * large, small);
}

/* One pixel of the smaller image: the sum over rows [i, i_end) and columns [j, j_end) of sample n. */
static void sum_pixels(const task *t, int64_t to, int64_t n, const int64_t i[2], const int64_t j[2])
{
    const int64_t oh = t->large[1], ow = t->large[2], c = t->large[3];
    for (int64_t k = 0; k < c; k += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, c - k);
        lyc_vf sum = {0};
        for (int64_t a = i[0]; a < i[1]; a++) {
            for (int64_t b = j[0]; b < j[1]; b++) {
                sum += lyc_vload_some(t->copy.src_dtype, t->copy.src, ((n * oh + a) * ow + b) * c + k, m);
            }
        }
        lyc_vstore_some(t->copy.dst_dtype, t->copy.dst, to * c + k, sum, m);
    }
}

static void upsample_backward(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t h = t->small[1], w = t->small[2], oh = t->large[1], ow = t->large[2];
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        const int64_t i[2] = {first_from(r % h, h, oh), first_from(r % h + 1, h, oh)};
        for (int64_t x = 0; x < w; x++) {
            const int64_t j[2] = {first_from(x, w, ow), first_from(x + 1, w, ow)};
            sum_pixels(t, r * w + x, r / h, i, j);
        }
    }
}

static lyc_status run_upsample_backward(const lyc_call *call)
{
    task t = {.copy = lyc_copy_of(call, 0),
              .large = call->problem->in[0].shape.dims,
              .small = call->problem->out[0].shape.dims};
    rows_of(&t, t.small[0] * t.small[1], lyc_shape_elements(&call->problem->in[0].shape), upsample_backward);
    return LYC_OK;
}

/* ---- maximum ---- */

/* The maxima of the window (i, j) of sample n in m channels from k on, and where they are: the first of equal ones, a
 * NaN before all numbers. Places count the elements of the window by rows. */
static lyc_vf maximum(const task *t, lyc_vi *place, int64_t n, int64_t i, int64_t j, int64_t k, int m)
{
    const int64_t h = t->large[1], w = t->large[2], c = t->large[3];
    const int kernel = t->pool->kernel;
    lyc_vf best = {0};
    *place = lyc_viset(-1);
    for (int e = 0; e < kernel * kernel; e++) {
        const int64_t a = i * t->pool->stride + e / kernel;
        const int64_t b = j * t->pool->stride + e % kernel;
        const lyc_vf x = lyc_vload_some(t->copy.src_dtype, t->copy.src, ((n * h + a) * w + b) * c + k, m);
        const lyc_vi takes = (*place < 0) | (x > best) | ((x != x) & (best == best));
        best = lyc_vselect(takes, x, best);
        *place = lyc_viselect(takes, lyc_viset(e), *place);
    }
    return best;
}

/* Rows of the smaller image. */
static void pool(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t oh = t->small[1], ow = t->small[2], c = t->small[3];
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        for (int64_t j = 0; j < ow; j++) {
            for (int64_t k = 0; k < c; k += LYC_LANES) {
                const int m = (int)lyc_min(LYC_LANES, c - k);
                lyc_vi place;
                const lyc_vf best = maximum(t, &place, r / oh, r % oh, j, k, m);
                lyc_vstore_some(t->copy.dst_dtype, t->copy.dst, (r * ow + j) * c + k, best, m);
            }
        }
    }
}

static lyc_status run_pool(const lyc_call *call)
{
    task t = {.copy = lyc_copy_of(call, 0),
              .large = call->problem->in[0].shape.dims,
              .small = call->problem->out[0].shape.dims,
              .pool = call->problem->attr};
    rows_of(&t, t.small[0] * t.small[1], 4 * lyc_shape_elements(&call->problem->in[0].shape), pool);
    return LYC_OK;
}

/* The windows along an axis that reach `index`: [0] to before [1]. */
static void windows_at(int64_t windows[2], const lyc_max_pool2d_attr *attr, int64_t index, int64_t count)
{
    windows[0] = index < attr->kernel ? 0 : (index - attr->kernel) / attr->stride + 1;
    windows[1] = lyc_min(index / attr->stride + 1, count);
}

/* The gradient of m channels of x at row a, column b of sample n. */
static lyc_vf gradient_at(const task *t, int64_t n, int64_t a, int64_t b, int64_t k, int m)
{
    const int64_t oh = t->small[1], ow = t->small[2], c = t->small[3];
    const lyc_dtype d_y_dtype = t->call->problem->in[1].dtype;
    int64_t i[2];
    int64_t j[2];
    lyc_vf sum = {0};
    windows_at(i, t->pool, a, oh);
    windows_at(j, t->pool, b, ow);
    for (int64_t y = i[0]; y < i[1]; y++) {
        for (int64_t x = j[0]; x < j[1]; x++) {
            const int64_t here = (a - y * t->pool->stride) * t->pool->kernel + b - x * t->pool->stride;
            lyc_vi place;
            maximum(t, &place, n, y, x, k, m);
            const lyc_vf d = lyc_vload_some(d_y_dtype, t->call->in[1], ((n * oh + y) * ow + x) * c + k, m);
            sum += lyc_vselect(place == lyc_viset((int32_t)here), d, lyc_vset(0.0f));
        }
    }
    return sum;
}

/* Rows of the larger image. */
static void pool_backward(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t h = t->large[1], w = t->large[2], c = t->large[3];
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        for (int64_t b = 0; b < w; b++) {
            for (int64_t k = 0; k < c; k += LYC_LANES) {
                const int m = (int)lyc_min(LYC_LANES, c - k);
                lyc_vstore_some(t->copy.dst_dtype, t->copy.dst, (r * w + b) * c + k,
                                gradient_at(t, r / h, r % h, b, k, m), m);
            }
        }
    }
}

static lyc_status run_pool_backward(const lyc_call *call)
{
    task t = {.call = call,
              .copy = lyc_copy_of(call, 0),
              .large = call->problem->in[0].shape.dims,
              .small = call->problem->in[1].shape.dims,
              .pool = call->problem->attr};
    rows_of(&t, t.large[0] * t.large[1], 20 * lyc_shape_elements(&call->problem->in[0].shape), pool_backward);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_upsample_nearest) = {.name = LYC_ISA_NAME ".upsample_nearest",
                                                                .op = &lyc_op_upsample_nearest,
                                                                .accepts = lyc_accepts_floats,
                                                                .run = run_upsample};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_upsample_nearest_backward) = {.name = LYC_ISA_NAME
                                                                         ".upsample_nearest_backward",
                                                                         .op = &lyc_op_upsample_nearest_backward,
                                                                         .accepts = lyc_accepts_floats,
                                                                         .run = run_upsample_backward};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_max_pool2d) = {
    .name = LYC_ISA_NAME ".max_pool2d", .op = &lyc_op_max_pool2d, .accepts = lyc_accepts_floats, .run = run_pool};
const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_max_pool2d_backward) = {.name = LYC_ISA_NAME ".max_pool2d_backward",
                                                                   .op = &lyc_op_max_pool2d_backward,
                                                                   .accepts = lyc_accepts_floats,
                                                                   .run = run_pool_backward};
