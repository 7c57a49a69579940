/* test_verify.c - what programs make of adapter files: tables of files, and the table of formats
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lycoris/verify.h"
#include "support/folder.h"
#include "support/table.h"
#include "support/tensor_file.h"

static test_folder folder;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static size_t consumer_named(const char *name)
{
    size_t index;
    if (!lyc_consumer_find(&index, name)) {
        fail_msg("no consumer %s", name);
    }
    return index;
}

static lyc_network_file *open_file(const char *path, const char *line)
{
    lyc_error err;
    lyc_network_file *file = NULL;
    const lyc_network_file_options options = {.component = "unet"};
    if (lyc_network_file_open(&file, path, &options, &err) != LYC_OK) {
        fail_msg("%s: %s", line, err.message);
    }
    return file;
}

static void check_first(const lyc_network_file *file, const char *consumer, const char *verdict, const char *why,
                        const char *line)
{
    lyc_error err;
    lyc_verification *v = NULL;
    const char *reason;
    assert_int_equal(lyc_verify(&v, file, consumer_named(consumer), &err), LYC_OK);
    const lyc_verdict got = lyc_verification_layer(&reason, v, 0);
    if (strcmp(lyc_verdict_name(got), verdict) != 0 || strcmp(reason != NULL ? reason : "-", why) != 0) {
        fail_msg("%s: %s for %s, %s", line, lyc_verdict_name(got), consumer, reason != NULL ? reason : "-");
    }
    lyc_verification_free(v);
}

static void files_are_judged(void **state)
{
    (void)state;
    test_table table;
    const char *path = test_folder_path(&folder, "a.safetensors");
    test_table_open(&table, "tests/tool/verify.txt");
    while (test_table_next(&table)) {
        char *part[4];
        assert_int_equal(test_table_split(part, 4, table.line), 4);
        test_tensor_file(path, part[0], NULL);
        lyc_network_file *file = open_file(path, part[0]);
        check_first(file, part[1], part[2], part[3], part[0]);
        lyc_network_file_close(file);
    }
    test_table_close(&table, 20);
}

/* "name: reason; name: reason". */
static bool gives_reason(const char *reasons, const char *consumer, const char *reason)
{
    char text[256];
    snprintf(text, sizeof text, "%s: %s", consumer, reason);
    return strcmp(reason, "the algorithm is not known") == 0 || strstr(reasons, text) != NULL;
}

/* The verdict of a row is the one that is written down, and the one of the row's sample as a file. */
static void check_row(size_t row, char *part[3])
{
    lyc_error err;
    const char *path = test_folder_path(&folder, "sample.safetensors");
    assert_string_equal(lyc_format_title_at(row), part[0]);
    if (lyc_format_write_sample(path, row, true, &err) != LYC_OK) {
        fail_msg("%s: %s", part[0], err.message);
    }
    lyc_network_file *file = open_file(path, part[0]);
    assert_int_equal(lyc_network_file_count(file), 1);
    assert_int_equal(lyc_network_file_unmatched_count(file), 0);
    char *word = strtok(part[1], " ");
    for (size_t k = 0; k < lyc_consumer_count(); k++, word = strtok(NULL, " ")) {
        lyc_verdict verdict;
        const char *reason;
        const lyc_consumer_info info = lyc_consumer_at(k);
        assert_non_null(word);
        assert_int_equal(lyc_format_verdict(&verdict, &reason, row, k, &err), LYC_OK);
        if (strcmp(lyc_verdict_name(verdict), word) != 0 ||
            (reason != NULL && !gives_reason(part[2], info.name, reason))) {
            fail_msg("%s: %s for %s, %s", part[0], lyc_verdict_name(verdict), info.name, reason);
        }
        /* The sample has kohya's names; for these two the row is judged under their own. */
        if (strcmp(info.name, "peft") != 0 && strcmp(info.name, "diffusers") != 0) {
            check_first(file, info.name, word, reason != NULL ? reason : "-", part[0]);
        }
    }
    assert_null(word);
    lyc_network_file_close(file);
}

static void formats_are_as_written_down(void **state)
{
    (void)state;
    size_t row = 0;
    test_table table;
    test_table_open(&table, "tests/tool/formats.txt");
    while (test_table_next(&table)) {
        char *part[3];
        assert_int_equal(test_table_split(part, 3, table.line), 3);
        check_row(row++, part);
    }
    test_table_close(&table, 20);
    assert_null(lyc_format_title_at(row));
}

/* Two layers of three are dropped; diffusers refuses the file for one. */
static void files_are_summed_up(void **state)
{
    (void)state;
    lyc_error err;
    lyc_verification *v;
    const char *path = test_folder_path(&folder, "b.safetensors");
    test_tensor_file(path,
                     "lora_unet_conv_in.lora_down.weight:F32:2x8 lora_unet_conv_in.lora_up.weight:F32:6x2 "
                     "lora_unet_conv_out.on_input:I64:-=1 lora_unet_conv_out.weight:F32:8 "
                     "lora_unet_time_embedding_linear_1.on_input:I64:-=1 "
                     "lora_unet_time_embedding_linear_1.weight:F32:8 what:F32:1",
                     NULL);
    lyc_network_file *file = open_file(path, path);
    assert_int_equal(lyc_verify(&v, file, consumer_named("comfyui"), &err), LYC_OK);
    lyc_verify_summary s = lyc_verification_summary(v);
    assert_int_equal(s.verdict, LYC_VERDICT_DROPPED);
    assert_int_equal(s.layers[LYC_VERDICT_LOADS], 1);
    assert_int_equal(s.layers[LYC_VERDICT_DROPPED], 2);
    assert_int_equal(s.unmatched, 1);
    assert_false(s.refused);
    assert_int_equal(lyc_verification_finding_count(v), 1);
    assert_int_equal(lyc_verification_finding(v, 0).layers, 2);
    assert_string_equal(lyc_verification_finding(v, 0).reason, "the algorithm is not known");
    lyc_verification_free(v);
    assert_int_equal(lyc_verify(&v, file, consumer_named("diffusers"), &err), LYC_OK);
    s = lyc_verification_summary(v);
    assert_true(s.refused);
    lyc_verification_free(v);
    lyc_network_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_judged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(formats_are_as_written_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_summed_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
