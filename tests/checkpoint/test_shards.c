/* test_shards.c - index files: shards, and names that lead elsewhere
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint/component.h"
#include "support/folder.h"
#include "support/model_file.h"
#include "tensor/shape.h"

#define A     "diffusion_pytorch_model-00001-of-00002.safetensors"
#define B     "diffusion_pytorch_model-00002-of-00002.safetensors"
#define INDEX "diffusion_pytorch_model.safetensors.index.json"

static test_folder folder;

/* Writes tensors of two numbers. */
static void write_tensors(const char *path, const char *const names[], int count)
{
    lyc_error err;
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options options = {.force = true};
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(lyc_safetensors_plan_add(plan, names[i], LYC_F32, &LYC_SHAPE(2), &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &options, &err), LYC_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(lyc_safetensors_writer_put(writer, names[i], (float[2]){1, 2}, 8, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
}

/* A U-Net cut in two, with its index, in the folder. */
static void write_shards(void)
{
    const test_part part = {LYC_COMPONENT_UNET, test_unet_config, ""};
    const char *index_path = test_folder_path(&folder, INDEX);
    const char *a = test_folder_path(&folder, A);
    const char *b = test_folder_path(&folder, B);
    lyc_safetensors *files[2];
    FILE *index = fopen(index_path, "w");
    assert_non_null(index);
    test_model_write(a, &part, 1, &(test_fault){.without = "up_blocks."});
    test_model_write(b, &part, 1, &(test_fault){.only = "up_blocks."});
    fputs("{\"metadata\":{\"total_size\":1},\"weight_map\":{", index);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lyc_safetensors_open(&files[i], i == 0 ? a : b, NULL, NULL), LYC_OK);
        for (size_t k = 0; k < lyc_safetensors_count(files[i]); k++) {
            fprintf(index, "%s\"%s\":\"%s\"", i + k > 0 ? "," : "", lyc_safetensors_tensor(files[i], k).name,
                    i == 0 ? A : B);
        }
        lyc_safetensors_close(files[i]);
    }
    fputs("}}", index);
    fclose(index);
    test_text_write(test_folder_path(&folder, "config.json"), test_unet_config);
}

static int start(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void opens_shards(void **state)
{
    (void)state;
    lyc_component *c = NULL;
    lyc_error err = {0};
    lyc_weight_view view;
    write_shards();
    if (lyc_component_open(&c, LYC_COMPONENT_UNET, NULL, folder.path, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(lyc_component_find(&view, c, "up_blocks.0.resnets.0.conv1.weight"));
    assert_non_null(strstr(view.file, B));
    assert_true(lyc_component_find(&view, c, "conv_in.weight"));
    assert_non_null(strstr(view.file, A));
    assert_int_equal(lyc_component_unmatched_count(c), 0);
    lyc_component_close(c);
}

/* The message, with DIR in the place of the folder. */
static void assert_fails(const char *expected)
{
    lyc_component *c = NULL;
    lyc_error err = {0};
    char message[1024] = "";
    size_t used = 0;
    const size_t length = strlen(folder.path);
    assert_int_not_equal(lyc_component_open(&c, LYC_COMPONENT_UNET, NULL, test_folder_path(&folder, INDEX), &err),
                         LYC_OK);
    for (const char *at = err.message; *at != '\0';) {
        const bool here = strncmp(at, folder.path, length) == 0;
        used += (size_t)snprintf(message + used, sizeof message - used, "%.*s", here ? 3 : 1, here ? "DIR" : at);
        at += here ? length : 1;
    }
    assert_string_equal(message, expected);
}

static void bad_indexes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "reading DIR/" INDEX ": no JSON: '[' or '{' expected near end of file, line 1, column 0"},
        {"{}", "reading DIR/" INDEX ": no 'weight_map' with the file of each tensor"},
        {"{\"weight_map\":{}}", "reading DIR/" INDEX ": no 'weight_map' with the file of each tensor"},
        {"{\"weight_map\":[]}", "reading DIR/" INDEX ": no 'weight_map' with the file of each tensor"},
        {"{\"weight_map\":{\"a\":1}}", "reading DIR/" INDEX ": 'a' is 1, expected the name of a file"},
        {"{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}",
         "reading DIR/" INDEX ": no JSON: duplicate object key near '\"a\"', line 1, column 26"},
        {"{\"weight_map\":{\"a\":\"\"}}", "reading DIR/" INDEX ": file name '' is empty"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
         "reading DIR/" INDEX ": file name '/etc/passwd' contains a path separator"},
        {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
         "reading DIR/" INDEX ": file name '../x.safetensors' contains a path separator"},
        {"{\"weight_map\":{\"a\":\"sub/x.safetensors\"}}",
         "reading DIR/" INDEX ": file name 'sub/x.safetensors' contains a path separator"},
        {"{\"weight_map\":{\"a\":\"sub\\\\x.safetensors\"}}",
         "reading DIR/" INDEX ": file name 'sub\\x.safetensors' contains a path separator"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "reading DIR/" INDEX ": file name '..' is no file name"},
        {"{\"weight_map\":{\"a\":\".\"}}", "reading DIR/" INDEX ": file name '.' is no file name"},
        {"{\"weight_map\":{\"a\":\"x\\u0000.safetensors\"}}",
         "reading DIR/" INDEX ": file name 'x\\x00.safetensors' contains a control character"},
        {"{\"weight_map\":{\"a\":\"x\\n.safetensors\"}}",
         "reading DIR/" INDEX ": file name 'x\\n.safetensors' contains a control character"},
        {"{\"weight_map\":{\"a\":\"model.bin\"}}",
         "reading DIR/" INDEX ": file name 'model.bin', expected one that ends with .safetensors"},
        {"{\"weight_map\":{\"a\":\"x.safetensors\"}}",
         "reading DIR/" INDEX ": cannot find DIR/x.safetensors: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_text_write(test_folder_path(&folder, INDEX), cases[i][0]);
        assert_fails(cases[i][1]);
    }
}

static void bad_shards(void **state)
{
    (void)state;
    static const char two[] = "{\"weight_map\":{\"a\":\"" A "\",\"b\":\"" B "\"}}";
    const char *a = test_folder_path(&folder, A);
    const char *b = test_folder_path(&folder, B);
    test_text_write(test_folder_path(&folder, INDEX), two);
    write_tensors(a, (const char *const[]){"a"}, 1);
    write_tensors(b, (const char *const[]){"c"}, 1);
    assert_fails("reading DIR/" INDEX ": 'b' is not in DIR/" B ", as the index says");
    write_tensors(b, (const char *const[]){"b", "c"}, 2);
    assert_fails("reading DIR/" INDEX ": 'c' is in DIR/" B ", but not in the index");
    write_tensors(b, (const char *const[]){"a", "b"}, 2);
    assert_fails("reading DIR/" INDEX ": 'a' is in DIR/" B ", but by the index in " A);
    write_tensors(b, (const char *const[]){"b"}, 1);
    assert_fails("DIR/" INDEX " holds no network that is known, expected a U-Net");
}

/* A link is followed only inside the folder. */
static void links_out_of_the_folder(void **state)
{
    (void)state;
    test_folder outside;
    char expected[512];
    test_folder_make(&outside);
    const char *target = test_folder_path(&outside, "x.safetensors");
    write_tensors(target, (const char *const[]){"a"}, 1);
    test_text_write(test_folder_path(&folder, INDEX), "{\"weight_map\":{\"a\":\"" A "\"}}");
    assert_int_equal(symlink(target, test_folder_path(&folder, A)), 0);
    snprintf(expected, sizeof expected, "reading DIR/%s: DIR/%s leads out of the folder DIR", INDEX, A);
    assert_fails(expected);
    assert_int_equal(unlink(test_folder_path(&folder, A)), 0);
    write_tensors(test_folder_path(&folder, "y.safetensors"), (const char *const[]){"a"}, 1);
    assert_int_equal(symlink("y.safetensors", test_folder_path(&folder, A)), 0);
    assert_fails("DIR/" INDEX " holds no network that is known, expected a U-Net");
    test_folder_remove(&outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_shards, start, finish),
        cmocka_unit_test_setup_teardown(bad_indexes, start, finish),
        cmocka_unit_test_setup_teardown(bad_shards, start, finish),
        cmocka_unit_test_setup_teardown(links_out_of_the_folder, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
