/* test_extract.c - what is extracted from two models turns the one into the other
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

#include "lycoris/adapter.h"
#include "lycoris/extract.h"
#include "support/folder.h"
#include "support/tensor_file.h"
#include "tensor/random.h"
#include "tensor/shape.h"

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

/* --- models --------------------------------------------------------------------------------------------------------
 */

enum { OUT = 24, IN = 20, KERNEL = 9 };

static const struct {
    const char *name;
    lyc_shape shape;
} tensors[] = {
    {"down_blocks.0.attentions.0.proj_in.weight", {2, {OUT, IN}}},
    {"down_blocks.0.attentions.0.proj_in.bias", {1, {OUT}}},
    {"down_blocks.0.resnets.0.conv1.weight", {4, {OUT, IN, 3, 3}}},
    {"down_blocks.0.resnets.0.norm1.weight", {1, {IN}}},
    {"down_blocks.0.resnets.0.norm1.bias", {1, {IN}}},
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

/* Numbers of a tensor of a model: base's, and what tuning added of `rank` ranks; rank 0: of all ranks. */
static float *numbers(size_t tensor, bool tuned, int64_t rank)
{
    const lyc_native_random random = {.seed = tensor + 1, .purpose = LYC_RANDOM_NOISE};
    const lyc_native_random other = {.seed = tensor + 100, .purpose = LYC_RANDOM_NOISE};
    const lyc_shape *shape = &tensors[tensor].shape;
    const int64_t n = lyc_shape_elements(shape), rows = shape->dims[0], columns = n / rows;
    float *out = calloc((size_t)n, sizeof *out), *change = calloc((size_t)n + 4, sizeof *change);
    assert_true(out != NULL && change != NULL);
    lyc_native_random_normals(&random, out, 0, (size_t)n);
    lyc_native_random_normals(&other, change, 0, (size_t)n);
    for (int64_t i = 0; tuned && i < n; i++) {
        double sum = 0.0;
        for (int64_t k = 0; k < rank && shape->rank > 1; k++) {
            sum += (double)change[k * rows + i / columns] * (double)change[n - 1 - k * columns - i % columns];
        }
        out[i] += shape->rank > 1 && rank > 0 ? (float)sum : change[i];
    }
    free(change);
    return out;
}

/* A model of the tensors; those from `changed` on are as in base. */
static const char *model(const char *name, bool tuned, int64_t rank, size_t changed)
{
    lyc_error err;
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
    const char *path = test_folder_path(&folder, name);
    const lyc_safetensors_writer_options options = {.force = true};
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    for (size_t i = 0; i < TENSORS; i++) {
        assert_int_equal(lyc_safetensors_plan_add(plan, tensors[i].name, LYC_F32, &tensors[i].shape, &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, path, &options, &err), LYC_OK);
    for (size_t i = 0; i < TENSORS; i++) {
        float *data = numbers(i, tuned && i < changed, rank);
        const size_t bytes = (size_t)lyc_shape_elements(&tensors[i].shape) * sizeof *data;
        assert_int_equal(lyc_safetensors_writer_put(writer, tensors[i].name, data, bytes, &err), LYC_OK);
        free(data);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    return path;
}

/* --- results -------------------------------------------------------------------------------------------------------
 */

static lyc_extraction *extract(const char *out, const char *base, const char *tuned, const lyc_extract_options *options)
{
    lyc_error err;
    lyc_extraction *extraction = NULL;
    lyc_extract_options o = *options;
    o.dtype = LYC_F32;
    o.force = true;
    if (lyc_extract(&extraction, out, base, tuned, &o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return extraction;
}

/* ||D - D'|| / ||D|| of the layer of a tensor, and of its bias (0 where the file says nothing). */
static double error_of(const char *path, const char *module, size_t weight, int64_t rank, double *bias_error)
{
    lyc_error err;
    size_t index;
    lyc_network_file *file = NULL;
    assert_int_equal(lyc_network_file_open(&file, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_network_file_unmatched_count(file), 0);
    assert_true(lyc_network_file_find(&index, file, "unet", module));
    const lyc_shape *shape = &tensors[weight].shape;
    const int64_t n = lyc_shape_elements(shape);
    float *base = numbers(weight, false, rank), *tuned = numbers(weight, true, rank);
    float *change = calloc((size_t)n, sizeof *change);
    float bias[OUT] = {0};
    const lyc_base_layer layer = {.dtype = LYC_F32, .shape = *shape, .weight = base, .bias = base};
    assert_non_null(change);
    if (lyc_network_file_change(change, bias, LYC_F32, file, index, &layer, 1.0, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    double lost = 0.0, all = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)(tuned[i] - base[i]);
        lost += (d - (double)change[i]) * (d - (double)change[i]);
        all += d * d;
    }
    if (bias_error != NULL) {
        float *b = numbers(weight + 1, false, rank), *t = numbers(weight + 1, true, rank);
        *bias_error = 0.0;
        for (int64_t i = 0; i < shape->dims[0]; i++) {
            *bias_error = fmax(*bias_error, fabs((double)(t[i] - b[i] - bias[i])));
        }
        free(b);
        free(t);
    }
    free(base);
    free(tuned);
    free(change);
    lyc_network_file_close(file);
    return sqrt(lost / all);
}

static lyc_extracted_layer layer_of(const lyc_extraction *extraction, const char *name)
{
    for (size_t i = 0; i < lyc_extraction_count(extraction); i++) {
        const lyc_extracted_layer layer = lyc_extraction_layer(extraction, i);
        if (strcmp(layer.name, name) == 0) {
            return layer;
        }
    }
    fail_msg("no layer %s", name);
    return (lyc_extracted_layer){0};
}

#define LINEAR "down_blocks.0.attentions.0.proj_in"
#define CONV   "down_blocks.0.resnets.0.conv1"
#define NORM   "down_blocks.0.resnets.0.norm1"

/* --- tests ---------------------------------------------------------------------------------------------------------
 */

static void test_low_rank_is_found_exactly(void **state)
{
    double bias;
    const char *base = model("base", false, 3, TENSORS), *tuned = model("tuned", true, 3, TENSORS);
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_extract_options o = {.mode = "fixed", .rank = 3, .bias = true, .norms = true};
    (void)state;
    lyc_extraction_free(extract(out, base, tuned, &o));
    assert_true(error_of(out, LINEAR, 0, 3, &bias) < 1e-5);
    assert_true(bias < 1e-6);
    assert_true(error_of(out, CONV, 2, 3, NULL) < 1e-5);
    assert_true(error_of(out, NORM, 3, 3, &bias) < 1e-6);
    assert_true(bias < 1e-6);
}

static void test_error_is_what_the_report_says(void **state)
{
    static const lyc_extract_options cases[] = {
        {.mode = "fixed", .rank = 4},
        {.mode = "fixed", .rank = 4, .conv_rank = 2},
        {.mode = "fixed", .rank = 4, .tucker = true},
        {.mode = "ratio", .value = 0.8, .conv_value = -1.0},
        {.mode = "quantile", .value = 0.3, .conv_value = 0.2},
        {.mode = "threshold", .value = 8.0, .conv_value = -1.0},
        {.mode = "fixed", .rank = 3, .algorithm = "loha"},
        {.mode = "fixed", .rank = 2, .algorithm = "lokr"},
        {.mode = "fixed", .rank = 99, .algorithm = "lokr", .factor = 4},
        {.mode = "fixed", .rank = 12},
        {.mode = "full"},
    };
    const char *base = model("base", false, 0, TENSORS), *tuned = model("tuned", true, 0, TENSORS);
    const char *out = test_folder_path(&folder, "out.safetensors");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_extraction *extraction = extract(out, base, tuned, &cases[i]);
        const lyc_extracted_layer linear = layer_of(extraction, "lora_unet_down_blocks_0_attentions_0_proj_in");
        const lyc_extracted_layer conv = layer_of(extraction, "lora_unet_down_blocks_0_resnets_0_conv1");
        const double errors[] = {error_of(out, LINEAR, 0, 0, NULL), error_of(out, CONV, 2, 0, NULL)};
        if (fabs(errors[0] - linear.error) > 1e-4 || fabs(errors[1] - conv.error) > 1e-4) {
            fail_msg("case %zu: errors %g and %g, the report says %g and %g", i, errors[0], errors[1], linear.error,
                     conv.error);
        }
        assert_true(fabs(1.0 - linear.energy - linear.error * linear.error) < 1e-4);
        lyc_extraction_free(extraction);
    }
}

static void test_hadamard_product_is_nearer_than_a_product(void **state)
{
    double errors[2];
    static const char *const algorithms[] = {"lora", "loha"};
    const char *base = model("base", false, 0, TENSORS), *tuned = model("tuned", true, 0, TENSORS);
    const char *out = test_folder_path(&folder, "out.safetensors");
    (void)state;
    for (int i = 0; i < 2; i++) {
        const lyc_extract_options o = {.mode = "fixed", .rank = 4, .algorithm = algorithms[i]};
        lyc_extraction *extraction = extract(out, base, tuned, &o);
        errors[i] = layer_of(extraction, "lora_unet_down_blocks_0_attentions_0_proj_in").error;
        lyc_extraction_free(extraction);
    }
    assert_true(errors[1] < 0.9 * errors[0]);
}

static void test_sparse_remainder_has_the_largest_elements(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    lyc_tensor_view values, at, size;
    const char *base = model("base", false, 0, TENSORS), *tuned = model("tuned", true, 0, TENSORS);
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_extract_options plain = {.mode = "fixed", .rank = 2};
    const lyc_extract_options sparse = {.mode = "fixed", .rank = 2, .sparse = true, .sparsity = 0.9};
    (void)state;
    lyc_extraction *first = extract(out, base, tuned, &plain), *second = extract(out, base, tuned, &sparse);
    const char *name = "lora_unet_down_blocks_0_attentions_0_proj_in";
    assert_true(layer_of(second, name).error < 0.9 * layer_of(first, name).error);
    lyc_extraction_free(first);
    lyc_extraction_free(second);
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_true(lyc_safetensors_find(&values, file, "lora_unet_down_blocks_0_attentions_0_proj_in.bias_values"));
    assert_true(lyc_safetensors_find(&at, file, "lora_unet_down_blocks_0_attentions_0_proj_in.bias_indices"));
    assert_true(lyc_safetensors_find(&size, file, "lora_unet_down_blocks_0_attentions_0_proj_in.bias_size"));
    assert_int_equal(values.shape.dims[0], 48); /* a tenth of 480 */
    assert_int_equal(at.shape.dims[0], 2);
    assert_int_equal(at.shape.dims[1], 48);
    int32_t sides[2];
    memcpy(sides, size.data, sizeof sides);
    assert_int_equal(sides[0], OUT);
    assert_int_equal(sides[1], IN);
    lyc_safetensors_close(file);
}

static void test_what_does_not_differ_is_left_out(void **state)
{
    const char *base = model("base", false, 2, TENSORS), *tuned = model("tuned", true, 2, 2);
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_extract_options o = {.mode = "fixed", .rank = 2};
    (void)state;
    lyc_extraction *extraction = extract(out, base, tuned, &o);
    assert_string_equal(layer_of(extraction, "lora_unet_down_blocks_0_attentions_0_proj_in").algorithm, "lora");
    assert_null(layer_of(extraction, "lora_unet_down_blocks_0_resnets_0_conv1").algorithm);
    lyc_extraction_free(extraction);
}

static void test_models_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *base, *tuned;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"down_blocks.0.attentions.0.proj_in.weight:F32:4x4", "down_blocks.0.attentions.0.proj_in.weight:F32:4x5",
         LYC_E_SHAPE,
         "the weight of 'down_blocks.0.attentions.0.proj_in' is 4x4 in the one model and 4x5 in the other"},
        {"down_blocks.0.attentions.0.proj_in.weight:F32:4x4 mid_block.attentions.0.proj_in.weight:F32:4x4",
         "down_blocks.0.attentions.0.proj_in.weight:F32:4x4", LYC_E_SHAPE,
         "has no 'mid_block.attentions.0.proj_in' in its unet, as the other model has"},
        {"mid_block.attentions.0.proj_in.weight:F32:4x4",
         "mid_block.attentions.0.proj_in.weight:F32:4x4 down_blocks.0.attentions.0.proj_in.weight:F32:4x4", LYC_E_SHAPE,
         "has no 'down_blocks.0.attentions.0.proj_in' in its unet, as the other model has"},
        {"a.weight:F32:4x4", "a.weight:F32:4x4", LYC_E_SHAPE, "have no layers in common that are known"},
        {"mid_block.attentions.0.proj_in.weight:F32:4x4", "mid_block.attentions.0.proj_in.weight:F32:4x4",
         LYC_E_UNSUPPORTED, "do not differ in any layer"},
        {"mid_block.attentions.0.proj_in.weight:F32:4x4=1", "mid_block.attentions.0.proj_in.weight:F32:4x4=nan",
         LYC_E_NUMERIC, "the difference of 'mid_block.attentions.0.proj_in' is not finite"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_extraction *extraction = NULL;
        const lyc_extract_options o = {.mode = "fixed", .rank = 1, .dtype = LYC_F16, .force = true};
        const char *base = test_folder_path(&folder, "b"), *tuned = test_folder_path(&folder, "t");
        test_tensor_file(base, cases[i].base, NULL);
        test_tensor_file(tuned, cases[i].tuned, NULL);
        assert_int_equal(lyc_extract(&extraction, test_folder_path(&folder, "none"), base, tuned, &o, NULL, &err),
                         cases[i].status);
        if (strstr(err.message, cases[i].message) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
    }
}

static void test_options_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        lyc_extract_options options;
        const char *message;
    } cases[] = {
        {{.mode = "best"}, "'best' is no way to choose ranks; expected fixed, threshold, ratio, quantile or full"},
        {{.mode = "fixed"}, "a rank of 0, expected at least 1"},
        {{.mode = "ratio", .value = 1.5}, "a ratio of 1.5, expected from 0 to 1"},
        {{.mode = "quantile", .value = 0.5, .conv_value = 2}, "a quantile of 2, expected from 0 to 1"},
        {{.mode = "threshold", .value = -1}, "a threshold of -1, expected 0 or more"},
        {{.mode = "fixed", .rank = 1, .sparsity = 3}, "a sparsity of 3, expected from 0 to 1"},
        {{.mode = "fixed", .rank = 1, .algorithm = "boft"},
         "differences are extracted as lora, loha or lokr, not as 'boft'"},
        {{.mode = "fixed", .rank = 1, .algorithm = "loha", .tucker = true},
         "cores and sparse remainders are for lora, not for loha"},
        {{.mode = "fixed", .rank = 1, .dtype = LYC_I64}, "adapters are written as F32, F16 or BF16, not as I64"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_extraction *extraction = NULL;
        lyc_extract_options o = cases[i].options;
        o.dtype = o.dtype == LYC_I64 ? LYC_I64 : LYC_F16;
        assert_int_equal(lyc_extract(&extraction, "x", "y", "z", &o, NULL, &err), LYC_E_ARGUMENT);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void test_any_model_by_its_own_names(void **state)
{
    lyc_error err;
    lyc_safetensors *file;
    lyc_tensor_view view;
    const char *base = test_folder_path(&folder, "b"), *tuned = test_folder_path(&folder, "t");
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_extract_options o = {.mode = "fixed", .rank = 1, .exact_names = true};
    (void)state;
    test_tensor_file(base, "encoder.first.weight:F16:6x5=1 encoder.second.weight:F16:6x5=1", NULL);
    test_tensor_file(tuned, "encoder.first.weight:F16:6x5=3 encoder.second.weight:F16:6x5=1", NULL);
    lyc_extraction_free(extract(out, base, tuned, &o));
    assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_count(file), 3);
    assert_true(lyc_safetensors_find(&view, file, "lora_unet_encoder_first.lora_up.weight"));
    lyc_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_low_rank_is_found_exactly),
        cmocka_unit_test(test_error_is_what_the_report_says),
        cmocka_unit_test(test_hadamard_product_is_nearer_than_a_product),
        cmocka_unit_test(test_sparse_remainder_has_the_largest_elements),
        cmocka_unit_test(test_what_does_not_differ_is_left_out),
        cmocka_unit_test(test_models_that_do_not_fit_are_refused),
        cmocka_unit_test(test_options_that_make_no_sense_are_refused),
        cmocka_unit_test(test_any_model_by_its_own_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
