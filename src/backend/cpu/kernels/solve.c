/* solve.c - a x = b (or aT x = b) for batches of small matrices, by LU with partial pivoting
 *
 * In double: the numbers of a rotation are wanted to the last bits of f32, and blocks are small. The matrix and its
 * right-hand sides lie side by side, [n,n+m], so that elimination is one operation on rows; each matrix is one piece of
 * work. A matrix without a pivot: the reference kernel finds it again and says which.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/solve.h"

#include <math.h>
#include <stdatomic.h>

#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/reference/reference.h"

typedef struct task {
    const lyc_call *call;
    int64_t n;
    int64_t m;
    int64_t batch;
    bool trans;
    atomic_bool *singular;
} task;

static task task_of(const lyc_problem *p)
{
    const lyc_shape *b = &p->in[1].shape;
    return (task){.n = b->dims[b->rank - 2],
                  .m = b->dims[b->rank - 1],
                  .batch = lyc_shape_product(b, 0, b->rank - 2),
                  .trans = ((const lyc_solve_attr *)p->attr)->trans};
}

static size_t workspace(const lyc_problem *p, const void *state)
{
    (void)state;
    const task t = task_of(p);
    return (size_t)lyc_thread_count() * (size_t)(t.n * (t.n + t.m)) * sizeof(double);
}

static double number(const task *t, int input, int64_t index)
{
    const lyc_dtype dtype = t->call->problem->in[input].dtype;
    return (double)lyc_load_one(dtype, lyc_at(t->call->in[input], dtype, index));
}

/* row -= factor * pivot, elements [first, width). */
static void subtract(double *row, const double *pivot, double factor, int64_t first, int64_t width)
{
    for (int64_t j = first; j < width; j++) {
        row[j] -= factor * pivot[j];
    }
}

/* Brings the row with the largest element of column k to place k. False: all are zero, or not numbers. */
static bool choose_pivot(double *a, int64_t n, int64_t width, int64_t k)
{
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; i++) {
        if (fabs(a[i * width + k]) > fabs(a[pivot * width + k])) {
            pivot = i;
        }
    }
    for (int64_t j = k; j < width && pivot != k; j++) {
        const double kept = a[k * width + j];
        a[k * width + j] = a[pivot * width + j];
        a[pivot * width + j] = kept;
    }
    return fabs(a[k * width + k]) > 0.0;
}

/* a [n,width]: the right-hand sides become the solutions. */
static bool solve(double *a, int64_t n, int64_t width)
{
    for (int64_t k = 0; k < n; k++) {
        if (!choose_pivot(a, n, width, k)) {
            return false;
        }
        for (int64_t i = k + 1; i < n; i++) {
            subtract(a + i * width, a + k * width, a[i * width + k] / a[k * width + k], k, width);
        }
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = i + 1; j < n; j++) {
            subtract(a + i * width, a + j * width, a[i * width + j], n, width);
        }
        for (int64_t j = n; j < width; j++) {
            a[i * width + j] /= a[i * width + i];
        }
    }
    return true;
}

static void matrices(void *context, int64_t first, int64_t last, int thread)
{
    const task *t = context;
    const int64_t n = t->n;
    const int64_t width = n + t->m;
    double *a = (double *)t->call->workspace + thread * n * width;
    for (int64_t s = first; s < last; s++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                a[i * width + j] = number(t, 0, s * n * n + (t->trans ? j * n + i : i * n + j));
            }
            for (int64_t j = 0; j < t->m; j++) {
                a[i * width + n + j] = number(t, 1, (s * n + i) * t->m + j);
            }
        }
        if (!solve(a, n, width)) {
            atomic_store(t->singular, true);
            return;
        }
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < t->m; j++) {
                ((float *)t->call->out[0])[(s * n + i) * t->m + j] = (float)a[i * width + n + j];
            }
        }
    }
}

static lyc_status run(const lyc_call *call)
{
    atomic_bool singular = false;
    task t = task_of(call->problem);
    t.call = call;
    t.singular = &singular;
    const double per_matrix = (double)(t.n * t.n) * (double)(t.n + 2 * t.m);
    lyc_parallel_chunks(t.batch, 0.5 * per_matrix * (double)t.batch, matrices, &t);
    return atomic_load(&singular) ? lyc_reference_solve(call) : LYC_OK;
}

static bool accepts(const lyc_problem *p)
{
    return lyc_accepts_floats(p) && p->out[0].dtype == LYC_F32;
}

const lyc_kernel LYC_ISA_SYMBOL(lyc_kernel_solve) = {
    .name = LYC_ISA_NAME ".solve", .op = &lyc_op_solve, .accepts = accepts, .workspace = workspace, .run = run};
