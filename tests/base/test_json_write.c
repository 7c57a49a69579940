/* test_json_write.c - strings and numbers as serde_json writes them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    lyc_span text;
    const char *json;
} strings[] = {
    {{"", 0}, "\"\""},
    {{"a.weight", 8}, "\"a.weight\""},
    {{"\"\\/", 3}, "\"\\\"\\\\/\""},
    {{"\b\t\n\f\r", 5}, "\"\\b\\t\\n\\f\\r\""},
    {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
    {{"\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80", 9}, "\"\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\""},
};

static void writes_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        lyc_strbuf out = {0};
        lyc_json_write_string(&out, strings[i].text);
        assert_string_equal(lyc_strbuf_text(&out), strings[i].json);
        lyc_strbuf_clear(&out);
    }
}

static const struct {
    double value;
    const char *json;
} numbers[] = {
    {0.0, "0"},
    {1.5, "1.5"},
    {-2.25, "-2.25"},
    {1e300, "1e+300"},
    {0.1, "0.1"},
    {(double)NAN, "null"},
    {(double)INFINITY, "null"},
    {1.25e-7, "1.25e-07"},
    {1.0 / 3.0, "0.3333333333333333"},
};

static void writes_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lyc_strbuf out = {0};
        lyc_json_write_number(&out, numbers[i].value);
        assert_string_equal(lyc_strbuf_text(&out), numbers[i].json);
        lyc_strbuf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_strings),
        cmocka_unit_test(writes_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
