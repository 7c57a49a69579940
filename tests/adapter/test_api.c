/* test_api.c - lycoris/adapter.h as an engine uses it: changes, merging and undoing, layers beside
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

#include "adapter/adapter.h"
#include "lycoris/adapter.h"
#include "support/folder.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static test_folder folder;

static int make_folder(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

/* Writes the file of one new adapter of conv_in with numbers by the fill rule of the specification's test vectors. */
static lyc_network_file *open_adapter(const char *algorithm, lyc_shape weight, const lyc_adapter_setting *settings,
                                      size_t count)
{
    lyc_error err = {0};
    lyc_adapter *a = NULL;
    lyc_adapter_file written = {0};
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    lyc_network_file *file = NULL;
    const lyc_adapter_target target = {.kind = weight.rank == 2 ? LYC_LAYER_LINEAR : LYC_LAYER_CONV2D,
                                       .weight = weight,
                                       .groups = 1,
                                       .has_bias = true};
    if (lyc_adapter_new(&a, lyc_adapter_algorithm_find(algorithm), "x", &target, settings, count, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    for (int i = 0; i < a->n_params; i++) {
        for (int64_t k = 0; k < lyc_shape_elements(&a->params[i].shape); k++) {
            a->params[i].data[k] = (float)((7 * k + 3 * i + 1) % 11 - 5) / 8.0F;
        }
    }
    assert_int_equal(lyc_adapter_write(&written, a, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    char name[128];
    for (int i = 0; i < written.count; i++) {
        snprintf(name, sizeof name, "lora_unet_conv_in.%s", written.tensors[i].name);
        assert_int_equal(
            lyc_safetensors_plan_add(plan, name, written.tensors[i].dtype, &written.tensors[i].shape, &err), LYC_OK);
    }
    const char *path = test_folder_path(&folder, "a.safetensors");
    const lyc_safetensors_writer_options force = {.force = true};
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &force, &err), LYC_OK);
    for (int i = 0; i < written.count; i++) {
        const lyc_tensor_view *t = &written.tensors[i];
        snprintf(name, sizeof name, "lora_unet_conv_in.%s", t->name);
        assert_int_equal(lyc_safetensors_writer_put(writer, name, t->data, t->size_bytes, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    lyc_adapter_file_clear(&written);
    lyc_adapter_free(a);
    if (lyc_network_file_open(&file, path, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return file;
}

static const lyc_adapter_setting rank_2[] = {{"rank", "2"}, {"alpha", "1"}};

static void fill(float *out, size_t n, size_t t)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)((int)((7 * i + 3 * t + 1) % 11) - 5) / 8.0F;
    }
}

static void changes_in_any_type(void **state)
{
    (void)state;
    lyc_error err = {0};
    lyc_network_file *file = open_adapter("loha", LYC_SHAPE(6, 4), rank_2, 2);
    const lyc_base_layer base = {.shape = LYC_SHAPE(6, 4)};
    float exact[24];
    assert_int_equal(lyc_network_file_change(exact, NULL, LYC_F32, file, 0, &base, 1, &err), LYC_OK);
    assert_true(fabs((double)exact[0] - 0.023193) < 1e-5 && fabs((double)exact[23] - 0.042969) < 1e-5);
    static const lyc_dtype types[] = {LYC_F16, LYC_BF16, LYC_F64};
    for (size_t k = 0; k < 3; k++) {
        double wide[24] = {0};
        char bytes[24 * 8], want[24 * 8];
        assert_int_equal(lyc_network_file_change(bytes, NULL, types[k], file, 0, &base, -0.5, &err), LYC_OK);
        for (int i = 0; i < 24; i++) {
            wide[i] = -0.5 * (double)exact[i] + 0.0; /* no negative zero */
        }
        const size_t size = 24 * (size_t)lyc_dtype_bits(types[k]) / 8;
        assert_int_equal(lyc_dtype_convert(want, types[k], wide, LYC_F64, 24, &err), LYC_OK);
        assert_memory_equal(bytes, want, size);
    }
    lyc_network_file_close(file);
}

/* Merging, and the copy put back, leave every bit as it was. */
static void merging_is_undone_by_the_copy(void **state)
{
    (void)state;
    static const char *const algorithms[] = {"lora", "loha", "lokr", "full", "ia3", "diag-oft", "glora"};
    for (size_t k = 0; k < sizeof algorithms / sizeof algorithms[0]; k++) {
        lyc_error err = {0};
        const lyc_adapter_setting *settings = strcmp(algorithms[k], "full") == 0 || strcmp(algorithms[k], "ia3") == 0 ||
                                                      strcmp(algorithms[k], "diag-oft") == 0
                                                  ? NULL
                                                  : rank_2;
        lyc_network_file *file = open_adapter(algorithms[k], LYC_SHAPE(6, 4), settings, settings != NULL ? 2 : 0);
        float numbers[24], bias[6];
        uint16_t weight[24], copy[24], small_bias[6];
        fill(numbers, 24, 9);
        fill(bias, 6, 8);
        assert_int_equal(lyc_dtype_convert(weight, LYC_F16, numbers, LYC_F32, 24, &err), LYC_OK);
        assert_int_equal(lyc_dtype_convert(small_bias, LYC_F16, bias, LYC_F32, 6, &err), LYC_OK);
        memcpy(copy, weight, sizeof copy);
        lyc_base_layer base = {.dtype = LYC_F16, .shape = LYC_SHAPE(6, 4), .weight = weight, .bias = small_bias};
        assert_int_equal(lyc_network_file_merge(weight, small_bias, file, 0, &base, 0, &err), LYC_OK);
        assert_memory_equal(weight, copy, sizeof copy);
        if (lyc_network_file_merge(weight, small_bias, file, 0, &base, 0.75, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        assert_memory_not_equal(weight, copy, sizeof copy);

        /* Merged is base + change, rounded once. */
        float change[24];
        base.weight = copy;
        assert_int_equal(lyc_network_file_change(change, NULL, LYC_F32, file, 0, &base, 0.75, &err), LYC_OK);
        for (int i = 0; i < 24; i++) {
            const double want = (double)numbers[i] + (double)change[i];
            const double got = lyc_dtype_load(LYC_F16, &weight[i]);
            assert_true(fabs(got - want) <= 6e-4 * fabs(want) + 1e-6);
        }
        memcpy(weight, copy, sizeof copy);
        lyc_network_file_close(file);
    }
}

/* A layer with an adapter beside it gives what the merged weight gives. */
static void beside_is_merged(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm;
        lyc_shape weight, x;
        int stride, padding;
    } cases[] = {
        {"lora", {2, {6, 4}}, {2, {3, 4}}, 0, 0},
        {"lokr", {2, {12, 8}}, {3, {2, 3, 8}}, 0, 0},
        {"loha", {4, {6, 4, 3, 3}}, {4, {1, 5, 4, 4}}, 2, 1},
        {"lora", {4, {6, 4, 1, 1}}, {4, {2, 3, 3, 4}}, 0, 0},
        {"full", {4, {6, 4, 3, 3}}, {4, {1, 5, 4, 4}}, 1, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        lyc_error err = {0};
        const bool full = strcmp(cases[k].algorithm, "full") == 0;
        lyc_network_file *file = open_adapter(cases[k].algorithm, cases[k].weight, full ? NULL : rank_2, full ? 0 : 2);
        float weight[1024], merged[1024], bias[16], merged_bias[16], x[1024], beside[1024], want[1024];
        fill(weight, 1024, 9);
        fill(x, 1024, 4);
        fill(bias, 16, 2);
        lyc_base_layer base = {.dtype = LYC_F32,
                               .shape = cases[k].weight,
                               .weight = weight,
                               .bias = bias,
                               .stride = {cases[k].stride, cases[k].stride},
                               .padding = {cases[k].padding, cases[k].padding}};
        lyc_adapted_layer *layer = NULL, *plain = NULL;
        const lyc_layer_source source = {file, 0};
        const float strength = 0.5F;
        if (lyc_adapted_layer_new(&layer, &source, 1, &base, &cases[k].x, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(lyc_adapted_layer_run(beside, layer, x, &strength, &err), LYC_OK);
        assert_int_equal(lyc_network_file_merge(merged, merged_bias, file, 0, &base, 0.5, &err), LYC_OK);
        base.weight = merged;
        base.bias = merged_bias;
        assert_int_equal(lyc_adapted_layer_new(&plain, NULL, 0, &base, &cases[k].x, &err), LYC_OK);
        assert_int_equal(lyc_adapted_layer_run(want, plain, x, NULL, &err), LYC_OK);
        const lyc_shape y = lyc_adapted_layer_output(layer);
        assert_int_equal(y.dims[y.rank - 1], cases[k].weight.dims[0]);
        for (int64_t i = 0; i < lyc_shape_elements(&y); i++) {
            assert_true(fabs((double)beside[i] - (double)want[i]) < 1e-5);
        }
        lyc_adapted_layer_free(layer);
        lyc_adapted_layer_free(plain);
        lyc_network_file_close(file);
    }
}

static void refuses(void **state)
{
    (void)state;
    lyc_error err = {0};
    float buffer[64], weight[64];
    fill(weight, 64, 9);
    lyc_network_file *file = open_adapter("ia3", LYC_SHAPE(6, 4), NULL, 0);
    lyc_base_layer base = {.dtype = LYC_F32, .shape = LYC_SHAPE(6, 4)};
    assert_int_equal(lyc_network_file_change(buffer, NULL, LYC_F32, file, 0, &base, 1, &err), LYC_E_ARGUMENT);
    assert_non_null(
        strstr(err.message, "the change of lora_unet_conv_in depends on the layer's weight, which is not given"));
    base.weight = weight;
    base.shape = LYC_SHAPE(5, 4);
    assert_int_equal(lyc_network_file_change(buffer, NULL, LYC_F32, file, 0, &base, 1, &err), LYC_E_SHAPE);
    base.shape = (lyc_shape){.rank = 6, .dims = {1, 1, 1, 1, 1, 1}};
    assert_int_equal(lyc_network_file_change(buffer, NULL, LYC_F32, file, 0, &base, 1, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "a weight of 6 extents; expected 1 to 5");
    base.shape = LYC_SHAPE(6, 4);
    lyc_adapted_layer *layer = NULL;
    const lyc_layer_source source = {file, 0};
    assert_int_equal(lyc_adapted_layer_new(&layer, &source, 1, &base, &LYC_SHAPE(3, 5), &err), LYC_E_SHAPE);
    assert_null(layer);
    base.weight = NULL;
    assert_int_equal(lyc_adapted_layer_new(&layer, &source, 1, &base, &LYC_SHAPE(3, 4), &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "the layer's weight is not given");
    lyc_network_file_close(file);
}

static void describes_algorithms(void **state)
{
    (void)state;
    const lyc_shape linear = LYC_SHAPE(320, 640);
    assert_true(lyc_algorithm_count() >= 11);
    for (size_t i = 0; i < lyc_algorithm_count(); i++) {
        const lyc_algorithm_info info = lyc_algorithm_at(i);
        lyc_algorithm_option option;
        char tensor[128];
        assert_true(info.name[0] != '\0' && info.summary[0] != '\0' && info.formula[0] != '\0' &&
                    info.source[0] != '\0');
        for (size_t k = 0; lyc_algorithm_option_at(&option, i, k); k++) {
            assert_true(option.name[0] != '\0' && option.help[0] != '\0');
        }
        const bool norm = strcmp(info.name, "norm") == 0;
        assert_int_equal(lyc_algorithm_tensor_at(tensor, sizeof tensor, i, &linear, 0),
                         !norm && strcmp(info.name, "boft") != 0);
    }
    assert_null(lyc_preset_name_at(8));
    assert_string_equal(lyc_preset_name_at(0), "full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_in_any_type),  cmocka_unit_test(merging_is_undone_by_the_copy),
        cmocka_unit_test(beside_is_merged),     cmocka_unit_test(refuses),
        cmocka_unit_test(describes_algorithms),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
