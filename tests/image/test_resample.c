/* test_resample.c - other sizes, masks by area, contact sheets
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/resample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "image/sheet.h"

static lyc_image flat(int width, int height, int channels, unsigned char value)
{
    lyc_image image;
    assert_int_equal(lyc_image_init(&image, width, height, channels, NULL), LYC_OK);
    memset(image.data, value, (size_t)width * (size_t)height * (size_t)channels);
    return image;
}

static void sizes_are_exact_and_flat_stays_flat(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {7, 5}, {64, 64}, {129, 3}, {500, 333}};
    lyc_image in = flat(53, 31, 3, 131);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int kernel = 0; kernel < 2; kernel++) {
            lyc_image out;
            assert_int_equal(lyc_image_resize(&out, &in, sizes[i][0], sizes[i][1], (lyc_resample_kernel)kernel, NULL),
                             LYC_OK);
            assert_int_equal(out.width, sizes[i][0]);
            assert_int_equal(out.height, sizes[i][1]);
            for (int k = 0; k < out.width * out.height * 3; k++) {
                assert_in_range(out.data[k], 130, 132);
            }
            lyc_image_clear(&out);
        }
    }
    lyc_image_clear(&in);
}

static void covering_cuts_the_longer_side(void **state)
{
    (void)state;
    lyc_image in = flat(40, 10, 3, 10);
    for (int y = 0; y < 10; y++) { /* the middle, columns 15 to 24, is bright */
        memset(in.data + 3 * (y * 40 + 15), 250, 30);
    }
    lyc_image out;
    assert_int_equal(lyc_image_cover(&out, &in, 8, 8, NULL), LYC_OK);
    assert_int_equal(out.width, 8);
    assert_int_equal(out.height, 8);
    assert_in_range(out.data[3 * (4 * 8 + 4)], 240, 255);
    lyc_image_clear(&out);
    lyc_image_clear(&in);
}

static void masks_are_averaged_by_area(void **state)
{
    (void)state;
    lyc_image mask = flat(6, 4, 1, 0);
    mask.data[0] = 255;
    mask.data[7] = 255;
    mask.data[23] = 51;
    float out[6];
    assert_int_equal(lyc_mask_average(out, 3, 2, &mask, NULL), LYC_OK);
    assert_float_equal(out[0], 0.5f, 1e-7f); /* two of four */
    assert_float_equal(out[1], 0.0f, 0);
    assert_float_equal(out[5], 0.05f, 1e-7f);
    float half[4]; /* cells of 3 x 2 and of 1.5 columns */
    assert_int_equal(lyc_mask_average(half, 4, 1, &mask, NULL), LYC_OK);
    assert_float_equal(half[0], 1.5f / 6.0f, 1e-7f); /* column 0 whole, half of column 1 */
    assert_float_equal(half[1], 0.5f / 6.0f, 1e-7f);
    lyc_image_clear(&mask);
}

static void sheets_place_pictures_and_labels(void **state)
{
    (void)state;
    lyc_image dark = flat(20, 10, 3, 9);
    lyc_image light = flat(10, 20, 3, 200);
    const lyc_image *const images[] = {&dark, NULL, &light, &dark};
    lyc_image out;
    lyc_sheet sheet = {.images = images, .rows = 2, .columns = 2, .margin = 4};
    assert_int_equal(lyc_sheet_draw(&out, &sheet, NULL), LYC_OK);
    assert_int_equal(out.width, 4 + 2 * 24);
    assert_int_equal(out.height, 4 + 2 * 24);
    assert_int_equal(out.data[3 * (4 * out.width + 4)], 9);
    assert_int_equal(out.data[3 * (4 * out.width + 28)], 255);
    assert_int_equal(out.data[3 * (28 * out.width + 4)], 200);
    lyc_image_clear(&out);
    const char *const rows[] = {"one <b>", "two"};
    const char *const columns[] = {"a", "b"};
    sheet.row_labels = rows;
    sheet.column_labels = columns;
    assert_int_equal(lyc_sheet_draw(&out, &sheet, NULL), LYC_OK);
    assert_true(out.width > 52 && out.height > 52);
    lyc_image_clear(&out);
    lyc_image_clear(&dark);
    lyc_image_clear(&light);
}

static void sheets_that_are_too_large_are_refused(void **state)
{
    (void)state;
    lyc_image wide = flat(15000, 1, 3, 0);
    const lyc_image *const images[] = {&wide, &wide};
    const lyc_sheet sheet = {.images = images, .rows = 1, .columns = 2};
    lyc_image out;
    lyc_error err = {0};
    assert_int_equal(lyc_sheet_draw(&out, &sheet, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "a sheet of 1 x 2 pictures would have 30000 x 1 pixels; at most 20000 a side");
    lyc_image_clear(&wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_exact_and_flat_stays_flat),
        cmocka_unit_test(covering_cuts_the_longer_side),
        cmocka_unit_test(masks_are_averaged_by_area),
        cmocka_unit_test(sheets_place_pictures_and_labels),
        cmocka_unit_test(sheets_that_are_too_large_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
