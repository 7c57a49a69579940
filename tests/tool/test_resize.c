/* test_resize.c - resized files mean what they meant, as far as their ranks reach
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

#include "lycoris/resize.h"
#include "support/folder.h"
#include "support/tensor_file.h"
#include "tensor/random.h"

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

#define LAYER "lora_unet_down_blocks_0_attentions_0_proj_in"
#define OTHER "lora_unet_mid_block_attentions_0_proj_in"
#define CONV  "lora_unet_down_blocks_0_resnets_0_conv1"

enum { OUT = 12, IN = 10, RANK = 5 };

/* A file of random tensors "name:extents": numbers do not repeat. */
static const char *random_file(const char *name, const char *const *names, const lyc_shape *shapes, size_t count)
{
    lyc_error err;
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
    const char *path = test_folder_path(&folder, name);
    const lyc_safetensors_writer_options options = {.force = true};
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lyc_safetensors_plan_add(plan, names[i], LYC_F32, &shapes[i], &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_plan_metadata(plan, "ss_training_comment", "ours", &err), LYC_OK);
    assert_int_equal(
        lyc_safetensors_plan_metadata(plan, "ss_network_args", "{\"conv_dim\": \"5\", \"a\": \"b\"}", &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &options, &err), LYC_OK);
    for (size_t i = 0; i < count; i++) {
        const lyc_native_random random = {.seed = i + 1, .purpose = LYC_RANDOM_NOISE};
        int64_t n = 1;
        for (int k = 0; k < shapes[i].rank; k++) {
            n *= shapes[i].dims[k];
        }
        float *data = calloc((size_t)n, sizeof *data);
        assert_non_null(data);
        lyc_native_random_normals(&random, data, 0, (size_t)n);
        if (shapes[i].rank == 0) {
            data[0] = 2.0F;
        }
        assert_int_equal(lyc_safetensors_writer_put(writer, names[i], data, (size_t)n * sizeof *data, &err), LYC_OK);
        free(data);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return path;
}

static const char *lora_file(void)
{
    static const char *const names[] = {LAYER ".lora_up.weight", LAYER ".lora_down.weight", LAYER ".alpha"};
    static const lyc_shape shapes[] = {{2, {OUT, RANK}}, {2, {RANK, IN}}, {0, {0}}};
    return random_file("lora.safetensors", names, shapes, 3);
}

static lyc_network_file *open_file(const char *path)
{
    lyc_error err;
    lyc_network_file *file = NULL;
    if (lyc_network_file_open(&file, path, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return file;
}

/* The change of a layer [n]. */
static float *change_of(const lyc_network_file *file, size_t index, int64_t n)
{
    lyc_error err;
    float *out = calloc((size_t)n, sizeof *out);
    const lyc_network_layer layer = lyc_network_file_layer(file, index);
    const lyc_base_layer base = {.dtype = LYC_F32, .shape = layer.weight};
    assert_non_null(out);
    if (lyc_network_file_change(out, NULL, LYC_F32, file, index, &base, 1.0, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return out;
}

static double relative_error(const char *was, const char *is, int64_t n)
{
    lyc_network_file *a = open_file(was), *b = open_file(is);
    float *x = change_of(a, 0, n), *y = change_of(b, 0, n);
    double error = 0.0, norm = 0.0;
    for (int64_t i = 0; i < n; i++) {
        error += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        norm += (double)x[i] * (double)x[i];
    }
    free(x);
    free(y);
    lyc_network_file_close(a);
    lyc_network_file_close(b);
    return sqrt(error / norm);
}

static lyc_resized_layer resize(const char *path, const char *out, const lyc_resize_options *options)
{
    lyc_error err;
    lyc_resizing *resizing = NULL;
    lyc_network_file *file = open_file(path);
    if (lyc_resize(&resizing, out, file, options, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    lyc_resized_layer layer = lyc_resizing_layer(resizing, 0);
    layer.name = layer.algorithm = NULL; /* of the file */
    lyc_resizing_free(resizing);
    lyc_network_file_close(file);
    return layer;
}

static void test_error_is_what_the_report_says(void **state)
{
    const char *path = lora_file(), *out = test_folder_path(&folder, "out.safetensors");
    (void)state;
    for (int64_t rank = 1; rank < RANK; rank++) {
        const lyc_resize_options o = {.rank = rank, .keep_dtype = true, .force = true};
        const lyc_resized_layer layer = resize(path, out, &o);
        assert_true(layer.resized);
        assert_int_equal(layer.before, RANK);
        assert_int_equal(layer.rank, rank);
        assert_true(fabs(layer.alpha - 2.0 / RANK * (double)rank) < 1e-6);
        assert_true(layer.error > 0.0 && fabs(relative_error(path, out, (int64_t)OUT * IN) - layer.error) < 1e-5);
        assert_true(fabs(1.0 - layer.energy - layer.error * layer.error) < 1e-6);
    }
}

static void test_metadata_says_what_was_done(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    const char *path = lora_file(), *out = test_folder_path(&folder, "out.safetensors");
    const lyc_resize_options fixed = {.rank = 2, .conv_rank = 1, .keep_dtype = true, .force = true};
    const lyc_resize_options dynamic = {
        .rank = 4, .method = "sv_fro", .parameter = 0.9, .keep_dtype = true, .force = true};
    (void)state;
    resize(path, out, &fixed);
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_dim"), "2");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_alpha"), "0.8");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_training_comment"),
                        "dimension is resized from 5 to 2 (conv: 1); ours");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_args"), "{\"conv_dim\": \"1\", \"a\": \"b\"}");
    assert_non_null(lyc_safetensors_metadata(file, "sshs_model_hash"));
    lyc_safetensors_close(file);
    resize(path, out, &dynamic);
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_string_equal(lyc_safetensors_metadata(file, "ss_network_dim"), "Dynamic");
    assert_string_equal(lyc_safetensors_metadata(file, "ss_training_comment"),
                        "Dynamic resize with sv_fro: 0.9 from 5; ours");
    lyc_safetensors_close(file);
}

static void test_tucker_is_multiplied_out(void **state)
{
    static const char *const names[] = {CONV ".lora_up.weight", CONV ".lora_mid.weight", CONV ".lora_down.weight"};
    static const lyc_shape shapes[] = {{4, {OUT, RANK, 1, 1}}, {4, {RANK, RANK, 3, 3}}, {4, {RANK, IN, 1, 1}}};
    const char *path = random_file("tucker.safetensors", names, shapes, 3);
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_resize_options o = {.rank = 3, .keep_dtype = true, .force = true};
    (void)state;
    const lyc_resized_layer layer = resize(path, out, &o);
    assert_true(layer.resized && isnan(layer.alpha));
    assert_true(fabs(relative_error(path, out, (int64_t)OUT * IN * 9) - layer.error) < 1e-5);
}

static void test_small_layers_are_copied_and_grow_when_asked(void **state)
{
    static const char *const names[] = {LAYER ".lora_up.weight", LAYER ".lora_down.weight", OTHER ".lora_up.weight",
                                        OTHER ".lora_down.weight"};
    static const lyc_shape shapes[] = {{2, {OUT, 2}}, {2, {2, IN}}, {2, {OUT, 4}}, {2, {4, IN}}};
    lyc_error err;
    lyc_resizing *resizing = NULL;
    const char *path = random_file("two.safetensors", names, shapes, 4);
    const char *out = test_folder_path(&folder, "out.safetensors");
    lyc_resize_options o = {.rank = 3, .keep_dtype = true, .force = true};
    (void)state;
    lyc_resized_layer layer = resize(path, out, &o);
    assert_false(layer.resized);
    assert_int_equal(layer.rank, 2);
    o.rank = 6;
    lyc_network_file *file = open_file(path);
    assert_int_equal(lyc_resize(&resizing, out, file, &o, NULL, &err), LYC_E_ARGUMENT);
    assert_non_null(strstr(err.message, "rank 6 of linear layers, which have 4 at most"));
    lyc_network_file_close(file);
    o.allow_grow = true;
    layer = resize(path, out, &o);
    assert_true(layer.resized);
    assert_int_equal(layer.rank, 6);
    assert_true(relative_error(path, out, (int64_t)OUT * IN) < 1e-6);
}

static void test_rules_choose_as_many_ranks_as_they_say(void **state)
{
    static const struct {
        const char *method;
        double parameter;
        bool exact;
        int64_t rank;
    } cases[] = {
        {"sv_ratio", 1.0, true, 1},      {"sv_ratio", 1e9, true, RANK},      {"sv_ratio", 1.0, false, 2},
        {"sv_cumulative", 0.0, true, 1}, {"sv_cumulative", 1.0, true, RANK}, {"sv_fro", 0.0, false, 2},
        {"sv_fro", 0.0, true, 1},        {"sv_fro", 1.0, true, RANK},
    };
    const char *path = lora_file(), *out = test_folder_path(&folder, "out.safetensors");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lyc_resize_options o = {.rank = 8,
                                      .method = cases[i].method,
                                      .parameter = cases[i].parameter,
                                      .exact = cases[i].exact,
                                      .keep_dtype = true,
                                      .force = true};
        assert_int_equal(resize(path, out, &o).rank, cases[i].rank);
    }
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    static const struct {
        lyc_resize_options options;
        lyc_status status;
        const char *message;
    } cases[] = {
        {{.rank = 0, .keep_dtype = true}, LYC_E_ARGUMENT, "a rank of 0, expected at least 1"},
        {{.rank = 2, .method = "sv", .keep_dtype = true},
         LYC_E_ARGUMENT,
         "'sv' is no way to choose ranks; expected fixed, sv_ratio, sv_cumulative or sv_fro"},
        {{.rank = 2, .method = "sv_fro", .parameter = 1.5, .keep_dtype = true},
         LYC_E_ARGUMENT,
         "the parameter of sv_fro is 1.5, expected 0 to 1"},
        {{.rank = 2, .dtype = LYC_I64}, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as I64"},
    };
    (void)state;
    lyc_network_file *file = open_file(lora_file());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_resizing *resizing = NULL;
        assert_int_equal(lyc_resize(&resizing, test_folder_path(&folder, "none"), file, &cases[i].options, NULL, &err),
                         cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    lyc_network_file_close(file);
}

static void test_ranks_said_elsewhere_are_refused(void **state)
{
    lyc_error err;
    lyc_resizing *resizing = NULL;
    const char *path = test_folder_path(&folder, "d.safetensors");
    const lyc_resize_options o = {.rank = 2, .keep_dtype = true, .force = true};
    (void)state;
    test_tensor_file(path,
                     "unet.mid_block.attentions.0.proj_in.lora_A.weight:F32:4x8 "
                     "unet.mid_block.attentions.0.proj_in.lora_B.weight:F32:8x4",
                     "{\"unet.r\": 4, \"unet.lora_alpha\": 2, \"unet.target_modules\": [\"proj_in\"]}");
    lyc_network_file *file = open_file(path);
    assert_int_equal(lyc_resize(&resizing, test_folder_path(&folder, "out"), file, &o, NULL, &err), LYC_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ranks and scales are said elsewhere than in its tensors"));
    lyc_network_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_is_what_the_report_says),
        cmocka_unit_test(test_metadata_says_what_was_done),
        cmocka_unit_test(test_tucker_is_multiplied_out),
        cmocka_unit_test(test_small_layers_are_copied_and_grow_when_asked),
        cmocka_unit_test(test_rules_choose_as_many_ranks_as_they_say),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_ranks_said_elsewhere_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
