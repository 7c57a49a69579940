/* test_statistics.c - ranges and counts of numbers of every type, at the borders of pieces and blocks
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread.h"
#include "tensor/dtype.h"

static lyc_tensor_statistics compute(const void *data, lyc_dtype dtype, size_t n)
{
    lyc_progress progress;
    lyc_tensor_statistics statistics;
    lyc_progress_init(&progress, "", "B", 0, NULL, NULL);
    assert_int_equal(lyc_statistics_compute(&statistics, data, dtype, n, &progress, NULL, NULL), LYC_OK);
    assert_int_equal(progress.count, n * (size_t)lyc_dtype_bits(dtype) / 8);
    return statistics;
}

/* The definition, one value after the other. */
static lyc_tensor_statistics plain(const char *data, lyc_dtype dtype, size_t n)
{
    lyc_tensor_statistics s = {.count = n, .min = (double)INFINITY, .max = -(double)INFINITY};
    const size_t size = (size_t)lyc_dtype_bits(dtype) / 8;
    double sum = 0;
    uint64_t finite = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = lyc_dtype_load(dtype, data + i * size);
        if (isfinite(x)) {
            finite++;
            sum += fabs(x);
            s.max_abs = fmax(s.max_abs, fabs(x));
            s.min = fmin(s.min, x);
            s.max = fmax(s.max, x);
        } else if (isnan(x)) {
            s.nan_count++;
        } else {
            s.infinity_count++;
        }
    }
    s.mean_abs = sum / (double)finite;
    return s;
}

static void assert_same(const lyc_tensor_statistics *a, const lyc_tensor_statistics *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->nan_count, b->nan_count);
    assert_int_equal(a->infinity_count, b->infinity_count);
    assert_true(a->max_abs == b->max_abs);
    assert_true(a->min == b->min);
    assert_true(a->max == b->max);
    /* The bound of a sum of n numbers one after the other. */
    assert_true(a->mean_abs == b->mean_abs || /* infinite: the sum of f64 values is beyond f64 */
                fabs(a->mean_abs - b->mean_abs) <= (double)a->count * 0x1p-53 * b->mean_abs);
}

static void agrees_with_the_definition(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 7, 8, 9, 1023, 1024, 1025, 65535, 65536, 65537, 200000};
    const size_t bytes = 200000 * 8 + 1;
    unsigned char *data = lyc_alloc(bytes);
    uint32_t random = 1;
    for (size_t i = 0; i < bytes; i++) {
        random = random * 1664525 + 1013904223;
        data[i] = (unsigned char)(random >> 24);
    }
    for (lyc_dtype type = 0; type < LYC_DTYPE_COUNT; type++) {
        for (size_t i = 0; lyc_dtype_computable(type) && i < sizeof counts / sizeof counts[0]; i++) {
            const char *odd = (const char *)data + 1; /* no alignment */
            const lyc_tensor_statistics got = compute(odd, type, counts[i]);
            const lyc_tensor_statistics want = plain(odd, type, counts[i]);
            if (got.count > got.nan_count + got.infinity_count) {
                assert_same(&got, &want);
            }
        }
    }
    lyc_free(data);
}

static void counts_what_is_no_number(void **state)
{
    (void)state;
    const float values[] = {NAN, -INFINITY, INFINITY, INFINITY, -3, 1, 0, -0.0f};
    const lyc_tensor_statistics s = compute(values, LYC_F32, 8);
    assert_int_equal(s.nan_count, 1);
    assert_int_equal(s.infinity_count, 3);
    assert_true(s.mean_abs == 1 && s.max_abs == 3 && s.min == -3 && s.max == 1);
    const lyc_tensor_statistics none = compute(values, LYC_F32, 4);
    assert_int_equal(none.nan_count, 1);
    assert_int_equal(none.infinity_count, 3);
    assert_true(isnan(none.mean_abs) && isnan(none.max_abs) && isnan(none.min) && isnan(none.max));
    const lyc_tensor_statistics empty = compute(values, LYC_F32, 0);
    assert_int_equal(empty.count, 0);
    assert_true(isnan(empty.mean_abs));
}

static void does_not_overflow(void **state)
{
    (void)state;
    float values[100];
    for (int i = 0; i < 100; i++) {
        values[i] = -3e38f;
    }
    const lyc_tensor_statistics s = compute(values, LYC_F32, 100);
    assert_true(s.mean_abs == (double)3e38f && s.max_abs == (double)3e38f && s.infinity_count == 0);
}

static void gives_the_same_bits_with_any_threads(void **state)
{
    (void)state;
    enum { N = 3000000 };
    float *values = lyc_alloc(N * sizeof *values);
    for (int i = 0; i < N; i++) {
        values[i] = sinf((float)i) * 1e-3f;
    }
    lyc_tensor_statistics first = {0};
    const int before = lyc_thread_count();
    for (int threads = 1; threads <= 4; threads++) {
        lyc_thread_set_count(threads);
        const lyc_tensor_statistics s = compute(values, LYC_F32, N);
        if (threads == 1) {
            first = s;
        }
        assert_memory_equal(&s, &first, sizeof s);
    }
    lyc_thread_set_count(before);
    lyc_free(values);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void stops_and_refuses(void **state)
{
    (void)state;
    lyc_progress progress;
    lyc_tensor_statistics s;
    lyc_error err = {0};
    const float value = 1;
    const lyc_task task = {.cancelled = always};
    lyc_progress_init(&progress, "", "B", 0, NULL, NULL);
    assert_int_equal(lyc_statistics_compute(&s, &value, LYC_F32, 1, &progress, &task, &err), LYC_E_CANCELLED);
    assert_string_equal(err.message, "stopped on request");
    assert_int_equal(lyc_statistics_compute(&s, &value, LYC_C64, 1, &progress, NULL, &err), LYC_E_UNSUPPORTED);
    assert_string_equal(err.message, "C64 can only be copied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_definition), cmocka_unit_test(counts_what_is_no_number),
        cmocka_unit_test(does_not_overflow),          cmocka_unit_test(gives_the_same_bits_with_any_threads),
        cmocka_unit_test(stops_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
