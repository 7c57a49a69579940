/* test_sample_sheet.c - which files are on the sheet over time, and where
 *
 * Pictures of 64 x 64 have words of 14 pixels: places begin at 72, 30 and are 72 apart (image/sheet.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/sample_sheet.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../data/data_folder.h"
#include "image/decode.h"

enum { SIDE = 64, LEFT = 72, TOP = 30, APART = 72 };

static test_folder folder;
static lyc_error err;
static const char *const prompts[] = {"a disc", "a square"};

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void picture(const char *name, int red)
{
    test_picture(test_folder_path(&folder, name), SIDE, SIDE, (unsigned char)red);
}

static void write_sheet(lyc_image *out, const char *when)
{
    const lyc_sample_sheet sheet = {
        .folder = folder.path, .name = "run", .when = when, .prompts = prompts, .prompt_count = 2};
    assert_int_equal(lyc_sample_sheet_write(&sheet, &err), LYC_OK);
    assert_int_equal(lyc_image_read(out, test_folder_path(&folder, "run-over-time.png"), NULL, &err), LYC_OK);
}

static int red_at(const lyc_image *image, int row, int column)
{
    const int x = LEFT + APART * column + 5, y = TOP + APART * row + 5;
    return image->data[3 * (y * image->width + x)];
}

/* A picture that is not there is white, whose red is 255. */
static void rows_are_prompts_and_columns_are_steps(void **state)
{
    (void)state;
    lyc_image image;
    picture("run_000000_00_20260101000000_42.png", 10);
    picture("run_000000_01_20260101000000_42.png", 11);
    picture("run_000100_00_20260101000000_42.png", 20);
    picture("run_1000000_01_42.png", 31); /* sorted as a number, and without a stamp */
    write_sheet(&image, "1000000");
    assert_int_equal(image.width, LEFT - 8 + 3 * APART + 8);
    assert_int_equal(image.height, TOP - 8 + 2 * APART + 8);
    assert_int_equal(red_at(&image, 0, 0), 10);
    assert_int_equal(red_at(&image, 1, 0), 11);
    assert_int_equal(red_at(&image, 0, 1), 20);
    assert_int_equal(red_at(&image, 1, 1), 255);
    assert_int_equal(red_at(&image, 0, 2), 255);
    assert_int_equal(red_at(&image, 1, 2), 31);
    bool words = false; /* black on white above and beside */
    for (int i = 0; i < image.width * TOP; i++) {
        words = words || image.data[3 * i] < 128;
    }
    assert_true(words);
    lyc_image_clear(&image);
}

/* Of an earlier run under the same name: what a later one made again, and what lies after where it is. */
static void newest_and_not_later_ones(void **state)
{
    (void)state;
    lyc_image image;
    picture("run_000100_00_20260101000000_42.png", 10);
    picture("run_000100_00_20260102000000_42.png", 20);
    picture("run_000200_00_20260101000000_42.png", 30);
    write_sheet(&image, "000100");
    assert_int_equal(image.width, LEFT - 8 + APART + 8);
    assert_int_equal(red_at(&image, 0, 0), 20);
    lyc_image_clear(&image);
    write_sheet(&image, "000200");
    assert_int_equal(red_at(&image, 0, 1), 30);
    lyc_image_clear(&image);
}

static void epochs_are_not_steps(void **state)
{
    (void)state;
    lyc_image image;
    picture("run_000000_00_42.png", 10);
    picture("run_000002_00_42.png", 20);
    picture("run_e000001_00_42.png", 30);
    write_sheet(&image, "e000003");
    assert_int_equal(image.width, LEFT - 8 + 2 * APART + 8);
    assert_int_equal(red_at(&image, 0, 0), 10);
    assert_int_equal(red_at(&image, 0, 1), 30);
    lyc_image_clear(&image);
}

/* Files of other runs, other prompts, other programs; one that is no picture. */
static void other_files_are_left_out(void **state)
{
    (void)state;
    static const char *const others[] = {"run2_000001_00_42.png",
                                         "run_000001_07_42.png",
                                         "run_000001_00_42.jpg",
                                         "run_000001_00.png",
                                         "run_x_00_42.png",
                                         "run_000001_00_42_42_42.png",
                                         "run__00_42.png",
                                         "run_99999999999999999999_00_42.png",
                                         "notes.txt"};
    lyc_image image;
    const lyc_sample_sheet sheet = {
        .folder = folder.path, .name = "run", .when = "000009", .prompts = prompts, .prompt_count = 2};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        test_file_write(test_folder_path(&folder, others[i]), "x", 1);
    }
    assert_int_equal(lyc_sample_sheet_write(&sheet, &err), LYC_OK);
    assert_int_not_equal(lyc_image_read(&image, test_folder_path(&folder, "run-over-time.png"), NULL, &err), LYC_OK);
    test_file_write(test_folder_path(&folder, "run_000001_00_42.png"), "no picture", 10);
    picture("run_000001_01_42.png", 50);
    write_sheet(&image, "000009");
    assert_int_equal(red_at(&image, 0, 0), 255);
    assert_int_equal(red_at(&image, 1, 0), 50);
    lyc_image_clear(&image);
}

/* 100 rounds: 80 columns, the first and the last among them. */
static void long_runs_stay_small(void **state)
{
    (void)state;
    lyc_image image;
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "run_%06d_00_42.png", i);
        picture(name, 100 + i);
    }
    write_sheet(&image, "000099");
    assert_true(image.width > 5000 && image.width <= 6144);
    assert_true(image.height < 300);
    const int last = image.width - 8 - 60; /* within the last place */
    assert_int_equal(image.data[3 * (40 * image.width + last)], 199);
    lyc_image_clear(&image);
}

static void wrong_moments(void **state)
{
    (void)state;
    const lyc_sample_sheet sheet = {
        .folder = folder.path, .name = "run", .when = "soon", .prompts = prompts, .prompt_count = 2};
    assert_int_equal(lyc_sample_sheet_write(&sheet, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "sample pictures of 'soon': expected e<epoch> or <step>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_prompts_and_columns_are_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_and_not_later_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(epochs_are_not_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(long_runs_stay_small, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_moments, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
