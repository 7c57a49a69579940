/* test_option.c - values from text, ranges, standard values, and near misses
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

typedef struct config {
    bool truth;
    int64_t count;
    double ratio;
    uint64_t bytes;
    const char *text;
    const char *path;
    int choice;
    lyc_option_list list;
} config;

static const lyc_option_choice choices[] = {{"auto", NULL}, {"always", NULL}, {"never", NULL}, {NULL, NULL}};

/* clang-format off */
static const lyc_option options[] = {
    {.name = "truth", .kind = LYC_OPTION_BOOL, .offset = offsetof(config, truth)},
    {.name = "count", .kind = LYC_OPTION_INT, .offset = offsetof(config, count), .standard = "4", .min = 1, .max = 1024},
    {.name = "ratio", .kind = LYC_OPTION_FLOAT, .offset = offsetof(config, ratio), .standard = "0.5", .min = 0,
     .max = LYC_OPTION_UNLIMITED},
    {.name = "bytes", .kind = LYC_OPTION_SIZE, .offset = offsetof(config, bytes), .standard = "1K"},
    {.name = "text", .kind = LYC_OPTION_TEXT, .offset = offsetof(config, text)},
    {.name = "path", .kind = LYC_OPTION_PATH, .offset = offsetof(config, path)},
    {.name = "choice", .kind = LYC_OPTION_ENUM, .offset = offsetof(config, choice), .standard = "never",
     .choices = choices},
    {.name = "list", .kind = LYC_OPTION_LIST, .offset = offsetof(config, list)},
    {0},
};

/* What each text becomes: the value as text, or the message. */
static const struct {
    const char *name, *text, *becomes;
} cases[] = {
    {"truth", "true", "1"}, {"truth", "YES", "1"}, {"truth", "On", "1"}, {"truth", "1", "1"},
    {"truth", "false", "0"}, {"truth", "no", "0"}, {"truth", "off", "0"}, {"truth", "0", "0"},
    {"truth", "", "'' is neither true nor false"}, {"truth", "2", "'2' is neither true nor false"},
    {"count", "1", "1"}, {"count", "1024", "1024"}, {"count", "+7", "7"}, {"count", "007", "7"},
    {"count", "0", "'0' is out of range: expected from 1 to 1024"},
    {"count", "1025", "'1025' is out of range: expected from 1 to 1024"},
    {"count", "-3", "'-3' is out of range: expected from 1 to 1024"},
    {"count", "", "'' is not a whole number"}, {"count", "abc", "'abc' is not a whole number"},
    {"count", " 1", "' 1' is not a whole number"}, {"count", "1 ", "'1 ' is not a whole number"},
    {"count", "1.0", "'1.0' is not a whole number"}, {"count", "1e2", "'1e2' is not a whole number"},
    {"count", "0x10", "'0x10' is not a whole number"}, {"count", "--1", "'--1' is not a whole number"},
    {"count", "9223372036854775808", "'9223372036854775808' is beyond 64 bits"},
    {"ratio", "0", "0"}, {"ratio", "2.5", "2.5"}, {"ratio", ".25", "0.25"}, {"ratio", "1e3", "1000"},
    {"ratio", "-0.1", "'-0.1' is out of range: expected at least 0"},
    {"ratio", "nan", "'nan' is not a number"}, {"ratio", "inf", "'inf' is not a number"},
    {"ratio", "1e999", "'1e999' is not a number"}, {"ratio", "0x1p3", "'0x1p3' is not a number"},
    {"ratio", "1,5", "'1,5' is not a number"}, {"ratio", "", "'' is not a number"},
    {"bytes", "0", "0"}, {"bytes", "4096", "4096"}, {"bytes", "512M", "536870912"}, {"bytes", "2.5k", "2560"},
    {"bytes", "1 GiB", "1073741824"}, {"bytes", "1gib", "1073741824"}, {"bytes", "2GB", "2000000000"},
    {"bytes", "1kB", "1000"}, {"bytes", "12B", "12"}, {"bytes", "1T", "1099511627776"}, {"bytes", "1.5", "1"},
    {"bytes", "8000P", "9007199254740992000"},
    {"bytes", "8192P", "'8192P' is beyond 2^63 bytes"},
    {"bytes", "", "'' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"bytes", "-1", "'-1' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"bytes", "1X", "'1X' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"bytes", "1KBB", "'1KBB' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"bytes", "K", "'K' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"bytes", "1.2.3M", "'1.2.3M' is not a size: expected bytes such as 4096, 512M or 2.4G"},
    {"text", "", ""}, {"text", "a b", "a b"},
    {"path", "a/b", "a/b"}, {"path", "", "an empty text is no file name"},
    {"choice", "auto", "0"}, {"choice", "never", "2"},
    {"choice", "alwais", "'alwais' is none of auto, always or never; did you mean always?"},
    {"choice", "red", "'red' is none of auto, always or never"},
    {"choice", "", "'' is none of auto, always or never"},
};
/* clang-format on */

static const char *value_text(char *text, size_t size, const config *c, const lyc_option *option)
{
    switch (option->kind) {
    case LYC_OPTION_BOOL:
        snprintf(text, size, "%d", c->truth);
        break;
    case LYC_OPTION_INT:
        snprintf(text, size, "%lld", (long long)c->count);
        break;
    case LYC_OPTION_FLOAT:
        snprintf(text, size, "%g", c->ratio);
        break;
    case LYC_OPTION_SIZE:
        snprintf(text, size, "%llu", (unsigned long long)c->bytes);
        break;
    case LYC_OPTION_ENUM:
        snprintf(text, size, "%d", c->choice);
        break;
    default:
        snprintf(text, size, "%s", option->kind == LYC_OPTION_TEXT ? c->text : c->path);
    }
    return text;
}

static void reads_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        config c = {0};
        lyc_error err = {0};
        char text[128];
        const lyc_option *option = lyc_option_find(options, cases[i].name);
        assert_non_null(option);
        if (lyc_option_set(&c, option, cases[i].text, &err) == LYC_OK) {
            assert_string_equal(value_text(text, sizeof text, &c, option), cases[i].becomes);
        } else {
            assert_int_equal(err.status, LYC_E_ARGUMENT);
            assert_string_equal(err.message, cases[i].becomes);
            assert_memory_equal(&c, &(config){0}, sizeof c);
        }
    }
}

static void gives_standard_values(void **state)
{
    (void)state;
    config c;
    memset(&c, 0xA5, sizeof c);
    assert_int_equal(lyc_option_reset(&c, options, NULL), LYC_OK);
    assert_false(c.truth);
    assert_int_equal(c.count, 4);
    assert_true(c.ratio == 0.5);
    assert_int_equal(c.bytes, 1024);
    assert_null(c.text);
    assert_null(c.path);
    assert_int_equal(c.choice, 2);
    assert_int_equal(c.list.count, 0);
}

static void refuses_wrong_standard_values(void **state)
{
    (void)state;
    static const lyc_option wrong[] = {{.name = "n", .kind = LYC_OPTION_INT, .standard = "0", .min = 1, .max = 2}, {0}};
    int64_t n;
    lyc_error err = {0};
    assert_int_equal(lyc_option_reset(&n, wrong, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "n: '0' is out of range: expected from 1 to 2");
}

static void collects_lists(void **state)
{
    (void)state;
    config c;
    assert_int_equal(lyc_option_reset(&c, options, NULL), LYC_OK);
    const lyc_option *list = lyc_option_find(options, "list");
    assert_int_equal(lyc_option_set(&c, list, "one", NULL), LYC_OK);
    assert_int_equal(lyc_option_set(&c, list, "", NULL), LYC_OK);
    assert_int_equal(c.list.count, 2);
    assert_string_equal(c.list.items[0], "one");
    assert_string_equal(c.list.items[1], "");
    lyc_error err = {0};
    lyc_memory_fail_after(1, false);
    assert_int_equal(lyc_option_set(&c, list, "three", &err), LYC_E_MEMORY);
    lyc_memory_fail_after(0, false);
    assert_string_equal(err.message, "a list of 3 texts");
    assert_int_equal(c.list.count, 2);
    lyc_option_clear(&c, options);
    assert_int_equal(c.list.count, 0);
    assert_null(c.list.items);
}

static void finds_rows(void **state)
{
    (void)state;
    assert_ptr_equal(lyc_option_find(options, "count"), &options[1]);
    assert_null(lyc_option_find(options, "coun"));
    assert_null(lyc_option_find(options, "counts"));
}

static void measures_distance(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *a, *b;
        int distance;
    } pairs[] = {
        {"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"threads", "threads", 0}, {"treads", "threads", 1},
        {"inpsect", "inspect", 1}, {"inspct", "inspect", 1}, {"inspectt", "inspect", 1}, {"inspeqt", "inspect", 1},
        {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"ab", "ba", 1}, {"abcdef", "uvwxyz", 6},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(lyc_text_distance(pairs[i].a, pairs[i].b, 10), pairs[i].distance);
        assert_int_equal(lyc_text_distance(pairs[i].b, pairs[i].a, 10), pairs[i].distance);
    }
    assert_true(lyc_text_distance("abcdef", "uvwxyz", 2) > 2);
    char long_word[100] = {0};
    memset(long_word, 'a', sizeof long_word - 1);
    assert_true(lyc_text_distance(long_word, "a", 3) > 3);
}

static void resembles_only_near_misses(void **state)
{
    (void)state;
    int distance;
    assert_true(lyc_text_resembles(&distance, "treads", "threads"));
    assert_int_equal(distance, 1);
    assert_true(lyc_text_resembles(&distance, "compeltion", "completion"));
    assert_false(lyc_text_resembles(&distance, "merge", "help"));
    assert_false(lyc_text_resembles(&distance, "x", "y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),
        cmocka_unit_test(gives_standard_values),
        cmocka_unit_test(refuses_wrong_standard_values),
        cmocka_unit_test(collects_lists),
        cmocka_unit_test(finds_rows),
        cmocka_unit_test(measures_distance),
        cmocka_unit_test(resembles_only_near_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
