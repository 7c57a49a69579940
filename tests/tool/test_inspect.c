/* test_inspect.c - hashes of files against sd-scripts', statistics of every tensor, stopping
 *
 * The hashes were computed by sd-scripts' precalculate_safetensors_hashes (library/train_util.py) with safetensors
 * 0.8.0 over the file that make_file writes, and by Python's hashlib.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"

/* Not in the reference library's order: a type of two bytes between types of four, metadata unsorted. */
static const char header[] =
    "{\"__metadata__\":{\"ss_z\":\"last\",\"other\":\"\\u00e9\\n\\\"x\\\\\",\"ss_a\":\"1\\t\\u007f\\u00e9\"},"
    "\"b\":{\"dtype\":\"F32\",\"shape\":[300000],\"data_offsets\":[0,1200000]},"
    "\"a\":{\"dtype\":\"F16\",\"shape\":[1000],\"data_offsets\":[1200000,1202000]},"
    "\"c\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[1202000,1202016]}}";
enum { DATA_SIZE = 1202016 };

typedef struct fixture {
    char path[64];
    lyc_safetensors *file;
} fixture;

static int make_file(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    strcpy(f->path, "/tmp/lycoris-test-XXXXXX");
    FILE *out = fdopen(mkstemp(f->path), "wb");
    for (int i = 0; i < 8; i++) {
        fputc((int)((sizeof header - 1) >> 8 * i & 0xFF), out);
    }
    fwrite(header, 1, sizeof header - 1, out);
    for (int i = 0; i < DATA_SIZE; i++) {
        fputc((i * 31 + 7 + (i >> 8)) & 0xFF, out);
    }
    *state = f;
    return fclose(out) != 0 || lyc_safetensors_open(&f->file, f->path, NULL, NULL) != LYC_OK;
}

static int remove_file(void **state)
{
    fixture *f = *state;
    lyc_safetensors_close(f->file);
    unlink(f->path);
    free(f);
    return 0;
}

static void hashes_as_sd_scripts(void **state)
{
    const fixture *f = *state;
    lyc_file_hashes hashes;
    assert_int_equal(lyc_inspect_hashes(&hashes, f->path, f->file, NULL, NULL), LYC_OK);
    assert_string_equal(hashes.sha256, "9473d462f0de42878d3054bbc76994e68ac513c0dbf31e3da19e46eb45bf878f");
    assert_string_equal(hashes.legacy, "6d6cf594");
    assert_string_equal(hashes.model, "24616af3869dc40ffc19f457d71cea61397580605256ea5f1b70ace1e4717dec");
    assert_string_equal(hashes.model_legacy, "c09ea3e8");
}

static void hashes_the_example(void **state)
{
    (void)state;
    const char *path = "examples/adapter/adapter.safetensors";
    lyc_safetensors *file = NULL;
    lyc_file_hashes hashes;
    assert_int_equal(lyc_safetensors_open(&file, path, NULL, NULL), LYC_OK);
    assert_int_equal(lyc_inspect_hashes(&hashes, path, file, NULL, NULL), LYC_OK);
    assert_string_equal(hashes.model, "4d4e38adee9695e2864d934e9f7a0b42da90cbb4ddaedefcd1d36c53417e9d33");
    assert_string_equal(hashes.model_legacy, "e3b0c442"); /* shorter than 1 MiB */
    lyc_safetensors_close(file);
}

static void survives_lack_of_memory(void **state)
{
    const fixture *f = *state;
    lyc_file_hashes hashes;
    lyc_error err = {0};
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        lyc_memory_fail_after(n, false);
        const lyc_status status = lyc_inspect_hashes(&hashes, f->path, f->file, NULL, &err);
        lyc_memory_fail_after(0, false);
        if (status == LYC_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(status, LYC_E_MEMORY);
    }
    assert_string_equal(hashes.model_legacy, "c09ea3e8");
}

/* What a visitor saw. */
typedef struct seen {
    char names[64];
    uint64_t count;
    lyc_status answer;
} seen;

static bool is_not_b(void *context, const lyc_tensor_view *tensor)
{
    (void)context;
    return strcmp(tensor->name, "b") != 0;
}

static lyc_status see(void *context, const lyc_tensor_view *tensor, const lyc_tensor_statistics *statistics,
                      lyc_error *err)
{
    (void)err;
    seen *s = context;
    strcat(s->names, tensor->name);
    s->count += statistics->count;
    return s->answer;
}

static void visits_in_the_order_of_the_file(void **state)
{
    const fixture *f = *state;
    seen s = {.answer = LYC_OK};
    lyc_inspect_visitor visitor = {.visit = see, .context = &s};
    assert_int_equal(lyc_inspect_statistics(f->file, &visitor, NULL, NULL), LYC_OK);
    assert_string_equal(s.names, "bac");
    assert_int_equal(s.count, 301004);
    s = (seen){.answer = LYC_OK};
    visitor.wanted = is_not_b;
    assert_int_equal(lyc_inspect_statistics(f->file, &visitor, NULL, NULL), LYC_OK);
    assert_string_equal(s.names, "ac");
    s = (seen){.answer = LYC_E_ARGUMENT};
    assert_int_equal(lyc_inspect_statistics(f->file, &visitor, NULL, NULL), LYC_E_ARGUMENT);
    assert_string_equal(s.names, "a");
}

/* A task that counts reports and can be told to stop. */
typedef struct watcher {
    lyc_progress_report last;
    bool stop;
} watcher;

static void watch(void *context, const lyc_progress_report *report)
{
    ((watcher *)context)->last = *report;
}

static bool stops(void *context)
{
    return ((watcher *)context)->stop;
}

static void reports_and_stops(void **state)
{
    const fixture *f = *state;
    watcher w = {0};
    seen s = {.answer = LYC_OK};
    lyc_file_hashes hashes;
    lyc_error err = {0};
    const lyc_task task = {.progress = watch, .cancelled = stops, .context = &w};
    const lyc_inspect_visitor visitor = {.visit = see, .context = &s};
    assert_int_equal(lyc_inspect_statistics(f->file, &visitor, &task, NULL), LYC_OK);
    assert_true(w.last.finished && w.last.count == DATA_SIZE && w.last.total == DATA_SIZE);
    assert_int_equal(lyc_inspect_hashes(&hashes, f->path, f->file, &task, NULL), LYC_OK);
    assert_true(w.last.finished && w.last.count == w.last.total && w.last.total > 2 * DATA_SIZE);
    w.stop = true;
    assert_int_equal(lyc_inspect_hashes(&hashes, f->path, f->file, &task, &err), LYC_E_CANCELLED);
    assert_int_equal(lyc_inspect_statistics(f->file, &visitor, &task, &err), LYC_E_CANCELLED);
    assert_string_equal(err.message, "stopped on request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hashes_as_sd_scripts, make_file, remove_file),
        cmocka_unit_test(hashes_the_example),
        cmocka_unit_test_setup_teardown(survives_lack_of_memory, make_file, remove_file),
        cmocka_unit_test_setup_teardown(visits_in_the_order_of_the_file, make_file, remove_file),
        cmocka_unit_test_setup_teardown(reports_and_stops, make_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
