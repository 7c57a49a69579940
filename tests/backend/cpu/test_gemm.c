/* test_gemm.c - the product engine against three loops in double
 *
 * Every case runs with each instruction set that this processor has, and with vectors of 16 lanes in plain C, which
 * stand for AVX-512 and its products of bf16 pairs. A sum may be off by what rounding can do to it: a few units of
 * 2^-24 of the sum of magnitudes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/gemm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/gemm_tables.h"
#include "backend/cpu/reference/activate.h"
#include "base/memory.h"
#include "base/thread.h"
#include "graph/ops/matmul.h"
#include "tensor/dtype.h"

typedef struct product_case {
    int64_t batch, m, n, k;
    bool a_by_k, b_by_k; /* stored [k,m] rather than [m,k]; [k,n] rather than [n,k] */
    lyc_dtype a, b, c;
    int activation;
    bool bias, residual, packed;
    float alpha;
} product_case;

typedef struct product_data {
    void *a, *b, *bias, *residual, *c, *packed, *workspace;
    size_t c_bytes;
} product_data;

static product_data make_data(const product_case *p)
{
    product_data d = {
        .a = new_elements(p->a, p->batch * p->m * p->k, 1),
        .b = new_elements(p->b, p->batch * p->n * p->k, 2),
        .bias = p->bias ? new_elements(LYC_F32, p->n, 3) : NULL,
        .residual = p->residual ? new_elements(p->c, p->batch * p->m * p->n, 4) : NULL,
        .c = new_elements(p->c, p->batch * p->m * p->n, 5),
        .c_bytes = (size_t)(p->batch * p->m * p->n * (lyc_dtype_bits(p->c) / 8)),
    };
    return d;
}

static void free_data(product_data *d)
{
    void *all[] = {d->a, d->b, d->bias, d->residual, d->c, d->packed, d->workspace};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        lyc_free(all[i]);
    }
}

/* Runs the case with the given form; the caller frees what is added to d. */
static void run_case(product_data *d, const product_case *p, const lyc_gemm_isa *isa, lyc_gemm_form form)
{
    const lyc_gemm_matrix a = lyc_gemm_matrix_source(d->a, p->a, p->a_by_k, p->a_by_k ? p->m : p->k, p->m * p->k);
    const lyc_gemm_matrix b = lyc_gemm_matrix_source(d->b, p->b, p->b_by_k, p->b_by_k ? p->n : p->k, p->n * p->k);
    const lyc_gemm_finish finish = {
        .alpha = p->alpha,
        .activation = p->activation,
        .bias = d->bias,
        .bias_dtype = LYC_F32,
        .residual = d->residual,
        .residual_dtype = p->c,
        .out = d->c,
        .out_dtype = p->c,
    };
    const lyc_gemm_matrix_output c = lyc_gemm_matrix_target(&finish, p->n, p->m * p->n);
    lyc_gemm g = {.isa = isa, .form = form, .batch = p->batch, .m = p->m, .n = p->n, .k = p->k};
    g.a = &a.source;
    g.b = &b.source;
    g.c = &c.output;
    if (p->packed) {
        const size_t bytes = lyc_gemm_packed_bytes(isa, lyc_gemm_panel_dtype(form), p->n, p->k);
        d->packed = lyc_alloc((size_t)p->batch * bytes);
        assert_non_null(d->packed);
        for (int64_t i = 0; i < p->batch; i++) {
            const lyc_gemm_weights w = {.base = d->b,
                                        .dtype = p->b,
                                        .first = i * p->n * p->k,
                                        .columns = p->n,
                                        .channels = p->k,
                                        .column_step = p->b_by_k ? 1 : p->k,
                                        .channel_step = p->b_by_k ? p->n : 1,
                                        .taps = 1};
            assert_int_equal(
                lyc_gemm_pack_weights((char *)d->packed + (size_t)i * bytes, isa, lyc_gemm_panel_dtype(form), &w, NULL),
                LYC_OK);
        }
        g.prepacked = true;
        g.packed = d->packed;
    }
    d->workspace = lyc_alloc(lyc_gemm_workspace(&g, lyc_thread_count()));
    assert_non_null(d->workspace);
    lyc_gemm_run(&g, d->workspace);
}

static void describe(char *text, size_t size, const product_case *p, const lyc_gemm_isa *isa, lyc_gemm_form form)
{
    snprintf(text, size, "%s form %d batch %d %dx%dx%d %s%s %s.%s.%s act %d%s%s%s alpha %g", isa->name, (int)form,
             (int)p->batch, (int)p->m, (int)p->n, (int)p->k, p->a_by_k ? "t" : "n", p->b_by_k ? "n" : "t",
             lyc_dtype_name(p->a), lyc_dtype_name(p->b), lyc_dtype_name(p->c), p->activation, p->bias ? " bias" : "",
             p->residual ? " residual" : "", p->packed ? " packed" : "", (double)p->alpha);
}

static void check_element(const product_case *p, const product_data *d, const lyc_gemm_isa *isa, lyc_gemm_form form,
                          int64_t s, int64_t i, int64_t j)
{
    double sum = 0.0;
    double magnitude = 0.0;
    for (int64_t k = 0; k < p->k; k++) {
        const double x =
            rounded(element(d->a, p->a, s * p->m * p->k + (p->a_by_k ? k * p->m + i : i * p->k + k)), form);
        const double y =
            rounded(element(d->b, p->b, s * p->n * p->k + (p->b_by_k ? k * p->n + j : j * p->k + k)), form);
        sum += x * y;
        magnitude += fabs(x * y);
    }
    const int64_t at = (s * p->m + i) * p->n + j;
    const double before = (double)p->alpha * sum + element(d->bias, LYC_F32, j);
    const double residual = element(d->residual, p->c, at);
    const double expected = lyc_reference_activate(p->activation, before) + residual;
    const double found = element(d->c, p->c, at);
    double bound = 1e-6 * (fabs((double)p->alpha) * magnitude + fabs(before) + fabs(residual)) + 1e-7;
    if (p->c == LYC_BF16) {
        bound += fabs(expected) / 256.0;
    }
    if (!(fabs(found - expected) <= bound)) {
        char text[256];
        describe(text, sizeof text, p, isa, form);
        fail_msg("%s: element %d,%d,%d is %.9g, expected %.9g (bound %.3g)", text, (int)s, (int)i, (int)j, found,
                 expected, bound);
    }
}

static void check_case(const product_case *p, const lyc_gemm_isa *isa, lyc_gemm_form form)
{
    product_data d = make_data(p);
    run_case(&d, p, isa, form);
    for (int64_t s = 0; s < p->batch; s++) {
        for (int64_t i = 0; i < p->m; i++) {
            for (int64_t j = 0; j < p->n; j++) {
                check_element(p, &d, isa, form, s, i, j);
            }
        }
    }
    free_data(&d);
}

/* Forms that make sense for the types of a case. */
static void check_forms(const product_case *p)
{
    for (const lyc_gemm_isa *const *isa = tables(); *isa != NULL; isa++) {
        check_case(p, *isa, LYC_GEMM_F32);
        if (p->b == LYC_BF16) {
            check_case(p, *isa, LYC_GEMM_WIDEN);
        }
        check_case(p, *isa, LYC_GEMM_DOT);
    }
}

/* All sizes around the edges of tiles, panels and vectors. */
static void test_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 5, 7, 8, 13, 16, 17, 31, 33};
    static const int64_t depths[] = {1, 2, 3, 16, 35};
    enum { SIZES = sizeof sizes / sizeof sizes[0], DEPTHS = sizeof depths / sizeof depths[0] };
    for (int i = 0; i < SIZES * SIZES * DEPTHS; i++) {
        const product_case p = {.batch = 1,
                                .m = sizes[i % SIZES],
                                .n = sizes[i / SIZES % SIZES],
                                .k = depths[i / SIZES / SIZES],
                                .a_by_k = i % 2 != 0,
                                .b_by_k = i % 3 != 0,
                                .a = LYC_F32,
                                .b = LYC_F32,
                                .c = LYC_F32,
                                .packed = i % 5 == 0,
                                .alpha = 1.0f};
        check_forms(&p);
    }
}

/* All transposes, types and ways of packing on sizes of several blocks, stretches and panels. */
static void test_types(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        const product_case p = {.batch = 1 + i % 3,
                                .m = 37,
                                .n = 45,
                                .k = 51,
                                .a_by_k = (i & 1) != 0,
                                .b_by_k = (i & 2) != 0,
                                .a = (i & 4) != 0 ? LYC_BF16 : LYC_F32,
                                .b = (i & 8) != 0 ? LYC_BF16 : LYC_F32,
                                .c = (i & 16) != 0 ? LYC_BF16 : LYC_F32,
                                .packed = (i & 32) != 0,
                                .alpha = 1.0f};
        check_forms(&p);
    }
}

static void test_finish(void **state)
{
    (void)state;
    for (int activation = LYC_ACTIVATION_NONE; activation <= LYC_ACTIVATION_RELU; activation++) {
        for (int i = 0; i < 8; i++) {
            const product_case p = {.batch = 1,
                                    .m = 9,
                                    .n = 21,
                                    .k = 19,
                                    .a = LYC_F32,
                                    .b = LYC_F32,
                                    .c = (i & 4) != 0 ? LYC_BF16 : LYC_F32,
                                    .activation = activation,
                                    .bias = (i & 1) != 0,
                                    .residual = (i & 2) != 0,
                                    .alpha = i == 0 ? 1.0f : -2.5f};
            check_forms(&p);
        }
    }
}

/* More than one stretch of k, odd rests, more than one block each way. */
static void test_long(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{7, 9, 641},  {3, 40, 1283}, {131, 5, 330},
                                        {16, 700, 3}, {260, 36, 20}, {1, 1, 2000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int j = 0; j < 8; j++) {
            const product_case p = {.batch = 1,
                                    .m = shapes[i][0],
                                    .n = shapes[i][1],
                                    .k = shapes[i][2],
                                    .a_by_k = (j & 1) != 0,
                                    .b_by_k = (j & 2) != 0,
                                    .a = LYC_F32,
                                    .b = LYC_BF16,
                                    .c = LYC_F32,
                                    .packed = (j & 4) != 0,
                                    .alpha = 1.0f};
            check_forms(&p);
        }
    }
}

/* A sum of nothing leaves bias and residual. */
static void test_empty_sum(void **state)
{
    (void)state;
    const product_case p = {.batch = 1,
                            .m = 5,
                            .n = 19,
                            .k = 0,
                            .a = LYC_F32,
                            .b = LYC_F32,
                            .c = LYC_F32,
                            .bias = true,
                            .residual = true,
                            .alpha = 1.0f};
    check_forms(&p);
}

/* The same bits with any number of threads. */
static void test_threads(void **state)
{
    (void)state;
    const int before = lyc_thread_count();
    for (int packed = 0; packed < 2; packed++) {
        const product_case p = {.batch = 2,
                                .m = 300,
                                .n = 330,
                                .k = 400,
                                .a = LYC_F32,
                                .b = LYC_F32,
                                .c = LYC_F32,
                                .b_by_k = true,
                                .packed = packed != 0,
                                .alpha = 1.0f};
        for (const lyc_gemm_isa *const *isa = tables() + 1; *isa != NULL; isa++) {
            lyc_thread_set_count(1);
            product_data one = make_data(&p);
            run_case(&one, &p, *isa, LYC_GEMM_F32);
            for (int threads = 2; threads <= 8; threads += threads == 3 ? 5 : 1) {
                lyc_thread_set_count(threads);
                product_data many = make_data(&p);
                run_case(&many, &p, *isa, LYC_GEMM_F32);
                assert_memory_equal(one.c, many.c, one.c_bytes);
                free_data(&many);
            }
            free_data(&one);
        }
    }
    lyc_thread_set_count(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_types),     cmocka_unit_test(test_finish),
        cmocka_unit_test(test_long),  cmocka_unit_test(test_empty_sum), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
