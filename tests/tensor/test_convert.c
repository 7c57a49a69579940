/* test_convert.c - the vectorised conversions against the definition, one number at a time
 *
 * Every pattern of the 8-bit and 16-bit types, and of f32 every pattern near a rounding border and a spread of the
 * rest, on every instruction set that this processor has. The definition itself is compared with torch by the
 * conformance cases of number_types.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/convert/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"

static bool same(lyc_dtype dtype, const void *a, const void *b)
{
    const size_t size = (size_t)lyc_dtype_bits(dtype) / 8;
    if (memcmp(a, b, size) == 0) {
        return true;
    }
    return isnan(lyc_dtype_load(dtype, a)) && isnan(lyc_dtype_load(dtype, b)); /* any NaN equals any NaN */
}

static void compare_run(lyc_convert_run run, lyc_dtype dst, lyc_dtype src, const void *data, size_t n)
{
    const size_t src_size = (size_t)lyc_dtype_bits(src) / 8;
    const size_t dst_size = (size_t)lyc_dtype_bits(dst) / 8;
    char *got = malloc(n * dst_size);
    run(got, data, n);
    for (size_t i = 0; i < n; i++) {
        char want[8];
        lyc_dtype_store(dst, want, lyc_dtype_load(src, (const char *)data + i * src_size));
        if (!same(dst, got + i * dst_size, want)) {
            fail_msg("%s to %s: element %zu, %.17g became %.17g, expected %.17g", lyc_dtype_name(src),
                     lyc_dtype_name(dst), i, lyc_dtype_load(src, (const char *)data + i * src_size),
                     lyc_dtype_load(dst, got + i * dst_size), lyc_dtype_load(dst, want));
        }
    }
    free(got);
}

/* f32 patterns around every border of every narrow format: all combinations of the upper 16 bits with lower bits at and
 * next to the half-way points. */
static float *border_numbers(size_t *n)
{
    static const uint32_t lower[] = {0, 1, 0x0FFF, 0x1000, 0x1001, 0x2000, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    const size_t count = sizeof lower / sizeof *lower;
    uint32_t *bits = malloc(65536 * count * sizeof *bits);
    for (uint32_t upper = 0; upper < 65536; upper++) {
        for (size_t k = 0; k < count; k++) {
            bits[upper * count + k] = upper << 16 | lower[k];
        }
    }
    *n = 65536 * count;
    return (float *)(void *)bits;
}

static void check_table(const lyc_convert_table *t)
{
    uint16_t patterns[65536];
    uint8_t bytes[256];
    for (int i = 0; i < 65536; i++) {
        patterns[i] = (uint16_t)i;
        bytes[i & 255] = (uint8_t)i;
    }
    size_t n;
    float *numbers = border_numbers(&n);
    for (int d = 0; d < LYC_DTYPE_COUNT; d++) {
        if (t->narrow[d] != NULL) {
            compare_run(t->narrow[d], (lyc_dtype)d, LYC_F32, numbers, n);
        }
        if (t->widen[d] != NULL && lyc_dtype_bits((lyc_dtype)d) == 16) {
            compare_run(t->widen[d], LYC_F32, (lyc_dtype)d, patterns, 65536);
        }
        if (t->widen[d] != NULL && lyc_dtype_bits((lyc_dtype)d) == 8) {
            compare_run(t->widen[d], LYC_F32, (lyc_dtype)d, bytes, 256);
        }
    }
    compare_run(t->f32_to_f64, LYC_F64, LYC_F32, numbers, n);
    free(numbers);
}

static void test_tables(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)lyc_cpu_isa(); isa++) {
        if (lyc_convert_table_isa((lyc_isa)isa) != NULL) {
            check_table(lyc_convert_table_isa((lyc_isa)isa));
        }
    }
}

/* All pairs through the public function, with odd addresses and lengths; f64 sources lie next to the middle between two
 * numbers of each format, where rounding twice goes wrong. */
static void test_all_pairs(void **state)
{
    (void)state;
    enum { N = 2051 };
    static char src[N * 8 + 1];
    static char got[N * 8 + 1];
    lyc_error err;
    for (int s = 0; s < LYC_DTYPE_COUNT; s++) {
        for (int d = 0; d < LYC_DTYPE_COUNT; d++) {
            const lyc_dtype from = (lyc_dtype)s;
            const lyc_dtype to = (lyc_dtype)d;
            if (!lyc_dtype_computable(from) || !lyc_dtype_computable(to)) {
                assert_int_equal(lyc_dtype_convert(got, to, src, from, 1, &err), LYC_E_UNSUPPORTED);
                continue;
            }
            const size_t from_size = (size_t)lyc_dtype_bits(from) / 8;
            const size_t to_size = (size_t)lyc_dtype_bits(to) / 8;
            for (int i = 0; i < N; i++) {
                const double near_middle = ldexp(1.0 + (2 * (i % 64) + 1) * 0x1p-9, i % 40 - 20);
                const double value = near_middle * (1.0 + (i % 3 - 1) * 0x1p-40) * (i % 2 == 0 ? 1 : -1);
                lyc_dtype_store(from, src + 1 + (size_t)i * from_size, value);
            }
            assert_int_equal(lyc_dtype_convert(got + 1, to, src + 1, from, N, &err), LYC_OK);
            for (int i = 0; i < N; i++) {
                char want[8];
                lyc_dtype_store(to, want, lyc_dtype_load(from, src + 1 + (size_t)i * from_size));
                if (!same(to, got + 1 + (size_t)i * to_size, want)) {
                    fail_msg("%s to %s: element %d: %.17g", lyc_dtype_name(from), lyc_dtype_name(to), i,
                             lyc_dtype_load(from, src + 1 + (size_t)i * from_size));
                }
            }
        }
    }
}

/* Large runs go around the caches and over all threads, and are the same. */
static void test_large(void **state)
{
    (void)state;
    const size_t n = 3000001;
    lyc_error err;
    float *x = malloc(n * sizeof *x);
    uint16_t *once = malloc(n * sizeof *once);
    uint16_t *parallel = malloc(n * sizeof *parallel);
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)i * 0.37f - 5e5f;
    }
    assert_int_equal(lyc_dtype_convert(once, LYC_BF16, x, LYC_F32, n, &err), LYC_OK);
    assert_int_equal(lyc_dtype_convert_parallel(parallel, LYC_BF16, x, LYC_F32, n, &err), LYC_OK);
    assert_memory_equal(once, parallel, n * sizeof *once);
    for (size_t i = 0; i < n; i += 977) {
        char want[8];
        lyc_dtype_store(LYC_BF16, want, (double)x[i]);
        assert_memory_equal(&once[i], want, 2);
    }
    free(x);
    free(once);
    free(parallel);
}

static void test_integers_keep_their_digits(void **state)
{
    (void)state;
    lyc_error err;
    const int64_t in[4] = {INT64_MAX, -1, INT64_C(9007199254740993), 0};
    uint64_t out[4];
    assert_int_equal(lyc_dtype_convert(out, LYC_U64, in, LYC_I64, 4, &err), LYC_OK);
    assert_memory_equal(out, ((const uint64_t[]){INT64_MAX, 0, UINT64_C(9007199254740993), 0}), sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_integers_keep_their_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
