/* norm_backward.c - the gradient of the norm over one axis: d_x = x d_y / y, zero where y is
 *
 * x [outer,extent,inner], y and d_y [outer,inner]. With inner = 1 each row of x has one factor, otherwise the rows
 * [inner] of x share their factors, which are made COLUMNS at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/norm.h"

#include "backend/cpu/kernels/map.h"
#include "graph/ops/axes.h"

enum { COLUMNS = 512 };

typedef struct task {
    lyc_map map; /* x and the result; y is not read */
    const void *y;
    const void *d_y;
    lyc_dtype y_dtype, d_y_dtype;
    lyc_axis_view view;
    int64_t rows; /* in a chunk */
} task;

static lyc_vf scale(lyc_map_point p)
{
    return p.x * p.y;
}

/* factors[0..n) for elements [at, at + n) of y. */
static void make_factors(const task *t, float *factors, int64_t at, int64_t n)
{
    for (int64_t j = 0; j < n; j += LYC_LANES) {
        const int m = (int)lyc_min(LYC_LANES, n - j);
        const lyc_vf y = lyc_vload_as_n(t->y_dtype, t->y, at + j, m);
        const lyc_vf d_y = lyc_vload_as_n(t->d_y_dtype, t->d_y, at + j, m);
        lyc_vstore_n(factors + j, lyc_vselect(y == lyc_vset(0.0f), lyc_vset(0.0f), d_y / y), m);
    }
}

static void whole_rows(const task *t, int64_t first, int64_t last)
{
    const int64_t n = t->view.extent;
    float factor;
    lyc_map m = t->map;
    m.y = &factor;
    for (int64_t r = first; r < last; r++) {
        make_factors(t, &factor, r, 1);
        lyc_map_at(&m, &t->map, r * n);
        lyc_map_steps(scale, 2, 1, 0, &m, 0, n);
    }
}

/* Rows [first, last) of the [outer * extent] rows of [inner]. */
static void shared_factors(const task *t, int64_t first, int64_t last)
{
    const int64_t inner = t->view.inner;
    float factors[COLUMNS];
    lyc_map m = t->map;
    m.y = factors;
    while (first < last) {
        const int64_t outer = first / t->view.extent;
        const int64_t end = lyc_min(last, (outer + 1) * t->view.extent);
        for (int64_t column = 0; column < inner; column += COLUMNS) {
            const int64_t n = lyc_min(COLUMNS, inner - column);
            make_factors(t, factors, outer * inner + column, n);
            for (int64_t r = first; r < end; r++) {
                lyc_map_at(&m, &t->map, r * inner + column);
                lyc_map_steps(scale, 2, 1, 1, &m, 0, n);
            }
        }
        first = end;
    }
}

static void chunks(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t rows = t->map.count / (t->view.inner == 1 ? t->view.extent : t->view.inner);
    (void)thread;
    first *= t->rows;
    last = lyc_min(last * t->rows, rows);
    if (t->view.inner == 1) {
        whole_rows(t, first, last);
    } else {
        shared_factors(t, first, last);
    }
}

static lyc_status run(const lyc_call *call)
{
    const lyc_problem *p = call->problem;
    task t = {.map = lyc_map_of(call, NULL),
              .y = call->in[1],
              .d_y = call->in[2],
              .y_dtype = p->in[1].dtype,
              .d_y_dtype = p->in[2].dtype,
              .view = lyc_axis_view_of(&p->in[0].shape, ((const lyc_norm_attr *)p->attr)->axis)};
    t.map.y_dtype = LYC_F32;
    const int64_t row = t.view.inner == 1 ? t.view.extent : t.view.inner;
    t.rows = lyc_max(1, 4 * LYC_MAP_CHUNK / row);
    lyc_parallel_chunks(lyc_ceil_div(t.map.count / row, t.rows), 0.2 * (double)t.map.count, chunks, &t);
    return LYC_OK;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_norm_backward) = {
    .name = LYC_ISA_NAME ".norm_backward", .op = &lyc_op_norm_backward, .accepts = lyc_accepts_floats, .run = run};
