/* test_prompt.c - prompts taken apart: adapters, conditions, what is refused
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/prompt.h"

/* "text:weight text:weight | name unet te", or "error: ..."; in static memory. */
static const char *parts_of(const char *text, const lyc_prompt_options *options)
{
    static char out[2048];
    lyc_error err = {0};
    lyc_prompt prompt;
    size_t n = 0;
    if (lyc_prompt_parse(&prompt, lyc_span_of(text), options, &err) != LYC_OK) {
        snprintf(out, sizeof out, "error: %s", err.message);
        return out;
    }
    out[0] = '\0';
    for (size_t i = 0; i < prompt.condition_count; i++) {
        const lyc_prompt_condition *c = &prompt.conditions[i];
        n += (size_t)snprintf(out + n, sizeof out - n, "%s{%g", i > 0 ? " " : "", c->weight);
        for (size_t k = 0; k < c->items.count; k++) {
            const lyc_prompt_item *item = &c->items.items[k];
            n += (size_t)snprintf(out + n, sizeof out - n, " '%.*s'", (int)item->text.length, item->text.text);
            if (item->weight != 1) {
                n += (size_t)snprintf(out + n, sizeof out - n, ":%g", item->weight);
            }
        }
        n += (size_t)snprintf(out + n, sizeof out - n, "}");
    }
    for (size_t i = 0; i < prompt.networks.count; i++) {
        const lyc_prompt_network *network = &prompt.networks.networks[i];
        n += (size_t)snprintf(out + n, sizeof out - n, " <%s %g %g>", network->name, network->unet,
                              network->text_encoder);
    }
    lyc_prompt_clear(&prompt);
    return out;
}

static const struct {
    const char *text, *parts;
} cases[] = {
    {"", "{1 ''}"},
    {"a cat", "{1 'a cat'}"},
    {"a cat AND a dog", "{1 'a cat '} {1 ' a dog'}"},
    {"a cat :1.2 AND a dog: -.5 ", "{1.2 'a cat'} {-0.5 ' a dog'}"},
    {"(a:1.2) AND b:+2", "{1 'a':1.2 ' '} {2 ' b'}"},
    {"BRAND ANDY _AND_ at 12:30", "{1 'BRAND ANDY _AND_ at 12:30'}"},
    {"AND", "{1 ''} {1 ''}"},
    {"a<lora:x>b", "{1 'ab'} <x 1 1>"},
    {"<lora:x:0.5> a", "{1 ' a'} <x 0.5 0.5>"},
    {"a <lyco:my style v2:0.5:0.25>", "{1 'a '} <my style v2 0.5 0.25>"},
    {"<lora:x:1:te=0.5:unet=0.8>", "{1 ''} <x 0.8 0.5>"},
    {"<lora:x:te=0>", "{1 ''} <x 1 0>"},
    {"<lora:x:unet = 0.5>", "{1 ''} <x 0.5 0.5>"},
    {"<lora:x:-1><lora:y:2><lora:x:3>", "{1 ''} <x 3 3> <y 2 2>"},
    {"a < b <3 <loran:x> <lora:x", "{1 'a < b <3 <loran:x> <lora:x'}"},
    {"<lora:x:1> a AND b", "{1 ' a '} {1 ' b'} <x 1 1>"},
    {"<lora::1>", "error: <lora::1> names no adapter"},
    {"<lora:>", "error: <lora:> names no adapter"},
    {"<lora:x:high>",
     "error: <lora:x:high>: 'high' is no multiplier; the forms are <lora:name:unet:te> and <lora:name:unet=1:te=1>"},
    {"<lora:x:1:1:1>",
     "error: <lora:x:1:1:1>: '1' is no multiplier; the forms are <lora:name:unet:te> and <lora:name:unet=1:te=1>"},
    {"<lora:x:lbw=1>",
     "error: <lora:x:lbw=1>: 'lbw=1' is no multiplier; the forms are <lora:name:unet:te> and <lora:name:unet=1:te=1>"},
    {"<hypernet:x:1>", "error: <hypernet:x:1>: hypernetworks are not supported"},
    {"a\xff", "error: the prompt is not UTF-8 at byte 1"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(parts_of(cases[i].text, &LYC_PROMPT_POSITIVE), cases[i].parts);
    }
}

/* What an option leaves out is text. */
static void test_options(void **state)
{
    (void)state;
    assert_string_equal(parts_of("(a:1.2) AND <lora:x>", NULL), "{1 '(a:1.2) AND <lora:x>'}");
    assert_string_equal(parts_of("(a:1.2) AND <lora:x>", &LYC_PROMPT_NEGATIVE), "{1 'a':1.2 ' AND <lora:x>'}");
}

static void test_limits(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_prompt prompt;
    char *text = malloc(LYC_PROMPT_MAX_TEXT + 1);
    memset(text, '(', LYC_PROMPT_MAX_TEXT + 1);
    assert_int_equal(lyc_prompt_parse(&prompt, (lyc_span){text, LYC_PROMPT_MAX_TEXT + 1}, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "a prompt of 65537 bytes; the limit is 65536");
    assert_int_equal(lyc_prompt_parse(&prompt, (lyc_span){text, LYC_PROMPT_MAX_TEXT}, &LYC_PROMPT_POSITIVE, &err),
                     LYC_OK);
    lyc_prompt_clear(&prompt);
    free(text);

    char many[256] = "";
    for (int i = 0; i < LYC_PROMPT_MAX_CONDITIONS; i++) {
        strcat(many, " AND");
    }
    assert_string_equal(parts_of(many, &LYC_PROMPT_POSITIVE),
                        "error: a prompt with 17 conditions (AND); the limit is 16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
