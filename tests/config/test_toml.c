/* test_toml.c - TOML as JSON trees
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/toml.h"

static void converts(void **state)
{
    (void)state;
    static const struct {
        const char *toml, *json;
    } cases[] = {
        {"", "{}"},
        {"z = 1\na = \"x\"\nm = true", "{\"z\":1,\"a\":\"x\",\"m\":true}"},
        {"[t.z]\nb = 0.5\n[t.a]\nb = 9007199254740993", "{\"t\":{\"z\":{\"b\":0.5},\"a\":{\"b\":9007199254740993}}}"},
        {"l = [\".*to_k\", 'a\\.b']", "{\"l\":[\".*to_k\",\"a\\\\.b\"]}"},
        {"[[d]]\nx = 1\n[[d]]\nx = 2", "{\"d\":[{\"x\":1},{\"x\":2}]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *tree = NULL;
        lyc_error err = {0};
        assert_int_equal(lyc_toml_parse(&tree, cases[i].toml, strlen(cases[i].toml), &err), LYC_OK);
        char *text = json_dumps(tree, JSON_COMPACT);
        assert_string_equal(text, cases[i].json);
        free(text);
        json_decref(tree);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *toml, *message;
    } cases[] = {
        {"a = ", "line 1, column "},
        {"a = 1\na = 2", "line 2, column "},
        {"x = 1\na = 1979-05-27", "line 2: dates and times mean nothing here"},
        {"a = inf", "line 1: a number that is not finite"},
        {"a = \"\xff\"", "line 1, column "},
        {"\"a\\u0000b\" = 1", "line 1: a key with a NUL character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *tree = NULL;
        lyc_error err = {0};
        assert_int_equal(lyc_toml_parse(&tree, cases[i].toml, strlen(cases[i].toml), &err), LYC_E_FORMAT);
        assert_null(tree);
        assert_memory_equal(err.message, cases[i].message, strlen(cases[i].message));
    }
}

static void names_the_file(void **state)
{
    (void)state;
    json_t *tree = NULL;
    lyc_error err = {0};
    assert_int_equal(lyc_toml_read(&tree, "tests/config/none.toml", &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "tests/config/none.toml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
