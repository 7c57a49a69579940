/* test_codec.c - pictures written and read, with their parameters; pictures that must be refused
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/decode.h"
#include "image/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "image/png_text.h"
#include "support/folder.h"

static test_folder folder;

static const char *path_of(const char *name)
{
    return test_folder_path(&folder, name);
}

/* A picture that no codec likes: gradients with a checkerboard. */
static lyc_image pattern(int width, int height)
{
    lyc_image image;
    assert_int_equal(lyc_image_init(&image, width, height, 3, NULL), LYC_OK);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            unsigned char *p = image.data + 3 * (y * width + x);
            p[0] = (unsigned char)(x * 5);
            p[1] = (unsigned char)(y * 3);
            p[2] = (unsigned char)(((x + y) & 1) * 200);
        }
    }
    return image;
}

static void lossless_formats_keep_every_pixel(void **state)
{
    (void)state;
    lyc_image image = pattern(37, 21);
    static const char *const names[] = {"a.png", "a.webp"};
    for (int i = 0; i < 2; i++) {
        lyc_image_write_options options = {.lossless = true};
        assert_true(lyc_image_format_of(&options.format, names[i]));
        assert_int_equal(lyc_image_write(path_of(names[i]), &image, &options, NULL), LYC_OK);
        lyc_image back;
        assert_int_equal(lyc_image_read(&back, path_of(names[i]), NULL, NULL), LYC_OK);
        assert_int_equal(back.width, 37);
        assert_int_equal(back.height, 21);
        assert_int_equal(back.channels, 3);
        assert_memory_equal(back.data, image.data, 37 * 21 * 3);
        lyc_image_clear(&back);
    }
    lyc_image_clear(&image);
}

static void parameters_come_back_from_every_format(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a cat\nSteps: 20, Sampler: Euler a, Seed: 42", "caf\xc3\xa9 \xc2\xa7\nSteps: 1", /* Latin-1 */
        "\xe7\x8c\xab \xf0\x9f\x90\xb1\nSteps: 20, Sampler: Euler a",                     /* beyond */
    };
    static const char *const names[] = {"t.png", "t.jpg", "t.webp"};
    lyc_image image = pattern(16, 16);
    for (int t = 0; t < 3; t++) {
        for (int i = 0; i < 3; i++) {
            lyc_image_write_options options = {.parameters = texts[t], .force = true};
            assert_true(lyc_image_format_of(&options.format, names[i]));
            assert_int_equal(lyc_image_write(path_of(names[i]), &image, &options, NULL), LYC_OK);
            lyc_strbuf text = {0};
            bool found;
            assert_int_equal(lyc_image_read_parameters(&text, &found, path_of(names[i]), NULL), LYC_OK);
            assert_true(found);
            assert_string_equal(lyc_strbuf_text(&text), texts[t]);
            lyc_strbuf_clear(&text);
        }
    }
    lyc_image_clear(&image);
}

static void no_parameters_no_text(void **state)
{
    (void)state;
    static const char *const names[] = {"n.png", "n.jpg", "n.webp"};
    lyc_image image = pattern(16, 16);
    for (int i = 0; i < 3; i++) {
        lyc_image_write_options options = {0};
        assert_true(lyc_image_format_of(&options.format, names[i]));
        assert_int_equal(lyc_image_write(path_of(names[i]), &image, &options, NULL), LYC_OK);
        lyc_strbuf text = {0};
        bool found = true;
        assert_int_equal(lyc_image_read_parameters(&text, &found, path_of(names[i]), NULL), LYC_OK);
        assert_false(found);
        assert_int_equal(text.length, 0);
    }
    lyc_image_clear(&image);
}

static void png_text_is_what_the_specification_says(void **state)
{
    (void)state;
    static const unsigned char latin[] = {0,   0,   0,    5,    't',  'E',  'X',  't', 'k',
                                          'e', 'y', '\0', 0xe9, 0x3a, 0xf9, 0x4f, 0x4e};
    lyc_strbuf chunk = {0};
    lyc_png_text_append(&chunk, "key", "\xc3\xa9");
    assert_int_equal(chunk.length, sizeof latin);
    assert_memory_equal(chunk.text, latin, 13); /* the checksum is looked at by libpng, which reads the files above */
    lyc_strbuf_clear(&chunk);
    lyc_png_text_append(&chunk, "key", "\xe2\x82\xac");
    assert_memory_equal(chunk.text, "\0\0\0\x0biTXtkey\0\0\0\0\0\xe2\x82\xac", 19);
    lyc_strbuf_clear(&chunk);
}

static void an_existing_file_stays(void **state)
{
    (void)state;
    lyc_image image = pattern(8, 8);
    lyc_error err = {0};
    lyc_image_write_options options = {.format = LYC_IMAGE_PNG};
    test_file_write(path_of("old.png"), "old", 3);
    assert_int_equal(lyc_image_write(path_of("old.png"), &image, &options, &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "old.png"));
    options.force = true;
    assert_int_equal(lyc_image_write(path_of("old.png"), &image, &options, &err), LYC_OK);
    assert_int_equal(lyc_image_write(path_of("none/x.png"), &image, &options, &err), LYC_E_OUTPUT);
    lyc_image_clear(&image);
}

static void transparent_pixels_show_the_background(void **state)
{
    (void)state;
    /* 1x1 PNG, RGBA (255, 0, 0, 0), made with zlib stored blocks by hand. */
    static const unsigned char png[] = {0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    13,   'I',
                                        'H',  'D',  'R',  0,    0,    0,    1,    0,    0,    0,    1,    8,    6,
                                        0,    0,    0,    0x1f, 0x15, 0xc4, 0x89, 0,    0,    0,    0x10, 'I',  'D',
                                        'A',  'T',  0x78, 0x01, 0x01, 0x05, 0x00, 0xfa, 0xff, 0x00, 0xff, 0x00, 0x00,
                                        0x00, 0x03, 0x00, 0x01, 0x00, 0x9a, 0x94, 0xf1, 0x4d, 0,    0,    0,    0,
                                        'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};
    test_file_write(path_of("clear.png"), png, sizeof png);
    lyc_image image;
    lyc_error err = {0};
    if (lyc_image_read(&image, path_of("clear.png"), NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(image.data[0], 255);
    assert_int_equal(image.data[1], 255);
    lyc_image_clear(&image);
    const lyc_image_read_options options = {.background = {1, 2, 3}};
    assert_int_equal(lyc_image_read(&image, path_of("clear.png"), &options, &err), LYC_OK);
    assert_int_equal(image.data[0], 1);
    assert_int_equal(image.data[2], 3);
    lyc_image_clear(&image);
}

static void grey_is_luminance(void **state)
{
    (void)state;
    lyc_image image;
    lyc_image grey;
    assert_int_equal(lyc_image_init(&image, 4, 4, 3, NULL), LYC_OK);
    memset(image.data, 77, 48);
    const lyc_image_write_options options = {.format = LYC_IMAGE_PNG};
    assert_int_equal(lyc_image_write(path_of("grey.png"), &image, &options, NULL), LYC_OK);
    lyc_image_read_options read = LYC_IMAGE_READ_DEFAULT;
    read.grey = true;
    assert_int_equal(lyc_image_read(&grey, path_of("grey.png"), &read, NULL), LYC_OK);
    assert_int_equal(grey.channels, 1);
    assert_in_range(grey.data[5], 76, 78);
    lyc_image_clear(&grey);
    lyc_image_clear(&image);
}

static void what_is_no_picture_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *data;
        size_t size;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"empty.png", "", 0, LYC_E_FORMAT, "an empty file where a picture was expected"},
        {"text.png", "hello, this is text", 19, LYC_E_FORMAT, "not a picture that can be read (PNG, JPEG, WebP, ...)"},
        {"cut.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", 18, LYC_E_FORMAT, "reading "},
        {"x.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>", 62, LYC_E_FORMAT,
         "not a picture that can be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lyc_image image;
        lyc_error err = {0};
        test_file_write(path_of(cases[i].name), cases[i].data, cases[i].size);
        assert_int_equal(lyc_image_read(&image, path_of(cases[i].name), NULL, &err), cases[i].status);
        assert_null(image.data);
        assert_non_null(strstr(err.message, cases[i].name));
        assert_non_null(strstr(err.message, cases[i].message));
    }
    lyc_image image;
    lyc_error err = {0};
    assert_int_equal(lyc_image_read(&image, path_of("absent.png"), NULL, &err), LYC_E_IO);
    assert_int_equal(lyc_image_read(&image, folder.path, NULL, &err), LYC_E_IO);
}

/* Headers that promise more than anybody wants to decode: refused by the header alone. */
static void bombs_are_refused_by_their_header(void **state)
{
    (void)state;
    static const unsigned char sizes[][8] = {
        {0, 0, 0x4e, 0x21, 0, 0, 0, 1}, {0, 0, 0, 1, 0, 0, 0x4e, 0x21}, {0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char bmp[64] = {0}; /* a PPM says its size in text: the shortest header of all */
        const int w = sizes[i][2] << 8 | sizes[i][3];
        const int h = sizes[i][6] << 8 | sizes[i][7];
        const int n = snprintf((char *)bmp, sizeof bmp, "P6\n%d %d\n255\n", w, h);
        test_file_write(path_of("bomb.ppm"), bmp, (size_t)n);
        lyc_image image;
        lyc_error err = {0};
        const lyc_status status = lyc_image_read(&image, path_of("bomb.ppm"), NULL, &err);
        assert_true(status == LYC_E_SHAPE || status == LYC_E_FORMAT);
        assert_null(image.data);
    }
}

static int make_folder(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lossless_formats_keep_every_pixel),
        cmocka_unit_test(parameters_come_back_from_every_format),
        cmocka_unit_test(no_parameters_no_text),
        cmocka_unit_test(png_text_is_what_the_specification_says),
        cmocka_unit_test(an_existing_file_stays),
        cmocka_unit_test(transparent_pixels_show_the_background),
        cmocka_unit_test(grey_is_luminance),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(bombs_are_refused_by_their_header),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
