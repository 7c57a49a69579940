/* test_number.c - numbers as text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void reads_decimal_numbers_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        double value;
    } cases[] = {
        {"0", true, 0},      {"-1", true, -1},    {"+2.5", true, 2.5},
        {".5", true, 0.5},   {"5.", true, 5},     {"2e-3", true, 2e-3},
        {"1E3", true, 1000}, {"1e-400", true, 0}, {"4.9e-324", true, 4.9406564584124654e-324},
        {"1e400", false, 0}, {"", false, 0},      {" 1", false, 0},
        {"1 ", false, 0},    {"0x10", false, 0},  {"inf", false, 0},
        {"nan", false, 0},   {"1,5", false, 0},   {"1e", false, 0},
        {"e1", false, 0},    {"--1", false, 0},   {"1.2.3", false, 0},
        {"-", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = -7;
        if (lyc_number_parse(&value, lyc_span_of(cases[i].text)) != cases[i].good ||
            value != (cases[i].good ? cases[i].value : -7)) {
            fail_msg("'%s' gives %g", cases[i].text, value);
        }
    }
    double value = -7;
    assert_true(lyc_number_parse(&value, (lyc_span){"12345", 2})); /* part of a longer text */
    assert_true(value == 12);
    char digits[2000];
    memset(digits, '1', sizeof digits);
    assert_false(lyc_number_parse(&value, (lyc_span){digits, sizeof digits}));
}

/* Rounded once: by way of double this would be 1 + 2^-23. */
static void reads_floats_with_one_rounding(void **state)
{
    (void)state;
    const char *text = "1.00000017881393432617187499";
    float value = 0;
    assert_true(lyc_number_parse_f32(&value, lyc_span_of(text)));
    assert_true(value == 1.00000011920928955078125f);
    double wide = 0;
    assert_true(lyc_number_parse(&wide, lyc_span_of(text)));
    assert_true((float)wide != value);
    assert_false(lyc_number_parse_f32(&value, lyc_span_of("1e39")));
}

static void writes_the_shortest_text_that_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *f64, *f32;
    } cases[] = {
        {0, "0", "0"},
        {-0.0, "-0", "-0"},
        {0.1, "0.1", "0.1"},
        {1.0 / 3, "0.3333333333333333", "0.33333334"},
        {1e21, "1e+21", "1e+21"},
        {-2.5e-10, "-2.5e-10", "-2.5e-10"},
        {16777217, "16777217", "16777216"},
        {(double)INFINITY, "inf", "inf"},
        {-(double)INFINITY, "-inf", "-inf"},
        {-(double)NAN, "nan", "nan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[LYC_NUMBER];
        assert_string_equal(lyc_number_format(out, cases[i].value), cases[i].f64);
        assert_string_equal(lyc_number_format_f32(out, (float)cases[i].value), cases[i].f32);
    }
    char out[LYC_NUMBER];
    assert_string_equal(lyc_number_format(out, -DBL_MAX), "-1.7976931348623157e+308");
    assert_string_equal(lyc_number_format(out, 4.9406564584124654e-324), "5e-324");
}

static void random_values_survive(void **state)
{
    (void)state;
    uint64_t bits = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value, back = 0;
        float narrow, narrow_back = 0;
        const uint32_t low = (uint32_t)(bits >> 32);
        memcpy(&value, &bits, sizeof value);
        memcpy(&narrow, &low, sizeof narrow);
        char out[LYC_NUMBER];
        if (isfinite(value)) {
            assert_true(lyc_number_parse(&back, lyc_span_of(lyc_number_format(out, value))));
            assert_memory_equal(&back, &value, sizeof value);
        }
        if (isfinite(narrow)) {
            assert_true(lyc_number_parse_f32(&narrow_back, lyc_span_of(lyc_number_format_f32(out, narrow))));
            assert_memory_equal(&narrow_back, &narrow, sizeof narrow);
        }
    }
}

/* Where the system has no locale with a comma there is nothing to see. */
static void the_locale_changes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    }
    if (!found) {
        skip();
    }
    char out[LYC_NUMBER];
    char local[LYC_NUMBER];
    snprintf(local, sizeof local, "%g", 0.5);
    assert_string_equal(local, "0,5"); /* the locale is in force */
    assert_string_equal(lyc_number_format(out, 0.5), "0.5");
    double value = 0;
    assert_true(lyc_number_parse(&value, lyc_span_of("0.5")));
    assert_true(value == 0.5);
    snprintf(local, sizeof local, "%g", 0.5);
    assert_string_equal(local, "0,5"); /* and still is */
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_decimal_numbers_alone),
        cmocka_unit_test(reads_floats_with_one_rounding),
        cmocka_unit_test(writes_the_shortest_text_that_reads_back),
        cmocka_unit_test(random_values_survive),
        cmocka_unit_test(the_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
