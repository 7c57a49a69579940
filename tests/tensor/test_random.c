/* test_random.c - values of torch 2.15, and what the native stream promises
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

static void expect(const float *got, const float *want, size_t n, float tolerance)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(got[i] - want[i]) <= tolerance)) {
            fail_msg("number %zu: %.8g, expected %.8g", i, (double)got[i], (double)want[i]);
        }
    }
}

/* torch.manual_seed(42); torch.randn(1000): the blocks of 16. */
static void test_torch_normal(void **state)
{
    (void)state;
    lyc_torch_random r;
    float x[1000];
    lyc_torch_random_seed(&r, 42);
    lyc_torch_random_normal_f32(&r, x, 1000);
    expect(x, (const float[]){1.9269153f, 1.4872841f, 0.9007172f, -2.1055210f, 0.6784184f, -1.2345449f}, 6, 1e-6f);
    lyc_torch_random_seed(&r, 0);
    lyc_torch_random_normal_f32(&r, x, 17); /* a tail of 1: the last 16 are drawn again */
    expect(x, (const float[]){-1.1258398f, -1.6959311f, 0.5666506f, 0.7935083f}, 4, 1e-6f);
}

/* torch.randn of fewer than 16: pairs in double; ten at once or five and five. */
static void test_torch_few_normals(void **state)
{
    (void)state;
    const float want[10] = {0.3366904f, 0.1288094f, 0.2345f,  0.2303f, -1.1229f,
                            -0.1863f,   2.2082f,    -0.6380f, 0.4617f, 0.2674f};
    lyc_torch_random r;
    float x[10];
    lyc_torch_random_seed(&r, 42);
    lyc_torch_random_normal_f32(&r, x, 10);
    expect(x, want, 10, 6e-5f);
    lyc_torch_random_seed(&r, 42);
    lyc_torch_random_normal_f32(&r, x, 5);
    lyc_torch_random_normal_f32(&r, x + 5, 5);
    expect(x, want, 10, 6e-5f);
}

static void test_torch_integers(void **state)
{
    (void)state;
    lyc_torch_random r;
    int64_t x[10];
    float u[4];
    lyc_torch_random_seed(&r, 1);
    lyc_torch_random_permutation(&r, x, 10);
    assert_memory_equal(x, ((const int64_t[]){5, 6, 1, 2, 0, 8, 9, 3, 7, 4}), sizeof x);
    lyc_torch_random_seed(&r, 7);
    lyc_torch_random_integers(&r, x, 8, 0, 1000);
    assert_memory_equal(x, ((const int64_t[]){615, 892, 721, 286, 283, 347, 287, 279}), 8 * sizeof *x);
    lyc_torch_random_seed(&r, 7);
    lyc_torch_random_uniform_f32(&r, u, 4);
    expect(u, (const float[]){0.53492254f, 0.19880319f, 0.6592117f, 0.65689027f}, 4, 0.0f);
    lyc_torch_random_seed(&r, 1);
    assert_int_equal(lyc_torch_random_int64(&r), INT64_C(7692698082559361259));
}

/* Only the low 32 bits of a seed count. */
static void test_torch_seed(void **state)
{
    (void)state;
    lyc_torch_random a;
    lyc_torch_random b;
    lyc_torch_random_seed(&a, 5);
    lyc_torch_random_seed(&b, 5 + (UINT64_C(7) << 32));
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(lyc_torch_random_u32(&a), lyc_torch_random_u32(&b));
    }
}

static void test_cuda_normal(void **state)
{
    (void)state;
    float x[6];
    lyc_cuda_random_normal(x, 6, 0, 0);
    expect(x, (const float[]){-0.924663f, -0.425344f, -2.64385f, 0.145184f, -0.120867f, -0.579726f}, 6, 6e-6f);
    lyc_cuda_random_normal(x, 3, 0, 1);
    expect(x, (const float[]){0.180826f, -0.552263f, 0.923813f}, 3, 2e-6f);
    lyc_cuda_random_normal(x, 4, 42, 0);
    expect(x, (const float[]){0.194019f, 2.16137f, -0.172051f, 0.84906f}, 4, 6e-6f);
}

/* The published answers of Philox 4x32-10 (Random123, kat_vectors). */
static void test_philox(void **state)
{
    (void)state;
    uint32_t out[4];
    lyc_philox(out, (const uint32_t[4]){0, 0, 0, 0}, (const uint32_t[2]){0, 0});
    assert_memory_equal(out, ((const uint32_t[]){0x6627E8D5u, 0xE169C58Du, 0xBC57AC4Cu, 0x9B00DBD8u}), sizeof out);
    lyc_philox(out, (const uint32_t[4]){0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu},
               (const uint32_t[2]){0xFFFFFFFFu, 0xFFFFFFFFu});
    assert_memory_equal(out, ((const uint32_t[]){0x408F276Du, 0x41C83B0Eu, 0xA20BC7C6u, 0x6D5451FDu}), sizeof out);
}

/* However a range is cut, and whichever function asks. */
static void test_native_has_no_state(void **state)
{
    (void)state;
    const lyc_native_random r = {.seed = 9, .purpose = LYC_RANDOM_NOISE, .step = 3};
    float whole[103];
    float part[103];
    lyc_native_random_normals(&r, whole, 0, 103);
    for (size_t first = 0; first < 103; first += 8) {
        const size_t n = 103 - first < 8 ? 103 - first : 8;
        lyc_native_random_normals(&r, part + first, first, n);
    }
    assert_memory_equal(whole, part, sizeof whole);
    lyc_native_random_uniforms(&r, whole, 40, 7);
    for (uint64_t i = 0; i < 7; i++) {
        assert_true(lyc_native_random_uniform(&r, 40 + i) == whole[i]);
    }
}

static void moments(const lyc_native_random *r, double *mean, double *variance, double *fourth)
{
    enum { N = 100000 };
    static float x[N];
    lyc_native_random_normals(r, x, 0, N);
    *mean = *variance = *fourth = 0.0;
    for (int i = 0; i < N; i++) {
        const double d = (double)x[i];
        *mean += d / N;
        *variance += d * d / N;
        *fourth += d * d * d * d / N;
    }
}

/* Four standard errors of each moment of 100,000 normal numbers; streams of other steps and purposes differ. */
static void test_native_normals(void **state)
{
    (void)state;
    double mean;
    double variance;
    double fourth;
    for (uint32_t step = 0; step < 3; step++) {
        const lyc_native_random r = {.seed = 1, .purpose = LYC_RANDOM_INIT, .step = step};
        moments(&r, &mean, &variance, &fourth);
        assert_true(fabs(mean) < 4.0 / sqrt(1e5));
        assert_true(fabs(variance - 1.0) < 4.0 * sqrt(2.0 / 1e5));
        assert_true(fabs(fourth - 3.0) < 4.0 * sqrt(96.0 / 1e5));
    }
    const lyc_native_random a = {.seed = 1, .purpose = LYC_RANDOM_INIT};
    const lyc_native_random b = {.seed = 1, .purpose = LYC_RANDOM_NOISE};
    assert_int_not_equal(lyc_native_random_bits(&a, 0), lyc_native_random_bits(&b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch_normal),        cmocka_unit_test(test_torch_few_normals),
        cmocka_unit_test(test_torch_integers),      cmocka_unit_test(test_torch_seed),
        cmocka_unit_test(test_cuda_normal),         cmocka_unit_test(test_philox),
        cmocka_unit_test(test_native_has_no_state), cmocka_unit_test(test_native_normals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
