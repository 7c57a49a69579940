/* test_path.c - plain names, and links that lead elsewhere
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/folder.h"

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static const struct {
    lyc_span name;
    const char *error; /* NULL: accepted */
} names[] = {
    {TEXT("model-00001-of-00002.safetensors"), NULL},
    {TEXT(".hidden"), NULL},
    {TEXT("..."), NULL},
    {TEXT("n\xc3\xa4me"), NULL},
    {TEXT(""), "file name '' is empty"},
    {TEXT("."), "file name '.' is no file name"},
    {TEXT(".."), "file name '..' is no file name"},
    {TEXT("../up"), "file name '../up' contains a path separator"},
    {TEXT("a/b"), "file name 'a/b' contains a path separator"},
    {TEXT("/etc/passwd"), "file name '/etc/passwd' contains a path separator"},
    {TEXT("a\\b"), "file name 'a\\b' contains a path separator"},
    {TEXT("a\0b"), "file name 'a\\x00b' contains a control character"},
    {TEXT("a\nb"), "file name 'a\\nb' contains a control character"},
    {TEXT("a\x7f"), "file name 'a\\x7f' contains a control character"},
    {TEXT("a\xff"), "file name 'a\\xff' is not UTF-8"},
};

static void accepts_plain_names_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lyc_error err = {0};
        const lyc_status status = lyc_path_check_name(names[i].name, &err);
        if (names[i].error == NULL) {
            assert_int_equal(status, LYC_OK);
        } else {
            assert_int_equal(status, LYC_E_FORMAT);
            assert_string_equal(err.message, names[i].error);
        }
    }
    char long_name[256];
    memset(long_name, 'a', sizeof long_name);
    lyc_error err;
    assert_int_equal(lyc_path_check_name((lyc_span){long_name, 255}, &err), LYC_OK);
    assert_int_equal(lyc_path_check_name((lyc_span){long_name, 256}, &err), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "is longer than 255 bytes"));
}

static void finds_links_out_of_the_folder(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    lyc_error err;
    char inner[300];
    snprintf(inner, sizeof inner, "%s", test_folder_path(&folder, "inner"));
    mkdir(inner, 0777);
    mkdir(test_folder_path(&folder, "inner2"), 0777);
    test_file_write(test_folder_path(&folder, "outside"), "", 0);
    test_file_write(test_folder_path(&folder, "inner/file"), "", 0);
    test_file_write(test_folder_path(&folder, "inner2/file"), "", 0);
    assert_int_equal(symlink("file", test_folder_path(&folder, "inner/good")), 0);
    assert_int_equal(symlink("../outside", test_folder_path(&folder, "inner/bad")), 0);
    assert_int_equal(symlink("../inner2", test_folder_path(&folder, "inner/sly")), 0);
    assert_int_equal(symlink("nowhere", test_folder_path(&folder, "inner/dangling")), 0);

    assert_int_equal(lyc_path_check_inside(inner, test_folder_path(&folder, "inner/file"), &err), LYC_OK);
    assert_int_equal(lyc_path_check_inside(inner, test_folder_path(&folder, "inner/good"), &err), LYC_OK);
    assert_int_equal(lyc_path_check_inside("/", test_folder_path(&folder, "inner/bad"), &err), LYC_OK);
    static const char *const outside[] = {"inner/bad", "inner/sly/file", "inner/../outside", "inner2/file", "inner"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        assert_int_equal(lyc_path_check_inside(inner, test_folder_path(&folder, outside[i]), &err), LYC_E_FORMAT);
        assert_non_null(strstr(err.message, "leads out of the folder"));
    }
    assert_int_equal(lyc_path_check_inside(inner, test_folder_path(&folder, "inner/dangling"), &err), LYC_E_IO);
    assert_non_null(strstr(err.message, "inner/dangling: No such file or directory"));
    assert_int_equal(lyc_path_check_inside(test_folder_path(&folder, "none"), inner, &err), LYC_E_IO);
    test_folder_remove(&folder);
}

static void joins_and_splits(void **state)
{
    (void)state;
    lyc_arena arena = {0};
    assert_string_equal(lyc_path_join(&arena, "", lyc_span_of("f")), "f");
    assert_string_equal(lyc_path_join(&arena, "a", lyc_span_of("f")), "a/f");
    assert_string_equal(lyc_path_join(&arena, "a/", lyc_span_of("f")), "a/f");
    assert_string_equal(lyc_path_join(&arena, "/", lyc_span_of("f")), "/f");
    lyc_arena_clear(&arena);
    static const char *const paths[][3] = {
        {"a/b/c.st", "a/b", "c.st"}, {"c", "", "c"}, {"/c", "/", "c"}, {"a/", "a", ""}, {"", "", ""}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_true(lyc_span_is(lyc_path_folder(paths[i][0]), paths[i][1]));
        assert_true(lyc_span_is(lyc_path_name(paths[i][0]), paths[i][2]));
    }
}

static void makes_folders(void **state)
{
    (void)state;
    lyc_error err;
    test_folder folder;
    test_folder_make(&folder);
    const char *inner = test_folder_path(&folder, "inner");
    assert_int_equal(lyc_path_make_folder(inner, &err), LYC_OK);
    assert_int_equal(lyc_path_make_folder(inner, &err), LYC_OK);
    assert_int_equal(lyc_path_make_folder(test_folder_path(&folder, "a/b"), &err), LYC_E_OUTPUT);
    assert_non_null(strstr(err.message, "a/b: No such file or directory"));
    test_file_write(test_folder_path(&folder, "file"), "x", 1);
    assert_int_equal(lyc_path_make_folder(test_folder_path(&folder, "file"), &err), LYC_E_OUTPUT);
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_plain_names_only),
        cmocka_unit_test(finds_links_out_of_the_folder),
        cmocka_unit_test(joins_and_splits),
        cmocka_unit_test(makes_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
