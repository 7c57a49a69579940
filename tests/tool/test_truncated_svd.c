/* test_truncated_svd.c - truncated singular values are as good as all of them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapter/svd.h"
#include "tensor/random.h"
#include "tool/truncated_svd.h"

static float *random_matrix(int64_t n, uint64_t seed)
{
    float *a = calloc((size_t)n, sizeof *a);
    const lyc_native_random random = {.seed = seed, .purpose = LYC_RANDOM_NOISE};
    assert_non_null(a);
    lyc_native_random_normals(&random, a, 0, (size_t)n);
    return a;
}

static void multiply(float *out, const float *a, const float *b, int64_t m, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (int64_t q = 0; q < k; q++) {
                sum += (double)a[i * k + q] * (double)b[q * n + j];
            }
            out[i * n + j] = (float)sum;
        }
    }
}

/* ||a - u s v||^2 */
static double squared_error(const lyc_truncated_svd *svd, const float *a)
{
    double sum = 0.0;
    for (int64_t i = 0; i < svd->rows; i++) {
        for (int64_t j = 0; j < svd->columns; j++) {
            double value = (double)a[i * svd->columns + j];
            for (int64_t k = 0; k < svd->rank; k++) {
                value -= (double)svd->u[i * svd->rank + k] * (double)svd->s[k] * (double)svd->v[k * svd->columns + j];
            }
            sum += value * value;
        }
    }
    return sum;
}

/* Spectra: noise (the hardest: all values alike), a power law, low rank with a little noise, exactly low rank. */
typedef enum spectrum { NOISE, POWER, LOW, EXACT } spectrum;

static float *matrix_of(spectrum kind, int64_t rows, int64_t columns)
{
    enum { RANK = 12 };
    float *a = random_matrix(rows * columns, 1);
    if (kind == POWER) {
        float *b = random_matrix(columns * columns, 2);
        float *c = calloc((size_t)(rows * columns), sizeof *c);
        assert_non_null(c);
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < columns; j++) {
                a[i * columns + j] /= (float)(1 + j);
            }
        }
        multiply(c, a, b, rows, columns, columns);
        free(a);
        free(b);
        return c;
    }
    if (kind != NOISE) {
        float *up = random_matrix(rows * RANK, 3), *down = random_matrix(RANK * columns, 4);
        float *c = calloc((size_t)(rows * columns), sizeof *c);
        assert_non_null(c);
        multiply(c, up, down, rows, RANK, columns);
        for (int64_t i = 0; kind == LOW && i < rows * columns; i++) {
            c[i] += 0.01F * a[i];
        }
        free(a);
        free(up);
        free(down);
        return c;
    }
    return a;
}

static void check(spectrum kind, int64_t rows, int64_t columns, int64_t rank)
{
    lyc_error err;
    lyc_svd all;
    lyc_truncated_svd svd;
    float *a = matrix_of(kind, rows, columns);
    assert_int_equal(lyc_svd_compute(&all, a, rows, columns, &err), LYC_OK);
    assert_int_equal(lyc_truncated_svd_compute(&svd, a, rows, columns, rank, &err), LYC_OK);
    double best = 0.0, total = 0.0;
    for (int64_t i = 0; i < all.n; i++) {
        best += i >= svd.rank ? (double)all.s[i] * (double)all.s[i] : 0.0;
        total += (double)all.s[i] * (double)all.s[i];
    }
    const double error = squared_error(&svd, a);
    if (sqrt(error) > 1.001 * sqrt(best) + 1e-5 * sqrt(total)) {
        fail_msg("spectrum %d, %dx%d rank %d: error %g, best %g", kind, (int)rows, (int)columns, (int)rank, sqrt(error),
                 sqrt(best));
    }
    assert_true(fabs(svd.squared_norm - total) <= 1e-5 * total);
    assert_true(fabs(lyc_truncated_svd_energy(&svd, rank) - (1.0 - best / total)) < 1e-3);
    double *values = calloc((size_t)all.n, sizeof *values);
    assert_non_null(values);
    assert_int_equal(lyc_singular_values(values, a, rows, columns, &err), LYC_OK);
    for (int64_t i = 0; i < all.n; i++) {
        assert_true(fabs(values[i] - (double)all.s[i]) <= 2e-6 * values[0]);
    }
    free(values);
    lyc_truncated_svd_clear(&svd);
    lyc_svd_clear(&all);
    free(a);
}

static void test_leading_ranks_are_as_good_as_the_best(void **state)
{
    (void)state;
    for (spectrum kind = NOISE; kind <= EXACT; kind++) {
        check(kind, 160, 320, 16);
        check(kind, 320, 128, 8);
        check(kind, 200, 200, 12);
        check(kind, 40, 90, 6);
        check(kind, 200, 210, 150);
        check(kind, 7, 300, 20);
        check(kind, 1, 5, 1);
    }
}

static void test_product_has_the_singular_values_of_what_it_is(void **state)
{
    static const int64_t sizes[][3] = {{40, 6, 50}, {5, 8, 30}, {30, 8, 5}, {4, 9, 3}, {1, 1, 1}, {64, 64, 64}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        lyc_error err;
        lyc_svd all;
        lyc_truncated_svd svd;
        const int64_t m = sizes[i][0], r = sizes[i][1], n = sizes[i][2];
        float *up = random_matrix(m * r, 5), *down = random_matrix(r * n, 6);
        float *whole = calloc((size_t)(m * n), sizeof *whole);
        assert_non_null(whole);
        multiply(whole, up, down, m, r, n);
        assert_int_equal(lyc_truncated_svd_product(&svd, up, down, m, r, n, &err), LYC_OK);
        assert_int_equal(lyc_svd_compute(&all, whole, m, n, &err), LYC_OK);
        for (int64_t k = 0; k < svd.rank; k++) {
            assert_true(fabs((double)svd.s[k] - (double)all.s[k]) <= 1e-5 * (double)all.s[0]);
        }
        assert_true(squared_error(&svd, whole) <= 1e-10 * svd.squared_norm);
        lyc_truncated_svd_clear(&svd);
        lyc_svd_clear(&all);
        free(up);
        free(down);
        free(whole);
    }
}

static void test_zeros_have_no_vectors_and_no_error(void **state)
{
    lyc_error err;
    lyc_truncated_svd svd;
    float *a = calloc(200 * 200, sizeof *a);
    (void)state;
    assert_non_null(a);
    assert_int_equal(lyc_truncated_svd_compute(&svd, a, 200, 200, 4, &err), LYC_OK);
    assert_float_equal(svd.s[0], 0.0, 0.0);
    assert_float_equal(lyc_truncated_svd_energy(&svd, 1), 1.0, 0.0);
    lyc_truncated_svd_clear(&svd);
    free(a);
}

static void test_numbers_that_are_not_finite_are_refused(void **state)
{
    lyc_error err;
    lyc_truncated_svd svd;
    double s[2];
    const float a[4] = {1.0F, NAN, 2.0F, 3.0F};
    (void)state;
    assert_int_equal(lyc_truncated_svd_compute(&svd, a, 2, 2, 1, &err), LYC_E_NUMERIC);
    assert_string_equal(err.message, "a matrix has numbers that are not finite");
    assert_int_equal(lyc_truncated_svd_product(&svd, a, a, 2, 2, 2, &err), LYC_E_NUMERIC);
    assert_int_equal(lyc_singular_values(s, a, 2, 2, &err), LYC_E_NUMERIC);
}

static void test_huge_and_tiny_numbers_do_not_overflow(void **state)
{
    static const float scales[] = {1e15F, 1e-15F};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lyc_error err;
        lyc_truncated_svd svd;
        float *a = random_matrix((int64_t)200 * 240, 7);
        for (size_t k = 0; k < (size_t)200 * 240; k++) {
            a[k] *= scales[i];
        }
        assert_int_equal(lyc_truncated_svd_compute(&svd, a, 200, 240, 4, &err), LYC_OK);
        assert_true(isfinite(svd.s[0]) && svd.s[0] > 20.0F * scales[i] && svd.s[0] < 40.0F * scales[i]);
        lyc_truncated_svd_clear(&svd);
        free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leading_ranks_are_as_good_as_the_best),
        cmocka_unit_test(test_product_has_the_singular_values_of_what_it_is),
        cmocka_unit_test(test_zeros_have_no_vectors_and_no_error),
        cmocka_unit_test(test_numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(test_huge_and_tiny_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
