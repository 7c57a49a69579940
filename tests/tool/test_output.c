/* test_output.c - what is asked of an output before any work
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/folder.h"
#include "tool/output.h"

static test_folder folder;

static int set_up(void **state)
{
    (void)state;
    test_folder_make(&folder);
    test_file_write(test_folder_path(&folder, "in"), "x", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

/* The end of the message; "" when the output will do. */
static const char *complaint(const char *path, bool force, uint64_t bytes)
{
    static lyc_error err;
    const char *const inputs[] = {test_folder_path(&folder, "in"), "/no/such/file"};
    const lyc_tool_output_options o = {.path = path, .force = force, .inputs = inputs, .input_count = 2};
    err.message[0] = '\0';
    const lyc_status status = lyc_tool_output_check(&o, bytes, &err);
    assert_true(status == LYC_OK || status == LYC_E_OUTPUT);
    const char *colon = strrchr(err.message, ':');
    return colon != NULL ? colon + 2 : err.message;
}

static void outputs(void **state)
{
    (void)state;
    const char *new_file = test_folder_path(&folder, "new");
    const char *old_file = test_folder_path(&folder, "old");
    assert_string_equal(complaint(new_file, false, 1000), "");
    assert_string_equal(complaint(new_file, false, UINT64_MAX / 2), "No space left on device");
    test_file_write(old_file, "y", 1);
    assert_string_equal(complaint(old_file, false, 0), "it exists");
    assert_string_equal(complaint(old_file, true, 0), "");
    assert_string_equal(complaint(test_folder_path(&folder, "in"), true, 0), "it is one of the inputs");
    const char *linked = test_folder_path(&folder, "hard");
    assert_int_equal(link(test_folder_path(&folder, "in"), linked), 0);
    assert_string_equal(complaint(linked, true, 0), "it is one of the inputs");
    const char *symbolic = test_folder_path(&folder, "symbolic");
    assert_int_equal(symlink("in", symbolic), 0);
    assert_string_equal(complaint(symbolic, true, 0), "it is a symbolic link, give the path of the file itself");
    assert_string_equal(complaint(test_folder_path(&folder, "none/new"), false, 0), "No such file or directory");
    assert_string_equal(test_folder_list(&folder), "hard in old symbolic ");
}

static void number_types(void **state)
{
    static const struct {
        const char *name;
        lyc_dtype dtype;
    } names[] = {{"float", LYC_F32}, {"fp32", LYC_F32},      {"float32", LYC_F32},
                 {"fp16", LYC_F16},  {"float16", LYC_F16},   {"half", LYC_F16},
                 {"bf16", LYC_BF16}, {"bfloat16", LYC_BF16}, {"float64", LYC_F64}};
    (void)state;
    bool keep;
    lyc_error err;
    lyc_dtype dtype = LYC_BOOL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(lyc_tool_dtype(&dtype, &keep, names[i].name, NULL), LYC_OK);
        assert_int_equal(dtype, names[i].dtype);
        assert_false(keep);
    }
    assert_int_equal(lyc_tool_dtype(&dtype, &keep, "keep", NULL), LYC_OK);
    assert_true(keep);
    assert_int_equal(lyc_tool_dtype(&dtype, &keep, "fp8", &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message,
                        "'fp8' is no number type; there are keep, float, fp32, float32, fp16, float16, half, bf16, "
                        "bfloat16, float64, fp64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outputs, set_up, tear_down),
        cmocka_unit_test(number_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
