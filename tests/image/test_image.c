/* test_image.c - pictures as numbers and back
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_value_survives(void **state)
{
    (void)state;
    lyc_image image;
    lyc_image back;
    float x[256];
    assert_int_equal(lyc_image_init(&image, 16, 16, 1, NULL), LYC_OK);
    assert_int_equal(lyc_image_init(&back, 16, 16, 1, NULL), LYC_OK);
    for (int i = 0; i < 256; i++) {
        image.data[i] = (unsigned char)i;
    }
    lyc_image_to_signed(x, &image);
    lyc_image_from_signed(&back, x);
    assert_float_equal(x[0], -1.0f, 0);
    assert_float_equal(x[255], 1.0f, 0);
    assert_memory_equal(image.data, back.data, 256);
    lyc_image_clear(&image);
    lyc_image_clear(&back);
}

static void rounds_half_to_even_and_clamps(void **state)
{
    (void)state;
    const float x[] = {0.0f /* 127.5 */, -1.5f, 7.0f, NAN, INFINITY, -INFINITY};
    const unsigned char want[] = {128, 0, 255, 0, 255, 0};
    lyc_image image;
    assert_int_equal(lyc_image_init(&image, 6, 1, 1, NULL), LYC_OK);
    lyc_image_from_signed(&image, x);
    assert_memory_equal(image.data, want, sizeof want);
    lyc_image_clear(&image);
}

static void refuses_sizes_beyond_the_limits(void **state)
{
    (void)state;
    static const int sizes[][2] = {{0, 5}, {5, -1}, {20001, 1}, {1, 20001}, {20000, 12801}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lyc_image image;
        lyc_error err = {0};
        assert_int_equal(lyc_image_init(&image, sizes[i][0], sizes[i][1], 3, &err), LYC_E_SHAPE);
        assert_null(image.data);
    }
    lyc_image image;
    lyc_error err = {0};
    lyc_image_init(&image, 20001, 1, 3, &err);
    assert_string_equal(err.message,
                        "a picture of 20001 x 1 pixels; at most 20000 a side and 256 million in all are read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_survives),
        cmocka_unit_test(rounds_half_to_even_and_clamps),
        cmocka_unit_test(refuses_sizes_beyond_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
