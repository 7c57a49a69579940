/* test_error.c - messages are printable, wrapped and cut
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void formats_and_wraps(void **state)
{
    (void)state;
    lyc_error err = {0};
    assert_int_equal(lyc_fail(&err, LYC_E_FORMAT, "header of %d bytes in a file of %d", 12, 9), LYC_E_FORMAT);
    assert_string_equal(err.message, "header of 12 bytes in a file of 9");
    assert_int_equal(lyc_wrap(&err, "reading %s", "a.safetensors"), LYC_E_FORMAT);
    assert_string_equal(err.message, "reading a.safetensors: header of 12 bytes in a file of 9");
    assert_int_equal(lyc_fail(&err, LYC_E_IO, "new"), LYC_E_IO);
    assert_string_equal(err.message, "new");
    assert_int_equal(lyc_fail(NULL, LYC_E_SHAPE, "nobody listens"), LYC_E_SHAPE);
}

static void makes_hostile_text_printable(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_fail(&err, LYC_E_FORMAT, "name '%s'", "a\x1b]52;c;eA==\x07\nb\xff");
    assert_string_equal(err.message, "name 'a\\x1b]52;c;eA==\\x07\\nb\\xff'");
    lyc_wrap(&err, "in %s", "x\xe2\x80\xaey");
    assert_string_equal(err.message, "in x\\u202ey: name 'a\\x1b]52;c;eA==\\x07\\nb\\xff'");
}

static void cuts_long_messages(void **state)
{
    (void)state;
    char long_text[2000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    lyc_error err = {0};
    lyc_fail(&err, LYC_E_FORMAT, "%s", long_text);
    assert_int_equal(strlen(err.message), 511);
    assert_string_equal(err.message + 508, "...");
    /* Of a long prefix and a long message both keep half. */
    lyc_wrap(&err, "%s", long_text);
    assert_int_equal(strlen(err.message), 511);
    assert_string_equal(err.message + 508, "...");
    assert_memory_equal(err.message + 252, "...: aaa", 8);
    /* A short message keeps all of itself. */
    lyc_fail(&err, LYC_E_FORMAT, "short");
    lyc_wrap(&err, "%s", long_text);
    assert_int_equal(strlen(err.message), 511);
    assert_string_equal(err.message + 501, "...: short");
    /* 511 bytes fit exactly, no character is split. */
    lyc_fail(&err, LYC_E_FORMAT, "%.511s", long_text);
    assert_string_equal(err.message + 508, "aaa");
    for (int shift = 0; shift < 4; shift++) {
        char text[1200] = "";
        memset(text, 'b', (size_t)shift);
        for (int i = 0; i < 250; i++) {
            strcat(text, "\xe2\x82\xac");
        }
        lyc_fail(&err, LYC_E_FORMAT, "%s", text);
        assert_null(strchr(err.message, '\\'));
        assert_string_equal(err.message + strlen(err.message) - 6, "\xe2\x82\xac...");
    }
}

static void names_every_status(void **state)
{
    (void)state;
    for (int s = 0; s < LYC_STATUS_COUNT; s++) {
        assert_true(strlen(lyc_status_name((lyc_status)s)) > 5);
        for (int t = 0; t < s; t++) {
            assert_string_not_equal(lyc_status_name((lyc_status)s), lyc_status_name((lyc_status)t));
        }
    }
    assert_string_equal(lyc_status_name((lyc_status)99), "unknown error");
    assert_string_equal(lyc_status_name((lyc_status)-1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_and_wraps),
        cmocka_unit_test(makes_hostile_text_printable),
        cmocka_unit_test(cuts_long_messages),
        cmocka_unit_test(names_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
