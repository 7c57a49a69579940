/* test_rounding.c - numbers of 16 bits: to the nearest; by chance, without a bias
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/rounding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/thread.h"
#include "tensor/float_bits.h"

enum { DRAWS = 40000 };

static float numbers[DRAWS];

static lyc_trainable row_of(float *values, int64_t count)
{
    return (lyc_trainable){.name = "row", .value = values, .count = count, .shape = {.rank = 1, .dims = {count}}};
}

static void fill(float x)
{
    for (int i = 0; i < DRAWS; i++) {
        numbers[i] = x;
    }
}

/* Only the two neighbours appear, and their mean is x within five standard errors. */
static void unbiased(lyc_dtype dtype, float x, double below, double above)
{
    const lyc_rounding r = {.dtype = dtype, .stochastic = true, .seed = 5};
    const lyc_trainable row = row_of(numbers, DRAWS);
    const double p = ((double)x - below) / (above - below);
    double ups = 0;
    fill(x);
    lyc_rounding_step(&r, &row, 1, 7);
    for (int i = 0; i < DRAWS; i++) {
        const double got = (double)numbers[i];
        assert_true(got == below || got == above);
        ups += got == above;
    }
    assert_true(fabs(ups - p * DRAWS) <= 5 * sqrt(p * (1 - p) * DRAWS));
}

static void chance_has_no_bias(void **state)
{
    (void)state;
    unbiased(LYC_BF16, 1.001f, 1.0, 1.0 + 0x1p-7);
    unbiased(LYC_BF16, -1.001f, -1.0 - 0x1p-7, -1.0);
    unbiased(LYC_BF16, 1.999f, 2.0 - 0x1p-7, 2.0);
    unbiased(LYC_BF16, 3e-39f, 32 * 0x1p-133, 33 * 0x1p-133); /* below its smallest normal number */
    unbiased(LYC_F16, 1.0003f, 1.0, 1.0 + 0x1p-10);
    unbiased(LYC_F16, -1e-5f, -168 * 0x1p-24, -167 * 0x1p-24);
    unbiased(LYC_F16, 1e-8f, 0.0, 0x1p-24); /* below its smallest number */
}

static void numbers_of_the_type_stay(void **state)
{
    (void)state;
    const lyc_rounding r = {.dtype = LYC_BF16, .stochastic = true, .seed = 5};
    float kept[] = {0.0f, -0.0f, 1.0f, -2.5f, 3.3895314e38f, INFINITY, -INFINITY, 0x1p-133f};
    float before[sizeof kept / sizeof kept[0]];
    memcpy(before, kept, sizeof kept);
    const lyc_trainable row = row_of(kept, sizeof kept / sizeof kept[0]);
    for (int step = 0; step < 100; step++) {
        lyc_rounding_step(&r, &row, 1, step);
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
            assert_true(kept[i] == before[i]);
        }
    }
    float not_a_number = NAN;
    const lyc_trainable other = row_of(&not_a_number, 1);
    lyc_rounding_step(&r, &other, 1, 0);
    assert_true(isnan(not_a_number));
}

static void nearest_is_that_of_files(void **state)
{
    (void)state;
    const lyc_dtype types[] = {LYC_BF16, LYC_F16};
    for (int k = 0; k < 2; k++) {
        const lyc_rounding r = {.dtype = types[k]};
        for (int i = 0; i < DRAWS; i++) {
            numbers[i] = (float)(sin(i) * pow(10, i % 9 - 6));
        }
        const lyc_trainable row = row_of(numbers, DRAWS);
        lyc_rounding_step(&r, &row, 1, 3);
        for (int i = 0; i < DRAWS; i++) {
            const float x = (float)(sin(i) * pow(10, i % 9 - 6));
            assert_true(numbers[i] ==
                        (k == 0 ? lyc_f32_of_bf16(lyc_bf16_of_f32(x)) : lyc_f32_of_f16(lyc_f16_of_f32(x))));
        }
    }
    const lyc_rounding none = {.dtype = LYC_F32, .stochastic = true};
    numbers[0] = 1.001f;
    const lyc_trainable row = row_of(numbers, 1);
    lyc_rounding_nearest(&none, &row, 1);
    lyc_rounding_step(&none, &row, 1, 0);
    assert_true(numbers[0] == 1.001f);
}

/* Steps of a ten thousandth from 1: to the nearest nothing happens, by chance a thousand of them go a tenth. */
static void small_steps_count(void **state)
{
    (void)state;
    for (int chance = 0; chance < 2; chance++) {
        const lyc_rounding r = {.dtype = LYC_BF16, .stochastic = chance, .seed = 1};
        const lyc_trainable row = row_of(numbers, 256);
        double sum = 0;
        fill(1.0f);
        for (int step = 0; step < 1000; step++) {
            for (int i = 0; i < 256; i++) {
                numbers[i] -= 1e-4f;
            }
            lyc_rounding_step(&r, &row, 1, step);
        }
        for (int i = 0; i < 256; i++) {
            sum += (double)numbers[i];
        }
        assert_true(chance ? fabs(sum / 256 - 0.9) < 0.005 : sum == 256);
    }
}

/* The same bits at any number of threads; others at another step, in another row, with another seed. */
static void chance_depends_on_the_place_alone(void **state)
{
    (void)state;
    enum { ROWS = 2, COUNT = 40000 };
    static float first[ROWS][COUNT], second[ROWS][COUNT];
    const int before = lyc_thread_count();
    for (int k = 0; k < 4; k++) {
        const lyc_rounding r = {.dtype = LYC_BF16, .stochastic = true, .seed = k == 3 ? 6 : 5};
        float(*out)[COUNT] = k == 0 ? first : second;
        for (int i = 0; i < ROWS * COUNT; i++) {
            out[i / COUNT][i % COUNT] = 1.003f;
        }
        const lyc_trainable rows[ROWS] = {row_of(out[0], COUNT), row_of(out[1], COUNT)};
        lyc_thread_set_count(k + 1);
        lyc_rounding_step(&r, rows, ROWS, k == 2 ? 8 : 7);
        assert_int_equal(memcmp(first, second, sizeof first) == 0, k == 1);
    }
    lyc_thread_set_count(before);
    assert_memory_not_equal(first[0], first[1], sizeof first[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chance_has_no_bias),
        cmocka_unit_test(numbers_of_the_type_stay),
        cmocka_unit_test(nearest_is_that_of_files),
        cmocka_unit_test(small_steps_count),
        cmocka_unit_test(chance_depends_on_the_place_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
