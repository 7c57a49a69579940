/* test_attention.c - the attention kernels against loops in double, on every instruction set of this processor
 *
 * Vectors of 16 lanes in plain C stand for AVX-512 and its products of bf16 pairs. Tolerances are in units of the
 * result's root mean square plus the element's magnitude: f32 1e-5, since scores of 20 are rounded by 1e-6, which p
 * takes over as a relative error; bf16 2^-8, the rounding of the results, or 2^-6 in pairs, where p and d_s are
 * rounded as well.
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
#include "graph/ops/attention.h"
#include "tensor/dtype.h"

extern const lyc_kernel lyc_kernel_attention_plain16, lyc_kernel_attention_backward_plain16;

typedef struct attention_case {
    int64_t n, heads, tq, tk, d;
    bool causal;
    float scale;
    lyc_dtype dtype;
} attention_case;

/* Sizes around panels (8, 16, 32 queries), tiles (6, 12 keys), blocks (96, 192 keys; 64 queries) and vectors. */
static const attention_case cases[] = {
    {1, 1, 1, 1, 1, false, 0, LYC_F32},         {2, 3, 5, 3, 7, false, 0, LYC_F32},
    {1, 2, 64, 77, 40, false, 0, LYC_F32},      {1, 2, 67, 154, 40, false, 0, LYC_BF16},
    {2, 1, 33, 231, 64, false, 0, LYC_F32},     {1, 1, 70, 193, 80, false, 0, LYC_BF16},
    {1, 1, 97, 96, 160, false, 0, LYC_F32},     {1, 2, 31, 65, 41, false, -0.7f, LYC_F32},
    {1, 2, 31, 65, 41, false, -0.7f, LYC_BF16}, {1, 3, 77, 77, 64, true, 0, LYC_F32},
    {1, 1, 300, 300, 40, true, 0, LYC_F32},     {1, 2, 131, 131, 33, true, 0, LYC_BF16},
    {1, 1, 40, 50, 512, false, 0, LYC_F32},     {1, 1, 29, 29, 512, true, 0, LYC_BF16},
    {1, 1, 70, 900, 24, false, 0.5f, LYC_F32},  {1, 1, 70, 1700, 8, false, 0, LYC_F32},
};

enum { Q, K, V, Y, LSE, D_Y, D_Q, D_K, D_V, TENSORS };

typedef struct attention_run {
    attention_case c;
    lyc_attention_attr attr;
    lyc_shape shape[TENSORS];
    void *data[TENSORS];
    double *want[TENSORS]; /* Y, LSE and the gradients */
} attention_run;

static lyc_dtype dtype_of(const attention_run *r, int tensor)
{
    return tensor == LSE ? LYC_F32 : r->c.dtype;
}

static size_t bytes_of(const attention_run *r, int tensor)
{
    return (size_t)lyc_shape_elements(&r->shape[tensor]) * (size_t)lyc_dtype_bits(dtype_of(r, tensor)) / 8;
}

static double get(const attention_run *r, int tensor, int64_t i)
{
    const lyc_dtype dtype = dtype_of(r, tensor);
    return lyc_dtype_load(dtype, (const char *)r->data[tensor] + i * lyc_dtype_bits(dtype) / 8);
}

static void run_open(attention_run *r, const attention_case *c)
{
    memset(r, 0, sizeof *r);
    r->c = *c;
    r->attr = (lyc_attention_attr){.heads = (int)c->heads, .scale = c->scale, .causal = c->causal};
    uint32_t seed = 1;
    for (int t = 0; t < TENSORS; t++) {
        const bool keys = t == K || t == V || t == D_K || t == D_V;
        r->shape[t] = LYC_SHAPE(c->n, keys ? c->tk : c->tq, c->heads * c->d);
        if (t == LSE) {
            r->shape[t] = LYC_SHAPE(c->n, c->heads, c->tq);
        }
        const int64_t count = lyc_shape_elements(&r->shape[t]);
        r->data[t] = lyc_alloc(bytes_of(r, t));
        r->want[t] = calloc((size_t)count, sizeof(double));
        for (int64_t i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            const double x = (double)(seed >> 8) / 16777216.0 * 3.4 - 1.7;
            lyc_dtype_store(dtype_of(r, t), (char *)r->data[t] + i * lyc_dtype_bits(dtype_of(r, t)) / 8, x);
        }
    }
}

static void run_close(attention_run *r)
{
    for (int t = 0; t < TENSORS; t++) {
        lyc_free(r->data[t]);
        free(r->want[t]);
    }
}

static lyc_operand operand(const attention_run *r, int tensor)
{
    return (lyc_operand){
        .present = true, .dtype = dtype_of(r, tensor), .stored = dtype_of(r, tensor), .shape = r->shape[tensor]};
}

static void run_kernel(attention_run *r, const lyc_kernel *kernel, int n_in, int first_out, int n_out)
{
    lyc_problem p = {.op = kernel->op, .attr = &r->attr, .layer = "test", .n_inputs = n_in, .n_outputs = n_out};
    const void *in[LYC_MAX_INPUTS] = {0};
    for (int i = 0; i < n_in; i++) {
        p.in[i] = operand(r, i);
        in[i] = r->data[i];
    }
    for (int k = 0; k < n_out; k++) {
        p.out[k] = operand(r, first_out + k);
        memset(r->data[first_out + k], 0xff, bytes_of(r, first_out + k));
    }
    assert_true(kernel->accepts(&p));
    lyc_error err = {0};
    const size_t size = kernel->workspace(&p, NULL);
    char *workspace = lyc_alloc(size + 64);
    memset(workspace, 0xff, size + 64); /* NaN: nothing may be read before it is written */
    const lyc_call call = {.problem = &p, .in = in, .out = &r->data[first_out], .workspace = workspace, .err = &err};
    assert_int_equal(kernel->run(&call), LYC_OK);
    for (int i = 0; i < 64; i++) {
        assert_int_equal((unsigned char)workspace[size + (size_t)i], 0xff);
    }
    lyc_free(workspace);
}

static void run_both(attention_run *r, const lyc_kernel *const *kernels)
{
    run_kernel(r, kernels[0], 3, Y, 2);
    run_kernel(r, kernels[1], 6, D_Q, 3);
}

/* Row (n, head, query): y, lse and what the row adds to the gradients. The gradient takes y and lse as stored. */
static void reference_row(attention_run *r, int64_t n, int64_t head, int64_t i)
{
    const attention_case *c = &r->c;
    const int64_t row = ((n * c->tq + i) * c->heads + head) * c->d;
    const int64_t keys = c->causal ? i + 1 : c->tk;
    const double scale = lyc_attention_scale(&r->attr, c->d);
    double *p = calloc((size_t)keys, sizeof *p);
    double greatest = -INFINITY;
    double sum = 0.0;
    double delta = 0.0;
    for (int64_t j = 0; j < keys; j++) {
        for (int64_t e = 0; e < c->d; e++) {
            p[j] += scale * get(r, Q, row + e) * get(r, K, ((n * c->tk + j) * c->heads + head) * c->d + e);
        }
        greatest = fmax(greatest, p[j]);
    }
    for (int64_t j = 0; j < keys; j++) {
        sum += exp(p[j] - greatest);
    }
    const double lse = greatest + log(sum);
    r->want[LSE][(n * c->heads + head) * c->tq + i] = lse;
    for (int64_t e = 0; e < c->d; e++) {
        delta += get(r, D_Y, row + e) * get(r, Y, row + e);
    }
    for (int64_t j = 0; j < keys; j++) {
        const int64_t key = ((n * c->tk + j) * c->heads + head) * c->d;
        p[j] = exp(p[j] - lse);
        double d_p = 0.0;
        for (int64_t e = 0; e < c->d; e++) {
            d_p += get(r, D_Y, row + e) * get(r, V, key + e);
        }
        for (int64_t e = 0; e < c->d; e++) {
            const double d_s = scale * p[j] * (d_p - delta);
            r->want[Y][row + e] += p[j] * get(r, V, key + e);
            r->want[D_Q][row + e] += d_s * get(r, K, key + e);
            r->want[D_K][key + e] += d_s * get(r, Q, row + e);
            r->want[D_V][key + e] += p[j] * get(r, D_Y, row + e);
        }
    }
    free(p);
}

static void compare(const attention_run *r, int tensor, double unit, const char *kernel)
{
    const int64_t count = lyc_shape_elements(&r->shape[tensor]);
    double square = 0.0;
    for (int64_t i = 0; i < count; i++) {
        square += r->want[tensor][i] * r->want[tensor][i];
    }
    const double scale = sqrt(square / (double)count);
    for (int64_t i = 0; i < count; i++) {
        const double want = r->want[tensor][i];
        const double found = get(r, tensor, i);
        if (!(fabs(found - want) <= unit * (scale + fabs(want)))) {
            fail_msg("%s, n %d heads %d tq %d tk %d d %d: tensor %d element %lld is %.9g, expected %.9g", kernel,
                     (int)r->c.n, (int)r->c.heads, (int)r->c.tq, (int)r->c.tk, (int)r->c.d, tensor, (long long)i, found,
                     want);
        }
    }
}

static void check_case(const attention_case *c, const lyc_kernel *const *kernels)
{
    attention_run r;
    run_open(&r, c);
    run_both(&r, kernels);
    for (int64_t i = 0; i < c->n * c->heads * c->tq; i++) {
        reference_row(&r, i / c->tq / c->heads, i / c->tq % c->heads, i % c->tq);
    }
    const bool pairs = kernels[0] == &lyc_kernel_attention_plain16 || strncmp(kernels[0]->name, "avx512bf16", 10) == 0;
    const double unit = c->dtype == LYC_F32 ? 1e-5 : pairs ? 1.0 / 64 : 1.0 / 256;
    compare(&r, LSE, 1e-6, kernels[0]->name);
    compare(&r, Y, unit, kernels[0]->name);
    for (int t = D_Q; t <= D_V; t++) {
        compare(&r, t, unit, kernels[1]->name);
    }
    run_close(&r);
}

static const lyc_kernel *kernel_of(const lyc_kernel_set *set, const lyc_op *op)
{
    for (int i = 0; set->kernels[i] != NULL; i++) {
        if (set->kernels[i]->op == op) {
            return set->kernels[i];
        }
    }
    return NULL;
}

static const lyc_kernel *const pairs_kernels[] = {&lyc_kernel_attention_plain16,
                                                  &lyc_kernel_attention_backward_plain16};

/* Calls visit with the forward and the backward kernel of each instruction set, and of the layout in pairs. */
static void for_each_set(void (*visit)(const lyc_kernel *const *kernels))
{
    for (int isa = 0; isa <= (int)lyc_cpu_isa(); isa++) {
        const lyc_kernel_set *set = lyc_kernels_of_isa((lyc_isa)isa);
        if (set != NULL) {
            const lyc_kernel *kernels[] = {kernel_of(set, &lyc_op_attention),
                                           kernel_of(set, &lyc_op_attention_backward)};
            assert_non_null(kernels[0]);
            assert_non_null(kernels[1]);
            visit(kernels);
        }
    }
    visit(pairs_kernels);
}

static void visit_values(const lyc_kernel *const *kernels)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(&cases[i], kernels);
    }
}

static void test_values(void **state)
{
    (void)state;
    for_each_set(visit_values);
}

static void visit_threads(const lyc_kernel *const *kernels)
{
    static const attention_case threaded[] = {{1, 3, 200, 200, 40, true, 0, LYC_F32},
                                              {2, 1, 150, 1000, 24, false, 0, LYC_BF16}};
    static const int counts[] = {1, 2, 3, 8};
    for (size_t i = 0; i < sizeof threaded / sizeof *threaded; i++) {
        attention_run first, other;
        run_open(&first, &threaded[i]);
        run_open(&other, &threaded[i]);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            lyc_thread_set_count(counts[k]);
            run_both(k == 0 ? &first : &other, kernels);
            for (int t = 0; k > 0 && t < TENSORS; t++) {
                assert_memory_equal(first.data[t], other.data[t], bytes_of(&first, t));
            }
        }
        run_close(&first);
        run_close(&other);
    }
}

static void test_threads(void **state)
{
    (void)state;
    const int before = lyc_thread_count();
    for_each_set(visit_threads);
    lyc_thread_set_count(before);
}

/* A NaN in one query spoils that query alone, one in a key every query that sees it; nothing becomes a number. */
static void visit_nan(const lyc_kernel *const *kernels)
{
    const attention_case c = {1, 1, 50, 50, 9, true, 0, LYC_F32};
    attention_run r;
    run_open(&r, &c);
    ((float *)r.data[Q])[7 * c.d + 2] = NAN;
    memset((float *)r.data[K] + 30 * c.d + 3, 0xff, sizeof(float)); /* a NaN whose bits are all ones */
    run_both(&r, kernels);
    for (int64_t i = 0; i < c.tq; i++) {
        const bool spoilt = i == 7 || i >= 30;
        assert_int_equal(isnan(get(&r, LSE, i)), spoilt);
        assert_int_equal(isnan(get(&r, Y, i * c.d)), spoilt);
        assert_int_equal(isnan(get(&r, D_Q, i * c.d)), spoilt);
        assert_true(isnan(get(&r, D_K, i * c.d)) || i > 7);
    }
    run_close(&r);
}

static void test_nan(void **state)
{
    (void)state;
    for_each_set(visit_nan);
}

/* Scores of +-2000 leave one key of weight 1: no overflow, no 0/0. An infinite score gives NaN as in torch. */
static void visit_extremes(const lyc_kernel *const *kernels)
{
    const attention_case c = {1, 1, 20, 40, 4, false, 1.0f, LYC_F32};
    attention_run r;
    run_open(&r, &c);
    float *q = r.data[Q];
    float *k = r.data[K];
    for (int64_t i = 0; i < c.tq * c.d; i++) {
        q[i] = i % c.d == 0 ? 1.0f : 0.0f;
    }
    for (int64_t j = 0; j < c.tk; j++) {
        k[j * c.d] = j == 17 ? 2000.0f : -2000.0f;
    }
    q[3 * c.d] = INFINITY;
    run_both(&r, kernels);
    for (int64_t i = 0; i < c.tq; i++) {
        if (i == 3) {
            assert_true(isnan(get(&r, Y, i * c.d)));
            continue;
        }
        assert_true(fabs(get(&r, LSE, i) - 2000.0) < 4e-4);
        for (int64_t e = 0; e < c.d; e++) {
            assert_true(fabs(get(&r, Y, i * c.d + e) - get(&r, V, 17 * c.d + e)) < 1e-6);
            assert_true(fabs(get(&r, D_Q, i * c.d + e)) < 1e-2);
        }
    }
    run_close(&r);
}

static void test_extremes(void **state)
{
    (void)state;
    for_each_set(visit_extremes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
