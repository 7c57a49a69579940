/* test_tools.c - what the tools make of every kind of adapter: the table of docs/manual/tools.md
 *
 * Each cell is found anew: the tool is run with a sample of the row, and its result measured against the sample. So
 * the page says what the tools do, and what it calls exact is that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "lycoris/bundle.h"
#include "lycoris/convert.h"
#include "lycoris/merge.h"
#include "lycoris/resize.h"
#include "lycoris/split_dylora.h"
#include "lycoris/verify.h"
#include "support/folder.h"
#include "support/sample_model.h"
#include "support/table.h"

static const char PAGE[] = "docs/manual/tools.md";

/* Relative error of what is the same but for rounding in f32; of ranks that are left out it is thousands of times more.
 */
static const double ROUNDING = 2e-6;

static test_folder folder;
static lyc_arena paths;
static const char *model, *adapter, *output;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    model = lyc_arena_text(&paths, test_folder_path(&folder, "model.safetensors"));
    adapter = lyc_arena_text(&paths, test_folder_path(&folder, "adapter.safetensors"));
    output = lyc_arena_text(&paths, test_folder_path(&folder, "output.safetensors"));
    test_sample_model(model, LYC_F32);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

/* "copied", "exact" or "near" by what the output does to the model. */
static const char *measured(void)
{
    if (test_has_tensors_of(output, adapter)) {
        return "copied";
    }
    return test_change_distance(adapter, output, model) <= ROUNDING ? "exact" : "near";
}

static lyc_network_file *open_sample(void)
{
    lyc_error err;
    lyc_network_file *file = NULL;
    if (lyc_network_file_open(&file, adapter, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return file;
}

/* --- the tools: a word for the result, "-" where they refuse the row ------------------------------------------------
 */

static const char *by_merge(void)
{
    lyc_error err;
    lyc_merge_report *report = NULL;
    test_change wanted;
    size_t count;
    double off = 0.0, size = 0.0;
    const lyc_merge_adapter merged = {adapter, 0.7, 0.7};
    const lyc_merge_options o = {
        .base = model, .output = output, .adapters = &merged, .adapter_count = 1, .force = true};
    if (lyc_merge(&report, &o, NULL, &err) != LYC_OK) {
        return "-";
    }
    lyc_merge_report_free(report);
    test_change_of(&wanted, adapter, model, 0.7);
    float *found = test_sample_weight(&count, adapter, output);
    assert_int_equal(count, wanted.count);
    for (size_t i = 0; i < count; i++) {
        const double d = (double)found[i] - (double)wanted.merged[i];
        off += d * d;
        size += (double)wanted.weight[i] * (double)wanted.weight[i];
    }
    free(found);
    test_change_clear(&wanted);
    return size > 0.0 && sqrt(off / size) <= ROUNDING ? "exact" : "near";
}

static const char *converted(lyc_convert_options o)
{
    lyc_error err;
    lyc_conversion *conversion = NULL;
    lyc_network_file *file = open_sample();
    o.keep_dtype = o.force = true;
    const lyc_status status = lyc_convert(&conversion, output, file, &o, NULL, &err);
    const bool near = status == LYC_OK && lyc_conversion_layer(conversion, 0).error > 0.0;
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
    if (status != LYC_OK) {
        assert_int_equal(status, LYC_E_UNSUPPORTED);
        return NULL;
    }
    const char *word = measured();
    if (!near && strcmp(word, "near") == 0) {
        fail_msg("a conversion that is told to be exact is not");
    }
    return near ? "near" : word;
}

static const char *by_names(void)
{
    const char *word = converted((lyc_convert_options){.scheme = "diffusers"});
    return word != NULL ? word : "-";
}

/* "base" behind the word: the base model is needed. */
static const char *by_algorithm(const char *algorithm)
{
    const char *word = converted((lyc_convert_options){.algorithm = algorithm});
    if (word != NULL) {
        return word;
    }
    word = converted((lyc_convert_options){.algorithm = algorithm, .base = model});
    return word == NULL ? "-" : strcmp(word, "exact") == 0 ? "exact, base" : "near, base";
}

static const char *by_lora(void)
{
    return by_algorithm("lora");
}

static const char *by_full(void)
{
    return by_algorithm("full");
}

static const char *by_resize(void)
{
    lyc_error err;
    lyc_resizing *resizing = NULL;
    lyc_network_file *file = open_sample();
    const lyc_resize_options o = {.rank = 1, .keep_dtype = true, .force = true};
    const lyc_status status = lyc_resize(&resizing, output, file, &o, NULL, &err);
    const bool resized = status == LYC_OK && lyc_resizing_layer(resizing, 0).resized;
    lyc_resizing_free(resizing);
    lyc_network_file_close(file);
    return !resized ? "-" : measured();
}

static const char *by_split(void)
{
    lyc_error err;
    lyc_splitting *splitting = NULL;
    const lyc_split_options o = {.unit = 2, .force = true};
    const lyc_status status = lyc_split_dylora(&splitting, output, adapter, &o, NULL, &err);
    lyc_splitting_free(splitting);
    return status == LYC_OK ? "parts" : "-";
}

static const char *by_bundle(void)
{
    lyc_error err;
    lyc_bundling *bundling = NULL;
    const lyc_bundle_embedding e = {"examples/adapter/embedding.safetensors", "sks"};
    const lyc_bundle_options o = {.embeddings = &e, .embedding_count = 1, .force = true};
    if (lyc_bundle(&bundling, output, adapter, &o, NULL, &err) != LYC_OK) {
        return "-";
    }
    lyc_bundling_free(bundling);
    return measured();
}

static const struct {
    const char *title;
    const char *(*run)(void);
} tools[] = {
    {"merge", by_merge},
    {"convert --to diffusers", by_names},
    {"--algo lora", by_lora},
    {"--algo full", by_full},
    {"resize", by_resize},
    {"split-dylora", by_split},
    {"bundle, unbundle", by_bundle},
};
enum { TOOLS = sizeof tools / sizeof tools[0], CELLS = TOOLS + 4 };

/* --- the page ------------------------------------------------------------------------------------------------------
 */

/* The cells of a row of a Markdown table; 0 where the line is none. */
static size_t cells_of(char *cells[CELLS], char *line)
{
    const size_t length = strlen(line);
    if (length < 4 || line[0] != '|' || line[length - 1] != '|') {
        return 0;
    }
    line[length - 1] = '\0';
    return test_table_split(cells, CELLS, line + 1);
}

static const char *without_ticks(char *text)
{
    char *out = text;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c != '`') {
            *out++ = *c;
        }
    }
    *out = '\0';
    return text;
}

/* Says what the row should be when it is another. */
static bool row_is_true(char *cells[CELLS], size_t count, const char *title)
{
    char found[512] = "";
    bool same = count == TOOLS + 1 && strcmp(cells[0], title) == 0;
    test_sample_adapter(adapter, title);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *word = tools[i].run();
        same = same && strcmp(cells[i + 1], word) == 0;
        strncat(found, word, sizeof found - strlen(found) - 1);
        strncat(found, " | ", sizeof found - strlen(found) - 1);
    }
    if (!same) {
        print_error("%s should have\n| %s | %.*s\n", PAGE, title, (int)strlen(found) - 1, found);
    }
    return same;
}

/* The rows are those of the table of formats, in its order. */
static void the_page_is_true(void **state)
{
    (void)state;
    test_table table;
    char *cells[CELLS];
    size_t row = 0, count, wrong = 0;
    bool inside = false;
    test_table_open(&table, PAGE);
    while (test_table_next(&table)) {
        if ((count = cells_of(cells, table.line)) < 2 || strncmp(cells[0], "---", 3) == 0) {
            continue;
        }
        if (lyc_format_title_at(row) == NULL) {
            break;
        }
        if (!inside) {
            inside = count == TOOLS + 1 && strcmp(cells[0], "adapter") == 0;
            for (size_t i = 0; inside && i < TOOLS; i++) {
                assert_string_equal(without_ticks(cells[i + 1]), tools[i].title);
            }
            continue;
        }
        wrong += !row_is_true(cells, count, lyc_format_title_at(row));
        row++;
    }
    test_table_close(&table, 20);
    if (lyc_format_title_at(row) != NULL) {
        fail_msg("%s: no row of %s", PAGE, lyc_format_title_at(row));
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_page_is_true, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
