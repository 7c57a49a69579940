/* test_attr.c - attributes as text: defaults, reading, writing, and what is refused
 *
 * The operation is a made-up one with every kind of attribute.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/string.h"
#include "graph/op.h"

typedef struct attributes {
    int groups;
    float eps;
    bool silu;
    int mode;
    int pad[4];
    float weights[2];
    int axes[3];
} attributes;

static const char *const mode_names[] = {"plain", "fast", NULL};

static const lyc_attr_field fields[] = {
    {"groups", LYC_ATTR_INT, offsetof(attributes, groups), .fallback = 1},
    {"eps", LYC_ATTR_FLOAT, offsetof(attributes, eps), .fallback = 0.5},
    {"silu", LYC_ATTR_BOOL, offsetof(attributes, silu)},
    {"mode", LYC_ATTR_ENUM, offsetof(attributes, mode), .names = mode_names},
    {"pad", LYC_ATTR_INT, offsetof(attributes, pad), .count = 4},
    {"weights", LYC_ATTR_FLOAT, offsetof(attributes, weights), .count = 2},
    {"axes", LYC_ATTR_INT, offsetof(attributes, axes), .count = 3, .fallback = -1},
    {0},
};

static const lyc_op op = {.name = "thing", .inputs = "x", .attrs = fields, .attr_size = sizeof(attributes)};
static const lyc_op bare = {.name = "bare", .inputs = "x"};

/* Reads the words of text into attributes that begin with their defaults. */
static lyc_status parse(attributes *out, const char *text, lyc_error *err)
{
    char copy[256];
    char *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    lyc_attr_defaults(&op, out);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        LYC_TRY(lyc_attr_parse(&op, out, word, err));
    }
    return LYC_OK;
}

static void defaults_fill_every_element(void **state)
{
    (void)state;
    attributes a;
    memset(&a, 0x5a, sizeof a);
    lyc_attr_defaults(&op, &a);
    attributes expected;
    memset(&expected, 0, sizeof expected);
    expected.groups = 1;
    expected.eps = 0.5f;
    for (int i = 0; i < 3; i++) {
        expected.axes[i] = -1;
    }
    assert_memory_equal(&a, &expected, sizeof a);
}

static void reads_every_kind(void **state)
{
    (void)state;
    attributes a;
    lyc_error err = {0};
    assert_int_equal(parse(&a, "groups=-4 eps=1e-05 silu=1 mode=fast pad=1x2x3x4 weights=0.25x-3 axes=2x0", &err), 0);
    assert_int_equal(a.groups, -4);
    assert_true(a.eps == 1e-05f);
    assert_true(a.silu);
    assert_int_equal(a.mode, 1);
    assert_memory_equal(a.pad, ((int[]){1, 2, 3, 4}), sizeof a.pad);
    assert_true(a.weights[0] == 0.25f && a.weights[1] == -3.0f);
    assert_memory_equal(a.axes, ((int[]){2, 0, -1}), sizeof a.axes);
    assert_int_equal(parse(&a, "pad=5x6x7x8 pad=9 weights=0x1", &err), 0);
    assert_memory_equal(a.pad, ((int[]){9, 0, 0, 0}), sizeof a.pad);
    assert_true(a.weights[0] == 0.0f && a.weights[1] == 1.0f); /* no hexadecimal number */
}

static void prints_what_differs(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " groups=0",
        " groups=2147483647 mode=fast",
        " eps=1e-05 silu=1",
        " eps=0.100000001", /* as it is read below; the shortest form of 0.1f is 0.1 */
        " eps=16777216",
        " eps=-3.4028235e+38",
        " eps=1e-45",
        " pad=0x0x0x7",
        " pad=1 weights=0x2.5 axes=0",
        " axes=-1x3",
        " groups=3 eps=2 silu=1 mode=fast pad=1x-1 weights=7 axes=2x0x1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        attributes a;
        attributes again;
        lyc_error err = {0};
        lyc_strbuf text = {0};
        assert_int_equal(parse(&a, texts[i], &err), LYC_OK);
        lyc_attr_print(&text, &op, &a);
        const char *expected = strcmp(texts[i], " eps=0.100000001") == 0 ? " eps=0.1" : texts[i];
        assert_string_equal(lyc_strbuf_text(&text), expected);
        assert_int_equal(parse(&again, lyc_strbuf_text(&text), &err), LYC_OK);
        assert_memory_equal(&a, &again, sizeof a);
        lyc_strbuf_clear(&text);
    }
}

static void prints_a_number_for_an_unnamed_value(void **state)
{
    (void)state;
    attributes a;
    lyc_strbuf text = {0};
    lyc_attr_defaults(&op, &a);
    a.mode = 7;
    lyc_attr_print(&text, &op, &a);
    assert_string_equal(lyc_strbuf_text(&text), " mode=7");
    lyc_strbuf_clear(&text);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"groups=four", "groups=four, expected a whole number"},
        {"groups=", "groups=, expected a whole number"},
        {"groups=4.5", "groups=4.5, expected a whole number"},
        {"groups=4 ", "groups=4 , expected a whole number"},
        {"groups= 4", "groups= 4, expected a whole number"},
        {"groups=2147483648", "groups=2147483648, expected a whole number"},
        {"groups=99999999999999999999", "groups=99999999999999999999, expected a whole number"},
        {"groups=1x2", "groups=1x2 has too many values, expected 1 at most"},
        {"eps=tiny", "eps=tiny, expected a number"},
        {"eps=nan", "eps=nan, expected a number"},
        {"eps=1e39", "eps=1e39, expected a number"},
        {"eps=1x", "eps=1x has too many values, expected 1 at most"},
        {"silu=2", "silu=2, expected 0 or 1"},
        {"silu=true", "silu=true, expected 0 or 1"},
        {"mode=slow", "mode=slow, expected one of plain, fast"},
        {"mode=", "mode=, expected one of plain, fast"},
        {"pad=1x2x3x4x5", "pad=1x2x3x4x5 has too many values, expected 4 at most"},
        {"pad=1x2x", "pad=1x2x, expected a whole number"},
        {"pad=1xx2", "pad=1xx2, expected a whole number"},
        {"group=4", "group=4: thing has the attributes groups, eps, silu, mode, pad, weights, axes, as name=value"},
        {"groups", "groups: thing has the attributes groups, eps, silu, mode, pad, weights, axes, as name=value"},
        {"=4", "=4: thing has the attributes groups, eps, silu, mode, pad, weights, axes, as name=value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        attributes a;
        lyc_error err = {0};
        lyc_attr_defaults(&op, &a);
        assert_int_equal(lyc_attr_parse(&op, &a, cases[i][0], &err), LYC_E_FORMAT);
        assert_string_equal(err.message, cases[i][1]);
    }
}

static void operations_without_attributes(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_strbuf text = {0};
    lyc_attr_print(&text, &bare, NULL);
    assert_string_equal(lyc_strbuf_text(&text), "");
    assert_int_equal(lyc_attr_parse(&bare, NULL, "a=1", &err), LYC_E_FORMAT);
    assert_string_equal(err.message, "a=1: bare has the attributes (none), as name=value");
    lyc_strbuf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_element),
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(prints_what_differs),
        cmocka_unit_test(prints_a_number_for_an_unnamed_value),
        cmocka_unit_test(refuses),
        cmocka_unit_test(operations_without_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
