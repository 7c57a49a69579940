/* test_parameters.c - generation parameters: written, read back, and as other programs write them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void writes_the_form_of_a1111(void **state)
{
    (void)state;
    lyc_parameters p = {0};
    lyc_strbuf text = {0};
    assert_int_equal(lyc_parameters_add(&p, "Steps", "20", NULL), LYC_OK);
    assert_int_equal(lyc_parameters_add(&p, "Sampler", "DPM++ 2M", NULL), LYC_OK);
    assert_int_equal(lyc_parameters_add(&p, "Lora hashes", "a: 1f2e3d4c5b6a", NULL), LYC_OK);
    assert_int_equal(lyc_parameters_prompts(&p, "a cat <lora:a:0.8>", "low quality", NULL), LYC_OK);
    lyc_parameters_write(&text, &p);
    assert_string_equal(lyc_strbuf_text(&text), "a cat <lora:a:0.8>\nNegative prompt: low quality\n"
                                                "Steps: 20, Sampler: DPM++ 2M, Lora hashes: \"a: 1f2e3d4c5b6a\"");
    assert_int_equal(lyc_parameters_prompts(&p, "a cat <lora:a:0.8>", NULL, NULL), LYC_OK);
    lyc_strbuf_clear(&text);
    lyc_parameters_write(&text, &p);
    assert_string_equal(lyc_strbuf_text(&text), "a cat <lora:a:0.8>\n"
                                                "Steps: 20, Sampler: DPM++ 2M, Lora hashes: \"a: 1f2e3d4c5b6a\"");
    lyc_strbuf_clear(&text);
    lyc_parameters_clear(&p);
}

static const struct {
    const char *text, *prompt, *negative, *key, *value;
    size_t count;
} reads[] = {
    {"a cat\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, Seed: 42", "a cat", "bad", "Sampler", "Euler a", 3},
    {"a cat\r\nNegative prompt: bad\r\nSteps: 20, Sampler: Euler a, Seed: 42\r\n", "a cat", "bad", "Seed", "42", 3},
    {"one\ntwo\nNegative prompt: x\ny\nSteps: 1, CFG scale: 7.5, Size: 512x512", "one\ntwo", "x\ny", "Size", "512x512",
     3},
    {"a: b, c: d\nno line\nSteps: 1, Seed: 2, Size: 8x8", "a: b, c: d\nno line", "", "Steps", "1", 3},
    {"Steps: 1, Seed: 2, Size: 8x8", "", "", "Seed", "2", 3},
    {"only a prompt, with: two", "only a prompt, with: two", "", NULL, NULL, 0},
    {"", "", "", NULL, NULL, 0},
    {"p\nA: 1, B: \"x, \\\"y\\\": \\n\\u00e9\\u0000\", C: 3", "p", "", "B", "x, \"y\": \n\xc3\xa9\xef\xbf\xbd", 3},
    {"p\nA: 1, B: \"open, C: 3", "p", "", "B", "\"open", 3},
    {"p\nA: 1, B: , C: 3,", "p", "", "B", "", 3},
    {"Negative prompt:bad\nA: 1, B: 2, C: 3", "", "bad", "A", "1", 3},
    {"p\nA: 1, B: 2, C: 3\nD: 1, E: 2, F: 3, G: 4", "p\nA: 1, B: 2, C: 3", "", "G", "4", 4},
};

static void reads_what_programs_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        lyc_parameters p;
        assert_int_equal(lyc_parameters_read(&p, reads[i].text, NULL), LYC_OK);
        assert_string_equal(p.prompt, reads[i].prompt);
        assert_string_equal(p.negative, reads[i].negative);
        assert_int_equal(p.count, reads[i].count);
        if (reads[i].key != NULL) {
            assert_string_equal(lyc_parameters_get(&p, reads[i].key), reads[i].value);
        }
        lyc_parameters_clear(&p);
    }
}

static void reads_back_any_value(void **state)
{
    (void)state;
    static const char *const values[] = {
        "a, b", "\"", "\\", "C:\\x", "line\nline\ttab: \x01", "plain", "\xc3\xa9: \xe2\x82\xac"};
    lyc_parameters p = {0};
    lyc_strbuf text = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char key[8] = {'k', (char)('a' + i)};
        assert_int_equal(lyc_parameters_add(&p, key, values[i], NULL), LYC_OK);
    }
    lyc_parameters_write(&text, &p);
    lyc_parameters back;
    assert_int_equal(lyc_parameters_read(&back, lyc_strbuf_text(&text), NULL), LYC_OK);
    assert_int_equal(back.count, p.count);
    for (size_t i = 0; i < p.count; i++) {
        assert_string_equal(back.items[i].key, p.items[i].key);
        assert_string_equal(back.items[i].value, values[i]);
    }
    lyc_parameters_clear(&p);
    lyc_parameters_clear(&back);
    lyc_strbuf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_form_of_a1111),
        cmocka_unit_test(reads_what_programs_write),
        cmocka_unit_test(reads_back_any_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
