/* test_norm.c - what the comparison with the reference (test_kernels.c) does not see of the norms: large means, the
 * number of threads, NaN
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "base/thread.h"
#include "graph/ops/group_norm.h"
#include "graph/ops/layer_norm.h"

enum { SAMPLES = 2, PIXELS = 1000, CHANNELS = 70, GROUPS = 10, WIDTH = CHANNELS / GROUPS };
enum { ELEMENTS = SAMPLES * PIXELS * CHANNELS };

/* Forward and gradient of one normalisation on [SAMPLES,PIXELS,CHANNELS]; statistics are [SAMPLES,GROUPS] or by row. */
typedef struct norm_run {
    bool group;
    int64_t rows; /* of statistics */
    float *x, *y, *d_y, *d_x, *mean, *rstd;
    float weight[CHANNELS], bias[CHANNELS], d_weight[CHANNELS], d_bias[CHANNELS];
} norm_run;

static void run_open(norm_run *r, bool group, float mean)
{
    memset(r, 0, sizeof *r);
    r->group = group;
    r->rows = group ? SAMPLES * GROUPS : SAMPLES * PIXELS;
    float **large[] = {&r->x, &r->y, &r->d_y, &r->d_x, &r->mean, &r->rstd};
    for (int i = 0; i < 6; i++) {
        *large[i] = calloc(ELEMENTS, sizeof(float));
    }
    uint32_t seed = 7;
    for (int i = 0; i < ELEMENTS; i++) {
        seed = seed * 1664525u + 1013904223u;
        r->x[i] = mean + (float)(seed >> 8) / 16777216.0f * 3.4641016f - 1.7320508f; /* deviation 1 */
        r->d_y[i] = (float)(seed >> 20) / 4096.0f - 0.5f;
    }
    for (int c = 0; c < CHANNELS; c++) {
        r->weight[c] = 1.0f + 0.01f * (float)c;
        r->bias[c] = 0.02f * (float)c - 0.5f;
    }
}

static void run_close(norm_run *r)
{
    float *large[] = {r->x, r->y, r->d_y, r->d_x, r->mean, r->rstd};
    for (int i = 0; i < 6; i++) {
        free(large[i]);
    }
}

static const lyc_kernel *kernel_of(const lyc_kernel_set *set, const lyc_op *op)
{
    for (int i = 0; set->kernels[i] != NULL; i++) {
        if (set->kernels[i]->op == op) {
            return set->kernels[i];
        }
    }
    fail_msg("no kernel for %s", op->name);
    return NULL;
}

static lyc_operand f32(lyc_shape shape)
{
    return (lyc_operand){.present = true, .dtype = LYC_F32, .stored = LYC_F32, .shape = shape};
}

static void execute(const lyc_kernel *kernel, const lyc_problem *p, const void *const *in, void *const *out)
{
    assert_true(kernel->accepts(p));
    const size_t size = kernel->workspace(p, NULL);
    void *workspace = lyc_alloc(size);
    memset(workspace, 0xff, size);
    const lyc_call call = {.problem = p, .in = in, .out = out, .workspace = workspace};
    assert_int_equal(kernel->run(&call), LYC_OK);
    lyc_free(workspace);
}

static void run_both(norm_run *r, const lyc_kernel_set *set)
{
    const lyc_operand x = f32(LYC_SHAPE(SAMPLES, PIXELS, CHANNELS));
    const lyc_operand c = f32(LYC_SHAPE(CHANNELS));
    const lyc_operand s = r->group ? f32(LYC_SHAPE(SAMPLES, GROUPS)) : f32(LYC_SHAPE(SAMPLES, PIXELS));
    const lyc_group_norm_attr group_attr = {.groups = GROUPS, .eps = 1e-5f, .silu = true};
    const lyc_group_norm_backward_attr group_backward_attr = {.groups = GROUPS, .silu = true};
    const lyc_layer_norm_attr layer_attr = {.eps = 1e-5f};
    lyc_problem p = {.n_inputs = 3, .n_outputs = 3, .in = {x, c, c}, .out = {x, s, s}};
    lyc_problem b = {.n_outputs = 3, .out = {x, c, c}};
    void *const out[] = {r->y, r->mean, r->rstd};
    void *const d_out[] = {r->d_x, r->d_weight, r->d_bias};
    const void *const in[] = {r->x, r->weight, r->bias};
    p.op = r->group ? &lyc_op_group_norm : &lyc_op_layer_norm;
    p.attr = r->group ? (const void *)&group_attr : &layer_attr;
    execute(kernel_of(set, p.op), &p, in, out);
    if (r->group) {
        const lyc_operand operands[] = {x, c, c, s, s, x};
        const void *const d_in[] = {r->x, r->weight, r->bias, r->mean, r->rstd, r->d_y};
        b.op = &lyc_op_group_norm_backward;
        b.attr = &group_backward_attr;
        b.n_inputs = 6;
        memcpy(b.in, operands, sizeof operands);
        execute(kernel_of(set, b.op), &b, d_in, d_out);
    } else {
        const lyc_operand operands[] = {x, c, s, s, x};
        const void *const d_in[] = {r->x, r->weight, r->mean, r->rstd, r->d_y};
        b.op = &lyc_op_layer_norm_backward;
        b.n_inputs = 5;
        memcpy(b.in, operands, sizeof operands);
        execute(kernel_of(set, b.op), &b, d_in, d_out);
    }
}

/* Calls visit for each instruction set of this processor, with group and with layer normalisation. */
static void for_each_set(void (*visit)(const lyc_kernel_set *set, bool group))
{
    for (int isa = 0; isa <= (int)lyc_cpu_isa(); isa++) {
        const lyc_kernel_set *set = lyc_kernels_of_isa((lyc_isa)isa);
        if (set != NULL) {
            visit(set, true);
            visit(set, false);
        }
    }
}

/* Statistics row that an element belongs to. */
static int64_t row_of(bool group, int64_t i)
{
    return group ? i / PIXELS / CHANNELS * GROUPS + i % CHANNELS / WIDTH : i / CHANNELS;
}

static void visit_large_mean(const lyc_kernel_set *set, bool group)
{
    norm_run r;
    run_open(&r, group, 1000.0f);
    run_both(&r, set);
    double *sum = calloc((size_t)r.rows, sizeof *sum);
    double *squares = calloc((size_t)r.rows, sizeof *squares);
    const double count = group ? PIXELS * WIDTH : CHANNELS;
    for (int64_t i = 0; i < ELEMENTS; i++) {
        sum[row_of(group, i)] += (double)r.x[i];
    }
    for (int64_t i = 0; i < ELEMENTS; i++) {
        const double d = (double)r.x[i] - sum[row_of(group, i)] / count;
        squares[row_of(group, i)] += d * d;
    }
    for (int64_t i = 0; i < r.rows; i++) {
        const double rstd = 1.0 / sqrt(squares[i] / count + 1e-5);
        assert_true(fabs((double)r.mean[i] - sum[i] / count) < 1e-4);
        assert_true(fabs((double)r.rstd[i] - rstd) < 1e-4 * rstd);
    }
    for (int64_t i = 0; i < ELEMENTS; i++) {
        const int64_t row = row_of(group, i);
        const double u = ((double)r.x[i] - sum[row] / count) / sqrt(squares[row] / count + 1e-5);
        const double z = u * (double)r.weight[i % CHANNELS] + (double)r.bias[i % CHANNELS];
        const double y = group ? z / (1.0 + exp(-z)) : z;
        if (!(fabs((double)r.y[i] - y) < 1e-4 * (1.0 + fabs(y)))) {
            fail_msg("%s, element %lld: %.9g, expected %.9g", set->name, (long long)i, (double)r.y[i], y);
        }
    }
    free(sum);
    free(squares);
    run_close(&r);
}

static void test_large_mean(void **state)
{
    (void)state;
    for_each_set(visit_large_mean);
}

static void visit_threads(const lyc_kernel_set *set, bool group)
{
    static const int counts[] = {1, 2, 3, 8};
    norm_run first, other;
    run_open(&first, group, 0.5f);
    run_open(&other, group, 0.5f);
    for (int i = 0; i < 4; i++) {
        lyc_thread_set_count(counts[i]);
        run_both(i == 0 ? &first : &other, set);
        if (i > 0) {
            assert_memory_equal(first.y, other.y, ELEMENTS * sizeof(float));
            assert_memory_equal(first.d_x, other.d_x, ELEMENTS * sizeof(float));
            assert_memory_equal(first.d_weight, other.d_weight, sizeof first.d_weight);
            assert_memory_equal(first.d_bias, other.d_bias, sizeof first.d_bias);
        }
    }
    run_close(&first);
    run_close(&other);
}

static void test_threads(void **state)
{
    (void)state;
    const int before = lyc_thread_count();
    for_each_set(visit_threads);
    lyc_thread_set_count(before);
}

/* A NaN spoils its group or row and nothing else. */
static void visit_nan(const lyc_kernel_set *set, bool group)
{
    norm_run r;
    run_open(&r, group, 0.0f);
    memset(&r.x[500 * CHANNELS + 9], 0xff, sizeof(float)); /* sample 0, channel 9 */
    run_both(&r, set);
    const int64_t spoilt = row_of(group, 500 * CHANNELS + 9);
    for (int64_t i = 0; i < ELEMENTS; i++) {
        assert_int_equal(isnan(r.y[i]) != 0, row_of(group, i) == spoilt);
        assert_int_equal(isnan(r.d_x[i]) != 0, row_of(group, i) == spoilt);
    }
    run_close(&r);
}

static void test_nan(void **state)
{
    (void)state;
    for_each_set(visit_nan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_mean),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
