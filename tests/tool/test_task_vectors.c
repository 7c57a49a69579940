/* test_task_vectors.c - TIES and DARE by hand
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tool/quantile.h"
#include "tool/task_vectors.h"

static void assert_numbers(const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(got[i] - want[i]) < 1e-6F)) {
            fail_msg("number %zu is %g, expected %g", i, (double)got[i], (double)want[i]);
        }
    }
}

static void test_trim_keeps_the_largest(void **state)
{
    float scratch[6];
    (void)state;
    float x[] = {1, -5, 0.5F, 3, -2, 4};
    lyc_task_vector_trim(x, scratch, 6, 0.5);
    assert_numbers(x, (float[]){0, -5, 0, 3, 0, 4}, 6);

    float equal[] = {2, -2, 2, 2, 1, 2}; /* exactly as many as asked for, the first */
    lyc_task_vector_trim(equal, scratch, 6, 0.5);
    assert_numbers(equal, (float[]){2, -2, 2, 0, 0, 0}, 6);

    float all[] = {1, 2, 3};
    lyc_task_vector_trim(all, scratch, 3, 1.0);
    assert_numbers(all, (float[]){1, 2, 3}, 3);
    lyc_task_vector_trim(all, scratch, 3, 0.3); /* less than one of them */
    assert_numbers(all, (float[]){0, 0, 0}, 3);
}

static void test_elect_takes_the_mean_of_what_agrees(void **state)
{
    float a[] = {1, 2, -3, 0, 1, 0};
    float b[] = {3, -1, 1, 0, -1, 4};
    float c[] = {2, -0.5F, -1, 0, 0, 0};
    float *const x[] = {a, b, c};
    float out[6];
    (void)state;
    lyc_task_vectors_elect(out, x, 3, 6);
    /* 6 > 0: mean of all; 0.5 > 0: 2 alone; -3: -3 and -1; nothing; 0 counts as plus; one alone */
    assert_numbers(out, (float[]){2, 2, -2, 0, 1, 4}, 6);
}

static void test_drop_keeps_the_expected_sum(void **state)
{
    enum { N = 100000 };
    const lyc_native_random random = {.seed = 5, .purpose = LYC_RANDOM_DROPOUT};
    const lyc_native_random other = {.seed = 6, .purpose = LYC_RANDOM_DROPOUT};
    float *x = calloc(N, sizeof *x), *again = calloc(N, sizeof *again), *third = calloc(N, sizeof *third);
    size_t kept = 0, same = 0, common = 0;
    (void)state;
    assert_true(x != NULL && again != NULL && third != NULL);
    for (int i = 0; i < N; i++) {
        x[i] = again[i] = third[i] = 1.0F;
    }
    lyc_task_vector_drop(x, N, 0.25, &random);
    lyc_task_vector_drop(again, N, 0.25, &random);
    lyc_task_vector_drop(third, N, 0.25, &other);
    for (int i = 0; i < N; i++) {
        assert_true(x[i] == 0.0F || x[i] == 4.0F);
        kept += x[i] > 0.0F;
        same += x[i] == again[i];
        common += x[i] > 0.0F && third[i] > 0.0F;
    }
    assert_true(kept > 24000 && kept < 26000); /* seven standard deviations of 137 */
    assert_int_equal(same, N);
    assert_true(common > 5500 && common < 7000); /* a sixteenth */
    free(x);
    free(again);
    free(third);
}

static void test_quantile_lies_between_its_neighbours(void **state)
{
    (void)state;
    float x[] = {4, -1, 2, 3, 0};
    assert_true(fabsf(lyc_quantile(x, 5, 0.5) - 2.0F) < 1e-6F);
    assert_true(fabsf(lyc_quantile(x, 5, 0.9) - 3.6F) < 1e-6F);
    assert_true(fabsf(lyc_quantile(x, 5, 0.0) + 1.0F) < 1e-6F);
    assert_true(fabsf(lyc_quantile(x, 5, 1.0) - 4.0F) < 1e-6F);
    assert_true(fabsf(lyc_select_smallest(x, 5, 1)) < 1e-6F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trim_keeps_the_largest),
        cmocka_unit_test(test_elect_takes_the_mean_of_what_agrees),
        cmocka_unit_test(test_drop_keeps_the_expected_sum),
        cmocka_unit_test(test_quantile_lies_between_its_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
