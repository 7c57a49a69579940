/* test_convert.c - converted files mean what they meant, and are what they are said to be
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

#include "adapter/compute.h"
#include "adapter/network_file.h"
#include "base/memory.h"
#include "lycoris/convert.h"
#include "lycoris/inspect.h"
#include "lycoris/verify.h"
#include "support/folder.h"
#include "support/tensor_file.h"
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

static lyc_network_file *open_file(const char *path)
{
    lyc_error err;
    lyc_network_file *file = NULL;
    const lyc_network_file_options options = {.component = "unet"};
    if (lyc_network_file_open(&file, path, &options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return file;
}

static size_t row_titled(const char *title)
{
    for (size_t row = 0; lyc_format_title_at(row) != NULL; row++) {
        if (strcmp(lyc_format_title_at(row), title) == 0) {
            return row;
        }
    }
    fail_msg("no row %s", title);
    return 0;
}

/* The sample of a row of the table of formats, as a file. */
static const char *sample(const char *title)
{
    lyc_error err;
    const char *path = test_folder_path(&folder, "in.safetensors");
    if (lyc_format_write_sample(path, row_titled(title), true, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return path;
}

/* What the first layer of a file changes. */
static float *change_of(const char *path, int64_t *n)
{
    lyc_error err;
    lyc_adapter *a = NULL;
    lyc_adapter_target target;
    lyc_network_file *file = open_file(path);
    if (lyc_network_file_target(&target, file, 0, &err) != LYC_OK ||
        lyc_network_file_adapter(&a, file, 0, &target, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    *n = lyc_shape_elements(&target.weight);
    float *change = lyc_alloc_zero((size_t)*n, sizeof *change);
    lyc_adapter_change wanted = {.weight = change};
    assert_int_equal(lyc_adapter_compute(&wanted, a, NULL, 1.0, &err), LYC_OK);
    lyc_adapter_free(a);
    lyc_network_file_close(file);
    return change;
}

/* ||a - b|| / ||a|| */
static double distance(const char *first, const char *second)
{
    int64_t n, m;
    float *a = change_of(first, &n);
    float *b = change_of(second, &m);
    assert_int_equal(n, m);
    double off = 0.0, size = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        off += d * d;
        size += (double)a[i] * (double)a[i];
    }
    lyc_free(a);
    lyc_free(b);
    assert_true(size > 0.0);
    return sqrt(off / size);
}

static lyc_converted_layer convert(const char *in, const char *out, const lyc_convert_options *options)
{
    lyc_error err;
    lyc_conversion *conversion = NULL;
    lyc_network_file *file = open_file(in);
    if (lyc_convert(&conversion, out, file, options, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(lyc_conversion_count(conversion), lyc_network_file_count(file));
    lyc_converted_layer layer = lyc_conversion_layer(conversion, 0);
    layer.name = layer.written = NULL;
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
    return layer;
}

/* Exact conversions differ by rounding alone; the file has the hash of its tensors. */
static void exact_forms(void **state)
{
    (void)state;
    static const struct {
        const char *row, *algorithm, *to;
        int64_t rank;
    } cases[] = {
        {"LoHa", "lora", "lora", 16},
        {"LoHa of a convolution, use_tucker", "lora", "lora", 16},
        {"LoKr", "lora", "lora", 32},
        {"LoKr, decompose_both", "lora", "lora", 4},
        {"LoKr of a convolution, use_tucker", "lora", "lora", 16},
        {"LoRA of a convolution, use_tucker", "lora", "lora", 4},
        {"LoRA", "full", "full", 0},
        {"LoHa", "full", "full", 0},
        {"LoKr of a convolution, use_tucker", "full", "full", 0},
        {"full difference", "full", "full", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *in = sample(cases[i].row);
        const char *out = test_folder_path(&folder, "out.safetensors");
        const lyc_convert_options options = {.algorithm = cases[i].algorithm, .keep_dtype = true, .force = true};
        const lyc_converted_layer layer = convert(in, out, &options);
        if (strcmp(layer.to, cases[i].to) != 0 || layer.rank != cases[i].rank || layer.error != 0.0 ||
            !(distance(in, out) <= 1e-6)) {
            fail_msg("%s: %s of rank %lld, error %g, distance %g", cases[i].row, layer.to, (long long)layer.rank,
                     layer.error, distance(in, out));
        }
        lyc_error err;
        lyc_file_hashes hashes;
        lyc_safetensors *file;
        assert_int_equal(lyc_safetensors_open(&file, out, NULL, &err), LYC_OK);
        assert_int_equal(lyc_inspect_hashes(&hashes, out, file, NULL, &err), LYC_OK);
        assert_string_equal(lyc_safetensors_metadata(file, "sshs_model_hash"), hashes.model);
        assert_string_equal(lyc_safetensors_metadata(file, "sshs_legacy_hash"), hashes.model_legacy);
        lyc_safetensors_close(file);
    }
}

/* The error that is told is the one that there is. */
static void approximations(void **state)
{
    (void)state;
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *in = sample("LoHa");
    const lyc_convert_options by_rank = {.algorithm = "lora", .rank = 5, .keep_dtype = true, .force = true};
    lyc_converted_layer layer = convert(in, out, &by_rank);
    assert_int_equal(layer.rank, 5);
    assert_true(layer.error > 0.1 && fabs(distance(in, out) - layer.error) < 1e-5);
    const lyc_convert_options by_energy = {
        .algorithm = "lora", .energy = 0.75, .max_rank = 2, .keep_dtype = true, .force = true};
    layer = convert(in, out, &by_energy);
    assert_true(layer.error <= 0.5 && layer.error > 0.4 && fabs(distance(in, out) - layer.error) < 1e-5);
}

static void assert_same_numbers(const char *path, const char *name, const char *other, const char *other_name)
{
    lyc_error err;
    lyc_tensor_view a, b;
    lyc_safetensors *first, *second;
    assert_int_equal(lyc_safetensors_open(&first, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&second, other, NULL, &err), LYC_OK);
    if (!lyc_safetensors_find(&a, first, name) || !lyc_safetensors_find(&b, second, other_name)) {
        fail_msg("%s or %s is not there", name, other_name);
    }
    assert_int_equal(a.dtype, b.dtype);
    assert_int_equal(a.size_bytes, b.size_bytes);
    assert_memory_equal(a.data, b.data, a.size_bytes);
    lyc_safetensors_close(first);
    lyc_safetensors_close(second);
}

/* Names change, bytes do not. */
static void renames(void **state)
{
    (void)state;
    static const char path[] = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
    char name[256];
    const char *in = test_folder_path(&folder, "in.safetensors");
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *back = test_folder_path(&folder, "back.safetensors");
    snprintf(name, sizeof name, "unet.%s.lora_A.weight:BF16:2x8=0.25 unet.%s.lora_B.weight:BF16:6x2=3", path, path);
    test_tensor_file(in, name, NULL);
    const lyc_convert_options to_kohya = {.scheme = "kohya", .keep_dtype = true, .force = true};
    const lyc_convert_options to_diffusers = {.scheme = "diffusers", .keep_dtype = true, .force = true};
    assert_true(convert(in, out, &to_kohya).copied);
    snprintf(name, sizeof name, "unet.%s.lora_A.weight", path);
    assert_same_numbers(in, name, out,
                        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight");
    assert_true(convert(out, back, &to_diffusers).copied);
    assert_same_numbers(in, name, back, name);
    const lyc_convert_options original = {.paths = "original", .keep_dtype = true, .force = true};
    assert_true(convert(out, back, &original).copied);
    assert_same_numbers(in, name, back, "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight");
}

/* A scale that diffusers has no place for goes into the numbers. */
static void folds_scales(void **state)
{
    (void)state;
    const char *in = sample("LoRA");
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_convert_options options = {.scheme = "diffusers", .keep_dtype = true, .force = true};
    const lyc_converted_layer layer = convert(in, out, &options);
    assert_false(layer.copied);
    assert_true(distance(in, out) <= 1e-7);
}

static lyc_verdict verdict_for(const char *path, const char *consumer)
{
    lyc_error err;
    size_t index;
    lyc_verification *v;
    lyc_network_file *file = open_file(path);
    assert_true(lyc_consumer_find(&index, consumer));
    assert_int_equal(lyc_verify(&v, file, index, &err), LYC_OK);
    const lyc_verdict verdict = lyc_verification_summary(v).verdict;
    lyc_verification_free(v);
    lyc_network_file_close(file);
    return verdict;
}

/* What is written for a program loads there, and means the same; adapters that depend on their model are refused. */
static void for_programs(void **state)
{
    (void)state;
    static const char *const refused[] = {"LoRA, DoRA", "LoHa, DoRA", "LoKr, DoRA", "GLoRA", "(IA)^3",
                                          "Diag-OFT",   "BOFT",       "norms",      "T-LoRA"};
    size_t converted = 0;
    for (size_t row = 0; lyc_format_title_at(row) != NULL; row++) {
        const char *in = sample(lyc_format_title_at(row));
        bool refusable = false;
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            refusable |= strncmp(lyc_format_title_at(row), refused[i], strlen(refused[i])) == 0;
        }
        for (size_t k = 0; k < lyc_consumer_count(); k++) {
            lyc_error err;
            lyc_conversion *conversion = NULL;
            const bool folder_wanted = strcmp(lyc_consumer_at(k).name, "peft") == 0;
            const char *out = test_folder_path(&folder, folder_wanted ? "out" : "out.safetensors");
            const lyc_convert_options options = {
                .consumer = lyc_consumer_at(k).name, .keep_dtype = true, .force = true};
            lyc_network_file *file = open_file(in);
            const lyc_status status = lyc_convert(&conversion, out, file, &options, NULL, &err);
            if (status != LYC_OK && !refusable) {
                fail_msg("%s for %s: %s", lyc_format_title_at(row), lyc_consumer_at(k).name, err.message);
            }
            if (status == LYC_OK && verdict_for(out, lyc_consumer_at(k).name) > LYC_VERDICT_LIMITED) {
                fail_msg("%s for %s does not load", lyc_format_title_at(row), lyc_consumer_at(k).name);
            }
            const bool exact = status == LYC_OK && !refusable && !(lyc_conversion_layer(conversion, 0).error > 0.0);
            if (exact && !(distance(in, out) <= 1e-6)) {
                fail_msg("%s for %s: distance %g", lyc_format_title_at(row), lyc_consumer_at(k).name,
                         distance(in, out));
            }
            converted += status == LYC_OK;
            lyc_conversion_free(conversion);
            lyc_network_file_close(file);
        }
    }
    assert_true(converted > 90);
}

/* A base that is no base of the adapter. */
static void refuses_bases(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"model.diffusion_model.input_blocks.1.1.proj_in.weight:F32:4x4",
         "to_q' is glora, and the base model has no such layer"},
        {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight:F32:8x8", "expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_conversion *conversion = NULL;
        const char *base = test_folder_path(&folder, "base.safetensors");
        const char *out = test_folder_path(&folder, "none.safetensors");
        lyc_network_file *file = open_file(sample("GLoRA"));
        const lyc_convert_options options = {.algorithm = "full", .keep_dtype = true, .base = base};
        test_tensor_file(base, cases[i][0], NULL);
        assert_int_not_equal(lyc_convert(&conversion, out, file, &options, NULL, &err), LYC_OK);
        assert_null(conversion);
        if (strstr(err.message, cases[i][1]) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
        lyc_network_file_close(file);
    }
    assert_string_equal(test_folder_list(&folder), "base.safetensors in.safetensors ");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        lyc_convert_options options;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"LoRA",
         {.scheme = "hcp", .keep_dtype = true},
         LYC_E_ARGUMENT,
         "names of 'hcp'; expected kohya, wrapper, diffusers, bare or peft"},
        {"LoRA",
         {.algorithm = "loha", .keep_dtype = true},
         LYC_E_ARGUMENT,
         "adapters are converted to lora or full, not to 'loha'"},
        {"LoRA", {.consumer = "me", .keep_dtype = true}, LYC_E_ARGUMENT, "'me' is no program that is known here"},
        {"LoRA", {.dtype = LYC_I8}, LYC_E_ARGUMENT, "adapters are written as F32, F16 or BF16, not as I8"},
        {"LoKr",
         {.scheme = "diffusers", .keep_dtype = true},
         LYC_E_UNSUPPORTED,
         "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q: lokr has no form in the files of diffusers"},
        {"GLoRA",
         {.algorithm = "full", .keep_dtype = true},
         LYC_E_UNSUPPORTED,
         "' is glora, whose change depends on the base weight (--base)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_conversion *conversion = NULL;
        lyc_network_file *file = open_file(sample(cases[i].row));
        const char *out = test_folder_path(&folder, "none.safetensors");
        const lyc_status status = lyc_convert(&conversion, out, file, &cases[i].options, NULL, &err);
        if (status != cases[i].status || strstr(err.message, cases[i].message) == NULL) {
            fail_msg("case %zu: %s", i, err.message);
        }
        assert_null(conversion);
        lyc_network_file_close(file);
    }
    assert_string_equal(test_folder_list(&folder), "in.safetensors ");
}

/* Flux.1: q, k and v of diffusers are one matrix of the original code, and come back as they were. */
static void fuses_and_splits(void **state)
{
    (void)state;
    static const char block[] = "transformer.single_transformer_blocks.3";
    static const char *const parts[] = {"attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"};
    char text[1024] = "";
    for (int i = 0; i < 4; i++) {
        char one[256];
        snprintf(one, sizeof one, "%s%s.%s.lora_A.weight:F16:2x5=%g %s.%s.lora_B.weight:F16:%dx2=%d", i > 0 ? " " : "",
                 block, parts[i], 0.5 * (i + 1), block, parts[i], i < 3 ? 4 : 16, i + 1);
        strcat(text, one);
    }
    const char *in = test_folder_path(&folder, "in.safetensors");
    const char *out = test_folder_path(&folder, "out.safetensors");
    const char *back = test_folder_path(&folder, "back.safetensors");
    test_tensor_file(in, text, NULL);
    const lyc_convert_options to_kohya = {.scheme = "kohya", .keep_dtype = true, .force = true};
    const lyc_convert_options to_diffusers = {.scheme = "diffusers", .keep_dtype = true, .force = true};
    lyc_error err;
    lyc_conversion *conversion = NULL;
    lyc_network_file *file = open_file(in);
    assert_int_equal(lyc_convert(&conversion, out, file, &to_kohya, NULL, &err), LYC_OK);
    assert_int_equal(lyc_conversion_count(conversion), 1);
    assert_string_equal(lyc_conversion_layer(conversion, 0).written, "lora_unet_single_blocks_3_linear1");
    assert_int_equal(lyc_conversion_layer(conversion, 0).rank, 8);
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);

    /* Row 5 is of k: 2 * 1 * 2 = 4 in every column; row 20 of proj_mlp: 4 * 2 * 2 = 16. */
    int64_t n;
    float *change = change_of(out, &n);
    assert_int_equal(n, 28 * 5);
    assert_true(change[5 * 5 + 1] == 4.0f && change[20 * 5 + 4] == 16.0f);
    lyc_free(change);

    file = open_file(out);
    assert_int_equal(lyc_convert(&conversion, back, file, &to_diffusers, NULL, &err), LYC_OK);
    assert_int_equal(lyc_conversion_count(conversion), 4);
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
    for (int i = 0; i < 4; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s.%s.lora_B.weight", block, parts[i]);
        assert_same_numbers(in, name, back, name);
        snprintf(name, sizeof name, "%s.%s.lora_A.weight", block, parts[i]);
        assert_same_numbers(in, name, back, name);
    }
}

/* The last modulation has shift and scale in the other order; a missing part is zero; a difference is cut by rows. */
static void swaps_and_completes(void **state)
{
    (void)state;
    int64_t n;
    lyc_error err;
    lyc_conversion *conversion = NULL;
    const char *in = test_folder_path(&folder, "in.safetensors");
    const char *out = test_folder_path(&folder, "out.safetensors");
    const lyc_convert_options to_kohya = {.scheme = "kohya", .keep_dtype = true, .force = true};
    const lyc_convert_options to_diffusers = {.scheme = "diffusers", .keep_dtype = true, .force = true};
    test_tensor_file(in,
                     "transformer.transformer_blocks.2.attn.to_k.lora_A.weight:F32:1x3=1 "
                     "transformer.transformer_blocks.2.attn.to_k.lora_B.weight:F32:2x1=5 "
                     "transformer.single_transformer_blocks.0.proj_out.lora_A.weight:F32:1x3 "
                     "transformer.single_transformer_blocks.0.proj_out.lora_B.weight:F32:2x1",
                     NULL);
    lyc_network_file *file = open_file(in);
    assert_int_equal(lyc_convert(&conversion, out, file, &to_kohya, NULL, &err), LYC_OK);
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
    size_t index;
    file = open_file(out);
    assert_true(lyc_network_file_find(&index, file, "transformer", "double_blocks_2_img_attn_qkv"));
    assert_int_equal(lyc_network_file_layer(file, index).weight.dims[0], 6);
    lyc_network_file_close(file);

    lyc_adapter_target target;
    test_tensor_file(in,
                     "lora_unet_final_layer_adaLN_modulation_1.lora_down.weight:F32:1x3=1 "
                     "lora_unet_final_layer_adaLN_modulation_1.lora_up.weight:F32:4x1=2",
                     NULL);
    file = open_file(in);
    assert_int_equal(lyc_network_file_target(&target, file, 0, &err), LYC_OK);
    assert_int_equal(lyc_convert(&conversion, out, file, &to_diffusers, NULL, &err), LYC_OK);
    assert_false(lyc_conversion_layer(conversion, 0).copied);
    assert_string_equal(lyc_conversion_layer(conversion, 0).written, "transformer.norm_out.linear");
    lyc_conversion_free(conversion);
    lyc_network_file_close(file);
    float *change = change_of(out, &n);
    assert_true(n == 12 && change[0] == 2.0f);
    lyc_free(change);
}

/* A number that fp16 does not hold ends the conversion, and nothing is left. */
static void overflow(void **state)
{
    (void)state;
    lyc_error err;
    lyc_conversion *conversion = NULL;
    const char *in = test_folder_path(&folder, "in.safetensors");
    test_tensor_file(in, "unet.conv_in.lora_A.weight:F32:2x8=70000 unet.conv_in.lora_B.weight:F32:6x2", NULL);
    lyc_network_file *file = open_file(in);
    lyc_convert_options options = {.dtype = LYC_F16};
    const char *out = test_folder_path(&folder, "half.safetensors");
    assert_int_equal(lyc_convert(&conversion, out, file, &options, NULL, &err), LYC_E_NUMERIC);
    assert_non_null(strstr(err.message,
                           "'unet.conv_in.lora_A.weight' has a number that is not finite, or too large for "
                           "F16; BF16 and F32 hold more"));
    assert_string_equal(test_folder_list(&folder), "in.safetensors ");
    options.allow_overflow = true;
    assert_int_equal(lyc_convert(&conversion, out, file, &options, NULL, &err), LYC_OK);
    lyc_conversion_free(conversion);
    assert_int_equal(lyc_convert(&conversion, out, file, &options, NULL, &err), LYC_E_OUTPUT);
    options.force = true;
    assert_int_equal(lyc_convert(&conversion, in, file, &options, NULL, &err), LYC_E_OUTPUT);
    lyc_network_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exact_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(approximations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folds_scales, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fuses_and_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(swaps_and_completes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(for_programs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overflow, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
