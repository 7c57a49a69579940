/* test_prompt_weight.c - brackets of prompts, against the table
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"
#include "support/table.h"
#include "text/prompt_weight.h"

/* Nine digits, with a fraction as the table has it. */
static void print_items(char *out, size_t size, const lyc_prompt_items *items)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < items->count && length < size; i++) {
        const lyc_prompt_item *item = &items->items[i];
        const char *blank = i > 0 ? " " : "";
        if (item->is_break) {
            length += (size_t)snprintf(out + length, size - length, "%s<BREAK>", blank);
            continue;
        }
        char number[64];
        snprintf(number, sizeof number, "%.9g", item->weight);
        length += (size_t)snprintf(out + length, size - length, "%s<%.*s>%s%s", blank, (int)item->text.length,
                                   item->text.text, number, strchr(number, '.') != NULL ? "" : ".0");
    }
}

static void test_prompts(void **state)
{
    (void)state;
    test_table table;
    test_table_open(&table, "tests/text/prompt_weights.txt");
    while (test_table_next(&table)) {
        char *arrow = strstr(table.line, " => ");
        assert_non_null(arrow);
        *arrow = '\0';
        char *expected = arrow + 4;
        expected[test_unescape(expected)] = '\0';
        const lyc_span text = {table.line, test_unescape(table.line)};

        lyc_error err = {0};
        lyc_arena arena = {0};
        lyc_prompt_items items = {0};
        char got[4096];
        assert_int_equal(lyc_prompt_weight_parse(&items, &arena, text, true, &err), LYC_OK);
        print_items(got, sizeof got, &items);
        if (strcmp(got, expected) != 0) {
            fail_msg("line %d: %s, expected %s", table.number, got, expected);
        }
        lyc_arena_clear(&arena);
    }
    test_table_close(&table, 35);
}

/* Where the reference is not followed: BREAK in brackets is a break. */
static void test_break_in_brackets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool breaks;
        const char *items;
    } cases[] = {
        {"(a BREAK b:1.2)", true, "<a>1.2 <BREAK> <b>1.2"},
        {"(a BREAK b:1.2)", false, "<a BREAK b>1.2"},
        {"(a:1.2.3)", true, "<a:1.2.3>1.1"}, /* no number; the reference fails */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_arena arena = {0};
        lyc_prompt_items items = {0};
        char got[256];
        assert_int_equal(lyc_prompt_weight_parse(&items, &arena, lyc_span_of(cases[i].text), cases[i].breaks, NULL),
                         LYC_OK);
        print_items(got, sizeof got, &items);
        assert_string_equal(got, cases[i].items);
        lyc_arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_break_in_brackets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
