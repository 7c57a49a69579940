/* test_exif.c - the user comment: round trip, other writers, damage
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void comes_back(void **state)
{
    (void)state;
    static const char text[] = "a \xe7\x8c\xab \xf0\x9f\x90\xb1 \xc3\xa9";
    lyc_strbuf data = {0};
    lyc_strbuf back = {0};
    lyc_exif_comment_append(&data, text);
    assert_true(lyc_exif_comment_find(&back, (const unsigned char *)data.text, data.length));
    assert_string_equal(lyc_strbuf_text(&back), text);
    lyc_strbuf_clear(&back);
    lyc_strbuf_clear(&data);
}

/* Little-endian file, text big-endian (piexif) and little-endian, ASCII, lone surrogate. */
static void reads_other_writers(void **state)
{
    (void)state;
    static const struct {
        const char *comment;
        size_t size;
        const char *want;
    } cases[] = {
        {"UNICODE\0\0h\0i", 12, "hi"},
        {"UNICODE\0h\0i\0", 12, "hi"},
        {"ASCII\0\0\0plain", 13, "plain"},
        {"UNICODE\0\xd8\x3d\0x", 12, "\xef\xbf\xbdx"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char data[80] = "II*\0\x08\0\0\0"                                  /* directory at 8 */
                                 "\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0" /* Exif at 26 */
                                 "\x01\0\x86\x92\x07\0";
        data[32] = (unsigned char)cases[i].size;
        data[36] = 44;
        memcpy(data + 44, cases[i].comment, cases[i].size);
        lyc_strbuf back = {0};
        assert_true(lyc_exif_comment_find(&back, data, 44 + cases[i].size));
        assert_string_equal(lyc_strbuf_text(&back), cases[i].want);
        lyc_strbuf_clear(&back);
    }
}

static void every_cut_and_flip_is_survived(void **state)
{
    (void)state;
    lyc_strbuf data = {0};
    lyc_exif_comment_append(&data, "text");
    for (size_t n = 0; n < data.length; n++) {
        lyc_strbuf back = {0};
        assert_false(lyc_exif_comment_find(&back, (const unsigned char *)data.text, n));
        lyc_strbuf_clear(&back);
    }
    for (size_t bit = 0; bit < data.length * 8; bit++) {
        lyc_strbuf back = {0};
        data.text[bit / 8] = (char)(data.text[bit / 8] ^ 1 << bit % 8);
        lyc_exif_comment_find(&back, (const unsigned char *)data.text, data.length);
        data.text[bit / 8] = (char)(data.text[bit / 8] ^ 1 << bit % 8);
        lyc_strbuf_clear(&back);
    }
    lyc_strbuf_clear(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(reads_other_writers),
        cmocka_unit_test(every_cut_and_flip_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
