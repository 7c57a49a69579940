/* test_sample_prompts.c - prompts of sample pictures as lines, tables and objects
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/sample_prompts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "support/folder.h"

static test_folder folder;
static lyc_error err;
static lyc_sample_prompts *prompts;

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static lyc_status open_text(const char *name, const char *text)
{
    lyc_generate_options standard = LYC_GENERATE_DEFAULT;
    standard.sampler = "ddim";
    standard.width = standard.height = 512;
    test_file_write(test_folder_path(&folder, name), text, strlen(text));
    prompts = NULL;
    return lyc_sample_prompts_open(&prompts, test_folder_path(&folder, name), &standard, &err);
}

static void opens(const char *name, const char *text, size_t count)
{
    if (open_text(name, text) != LYC_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    assert_int_equal(lyc_sample_prompts_count(prompts), count);
}

static const lyc_generate_options *at(size_t index)
{
    return lyc_sample_prompts_options(prompts, index);
}

static void refuses(const char *name, const char *text, const char *message)
{
    char wanted[512];
    assert_int_equal(open_text(name, text), LYC_E_FORMAT);
    snprintf(wanted, sizeof wanted, "reading %s: %s", test_folder_path(&folder, name), message);
    assert_string_equal(err.message, wanted);
}

/* Options of lines in any case, as sd-scripts reads them. */
static void lines(void **state)
{
    (void)state;
    opens("p.txt", "# no prompt\n\na fox --n blurry --W 768 --h 512 --D 7 --s 12 --l 3.5 --SS euler_a\na cat\n", 2);
    assert_string_equal(at(0)->prompt, "a fox");
    assert_string_equal(at(0)->negative, "blurry");
    assert_int_equal(at(0)->width, 768);
    assert_int_equal(at(0)->seed, 7);
    assert_int_equal(at(0)->steps, 12);
    assert_true(at(0)->guidance_scale == 3.5);
    assert_string_equal(at(0)->sampler, "euler_a");
    assert_string_equal(at(1)->prompt, "a cat");
    assert_int_equal(at(1)->width, 512);
    lyc_sample_prompts_free(prompts);
    refuses("p.txt", "a fox --cn edges.png\n",
            "line 1: there is no option --cn in files of prompts; there are n w h s l d t ss f");
}

static void tables(void **state)
{
    (void)state;
    opens("p.toml",
          "[prompt]\nwidth = 640\nscale = 5\nnegative_prompt = 'blurry'\n"
          "[[prompt.subset]]\nprompt = 'a fox -- running'\nseed = 3\n"
          "[[prompt.subset]]\nprompt = 'a cat'\nwidth = 256\nsample_steps = 9\nsample_sampler = 'euler'\n",
          2);
    assert_string_equal(at(0)->prompt, "a fox -- running");
    assert_string_equal(at(0)->negative, "blurry");
    assert_int_equal(at(0)->width, 640);
    assert_int_equal(at(0)->height, 512);
    assert_int_equal(at(0)->seed, 3);
    assert_true(at(0)->guidance_scale == 5);
    assert_int_equal(at(1)->width, 256);
    assert_int_equal(at(1)->steps, 9);
    assert_string_equal(at(1)->sampler, "euler");
    lyc_sample_prompts_free(prompts);
    refuses("p.toml", "[prompt]\nprompt = 'a fox'\n", "no [[prompt.subset]]");
    refuses(
        "p.toml", "[prompt]\nhight = 64\n[[prompt.subset]]\nprompt = 'a'\n",
        "[prompt]: unknown key 'hight'; there are prompt, negative_prompt, width, height, seed, sample_steps, scale, "
        "sample_sampler");
    refuses("p.toml", "[[prompt.subset]]\nwidth = 64\n", "prompt 1: no prompt");
    refuses("p.toml", "[prompt]\nsubset = []\n", "no prompt in the file");
}

static void objects(void **state)
{
    (void)state;
    opens("p.json", "[\"a fox --w 256 --d 1,2\", {\"prompt\": \"a cat\", \"height\": 128, \"scale\": 1.5}, \"a dog\"]",
          4);
    assert_string_equal(at(0)->prompt, "a fox");
    assert_int_equal(at(0)->width, 256);
    assert_int_equal(at(1)->seed, 2);
    assert_string_equal(at(2)->prompt, "a cat");
    assert_int_equal(at(2)->height, 128);
    assert_true(at(2)->guidance_scale == 1.5);
    assert_string_equal(at(3)->prompt, "a dog");
    lyc_sample_prompts_free(prompts);
    refuses("p.json", "{}", "expected a list of prompts");
    refuses("p.json", "[]", "no prompt in the file");
    refuses("p.json", "[3]", "prompt 1: expected a text");
    refuses("p.json", "[{\"prompt\": \"a\", \"width\": 32}]", "prompt 1: width: expected a number from 64 to 20000");
    refuses("p.json", "[{\"prompt\": \"a\", \"seed\": 1.5}]", "prompt 1: seed: expected a whole number");
    refuses("p.json", "[\"a\", {\"prompt\": \"a\", \"sample_steps\": 1001}]",
            "prompt 2: sample_steps: expected a number from 1 to 1000");
    refuses("p.json", "[\"a --q 1\"]",
            "prompt 1: line 1: there is no option --q in files of prompts; there are n w h s l d t ss f");
    assert_int_equal(open_text("p.json", "[\"a\","), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "not JSON (line 1: "));
}

/* More than the first places; each line's texts stay. */
static void many(void **state)
{
    (void)state;
    static char text[64 * 200 + 3] = "[";
    for (int i = 0; i < 200; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"number %d --d %d\"", i > 0 ? "," : "", i, i);
    }
    strcat(text, "]");
    opens("p.json", text, 200);
    assert_string_equal(at(17)->prompt, "number 17");
    assert_int_equal(at(199)->seed, 199);
    lyc_sample_prompts_free(prompts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines, setup, teardown),
        cmocka_unit_test_setup_teardown(tables, setup, teardown),
        cmocka_unit_test_setup_teardown(objects, setup, teardown),
        cmocka_unit_test_setup_teardown(many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
