/* test_merge.c - adapters into models: files and folders, types, orders, what is refused
 *
 * The values of single adapters are those of LyCORIS: tests/conformance/tools.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/merge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "adapter/rows.h"
#include "base/arena.h"
#include "base/memory.h"
#include "support/folder.h"
#include "support/tensor_file.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#define NETWORKS "tests/conformance/networks/"
#define BASE     NETWORKS "base_network.safetensors"
#define LOKR     NETWORKS "lokr_factor8_attn_mlp.safetensors"
#define MIXED    NETWORKS "mixed_preset.safetensors"
#define DORA     NETWORKS "dora_attn_only.safetensors"

static test_folder folder;
static lyc_arena paths;
static lyc_error err;

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static int setup(void **state)
{
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    lyc_arena_clear(&paths);
    return 0;
}

static void merge(const lyc_merge_options *o)
{
    lyc_merge_report *report = NULL;
    if (lyc_merge(&report, o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    lyc_merge_report_free(report);
}

static void refuses(const lyc_merge_options *o, lyc_status status, const char *message)
{
    lyc_merge_report *report = NULL;
    assert_int_equal(lyc_merge(&report, o, NULL, &err), status);
    assert_null(report);
    assert_string_equal(err.message, message);
}

/* The largest distance of two files' tensors of the same names, in numbers of f32. */
static double distance(const char *a, const char *b)
{
    lyc_safetensors *x = NULL, *y = NULL;
    double largest = 0;
    assert_int_equal(lyc_safetensors_open(&x, a, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&y, b, NULL, &err), LYC_OK);
    for (size_t i = 0; i < lyc_safetensors_count(x); i++) {
        const lyc_tensor_view t = lyc_safetensors_tensor(x, i);
        lyc_tensor_view u;
        const size_t n = (size_t)lyc_shape_elements(&t.shape);
        assert_true(lyc_safetensors_find(&u, y, t.name));
        float *p = lyc_alloc(n * sizeof *p + 1), *q = lyc_alloc(n * sizeof *q + 1);
        assert_int_equal(lyc_dtype_convert(p, LYC_F32, t.data, t.dtype, n, &err), LYC_OK);
        assert_int_equal(lyc_dtype_convert(q, LYC_F32, u.data, u.dtype, n, &err), LYC_OK);
        for (size_t k = 0; k < n; k++) {
            largest = fmax(largest, fabs((double)p[k] - (double)q[k]));
        }
        lyc_free(p);
        lyc_free(q);
    }
    lyc_safetensors_close(x);
    lyc_safetensors_close(y);
    return largest;
}

static bool same_file(const char *a, const char *b)
{
    size_t size_a, size_b;
    char *x = test_file_read(a, &size_a), *y = test_file_read(b, &size_b);
    const bool same = x != NULL && y != NULL && size_a == size_b && memcmp(x, y, size_a) == 0;
    free(x);
    free(y);
    return same;
}

/* Strength 0 changes no bit, and no type. */
static void zero_is_the_model(void **state)
{
    (void)state;
    const lyc_merge_adapter adapters[] = {{LOKR, 0, 0}, {MIXED, 0, 0}};
    const lyc_merge_options o = {.base = BASE, .output = at("m.safetensors"), .adapters = adapters, .adapter_count = 2};
    lyc_safetensors *was = NULL, *is = NULL;
    merge(&o);
    assert_int_equal(lyc_safetensors_open(&was, BASE, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_open(&is, o.output, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_count(was), lyc_safetensors_count(is));
    for (size_t i = 0; i < lyc_safetensors_count(was); i++) {
        const lyc_tensor_view a = lyc_safetensors_tensor(was, i);
        lyc_tensor_view b;
        assert_true(lyc_safetensors_find(&b, is, a.name));
        assert_int_equal(a.dtype, b.dtype);
        assert_memory_equal(a.data, b.data, a.size_bytes);
    }
    assert_string_equal(lyc_safetensors_metadata(is, "modelspec.merged_from"),
                        "base_network, lokr_factor8_attn_mlp, mixed_preset");
    assert_string_equal(lyc_safetensors_metadata(is, "modelspec.title"), "m");
    lyc_safetensors_close(was);
    lyc_safetensors_close(is);
}

/* Both at once is one after the other, but for the roundings in between; f64 sums are as near. */
static void several_are_one_after_the_other(void **state)
{
    (void)state;
    const lyc_merge_adapter both[] = {{LOKR, 0.7, 0.5}, {MIXED, -0.4, 1}};
    lyc_merge_options o = {.base = BASE,
                           .output = at("both.safetensors"),
                           .adapters = both,
                           .adapter_count = 2,
                           .convert = true,
                           .dtype = LYC_F32};
    merge(&o);
    o.adapter_count = 1;
    o.output = at("first.safetensors");
    merge(&o);
    o.base = o.output;
    o.adapters = both + 1;
    o.output = at("second.safetensors");
    merge(&o);
    assert_true(distance(at("both.safetensors"), at("second.safetensors")) < 1e-5);
    assert_true(distance(at("both.safetensors"), at("first.safetensors")) > 1e-2);
    o = (lyc_merge_options){.base = BASE,
                            .output = at("precise.safetensors"),
                            .adapters = both,
                            .adapter_count = 2,
                            .precise = true,
                            .convert = true,
                            .dtype = LYC_F32};
    merge(&o);
    assert_true(distance(at("both.safetensors"), at("precise.safetensors")) < 1e-5);
}

/* What depends on the weight sees the sum so far, or with `independent` the model's own weight. */
static void order_and_independence(void **state)
{
    (void)state;
    const lyc_merge_adapter ab[] = {{LOKR, 1, 1}, {DORA, 1, 1}}, ba[] = {{DORA, 1, 1}, {LOKR, 1, 1}};
    lyc_merge_options o = {.base = BASE,
                           .output = at("ab.safetensors"),
                           .adapters = ab,
                           .adapter_count = 2,
                           .convert = true,
                           .dtype = LYC_F32};
    merge(&o);
    o.adapters = ba;
    o.output = at("ba.safetensors");
    merge(&o);
    assert_true(distance(at("ab.safetensors"), at("ba.safetensors")) > 1e-3);
    o.independent = true;
    o.output = at("ba-independent.safetensors");
    merge(&o);
    o.adapters = ab;
    o.output = at("ab-independent.safetensors");
    merge(&o);
    assert_true(distance(at("ab-independent.safetensors"), at("ba-independent.safetensors")) < 1e-5);
    assert_true(distance(at("ba-independent.safetensors"), at("ba.safetensors")) < 1e-5);
}

/* Rows of an adapter are the rows of its change. */
static void rows_are_the_whole(void **state)
{
    static const char *const files[] = {LOKR, MIXED};
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        const lyc_merge_adapter adapter = {files[f], 1, 1};
        lyc_merge_options o = {.base = BASE,
                               .output = at("rows.safetensors"),
                               .adapters = &adapter,
                               .adapter_count = 1,
                               .convert = true,
                               .dtype = LYC_F32,
                               .force = true};
        merge(&o);
        o.precise = true; /* goes another way: the whole change at once */
        o.output = at("whole.safetensors");
        merge(&o);
        assert_true(distance(at("rows.safetensors"), at("whole.safetensors")) < 1e-6);
    }
}

static void folders(void **state)
{
    (void)state;
    const lyc_merge_adapter adapter = {at("a.safetensors"), 1, 1};
    const lyc_merge_options o = {
        .base = "tests/conformance/models/tiny_sd15", .output = at("model"), .adapters = &adapter, .adapter_count = 1};
    struct stat seen;
    /* an adapter of one layer: rank 1 of ones */
    lyc_safetensors_plan *plan = NULL;
    lyc_safetensors_writer *writer = NULL;
    static const char prefix[] = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
    char up[128], down[128];
    float ones[32];
    snprintf(up, sizeof up, "%s.lora_up.weight", prefix);
    snprintf(down, sizeof down, "%s.lora_down.weight", prefix);
    for (int i = 0; i < 32; i++) {
        ones[i] = 0.125f;
    }
    assert_int_equal(lyc_safetensors_plan_new(&plan, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, up, LYC_F32, &LYC_SHAPE(32, 1), &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_add(plan, down, LYC_F32, &LYC_SHAPE(1, 32), &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_open(&writer, plan, adapter.path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(writer, up, ones, sizeof ones, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_put(writer, down, ones, sizeof ones, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(plan);
    merge(&o);
    assert_true(same_file(at("model/model_index.json"), "tests/conformance/models/tiny_sd15/model_index.json"));
    assert_true(same_file(at("model/unet/config.json"), "tests/conformance/models/tiny_sd15/unet/config.json"));
    assert_true(same_file(at("model/vae/diffusion_pytorch_model.safetensors"),
                          "tests/conformance/models/tiny_sd15/vae/diffusion_pytorch_model.safetensors"));
    const double d = distance(at("model/unet/diffusion_pytorch_model.safetensors"),
                              "tests/conformance/models/tiny_sd15/unet/diffusion_pytorch_model.safetensors");
    assert_true(fabs(d - 0.015625) < 1e-3); /* fp16 */
    assert_int_equal(stat(at("model.tmp"), &seen), -1);
    char message[256];
    snprintf(message, sizeof message, "%s is there: a folder is not replaced", o.output);
    refuses(&o, LYC_E_OUTPUT, message);
}

/* Numbers of a tensor that all have the value. */
static void all_are(const lyc_safetensors *file, const char *name, int64_t first, int64_t count, double value)
{
    lyc_tensor_view t;
    assert_true(lyc_safetensors_find(&t, file, name));
    for (int64_t i = first; i < first + count; i++) {
        const size_t element = (size_t)lyc_dtype_bits(t.dtype) / 8;
        const double found = lyc_dtype_load(t.dtype, (const char *)t.data + (size_t)i * element);
        if (found != value) {
            fail_msg("%s[%lld] is %g, not %g", name, (long long)i, found, value);
        }
    }
}

/* q, k and v of OpenCLIP, and of Flux.1, are thirds of one matrix: one of them changes its rows, and its third of the
 * bias; several change theirs. A matrix that is stored transposed changes as it is meant. */
static void parts_of_a_matrix(void **state)
{
    (void)state;
#define BLOCK "conditioner.embedders.1.model.transformer.resblocks.0.attn."
#define FLUX  "model.diffusion_model.double_blocks.0.img_attn.qkv.weight"
#define TEXT  "lora_te2_text_model_encoder_layers_0_self_attn_"
    const char *base = at("base.safetensors"), *first = at("first.safetensors"), *second = at("second.safetensors");
    test_tensor_file(base,
                     BLOCK "in_proj_weight:F16:12x4=1 " BLOCK "in_proj_bias:F16:12=1 " FLUX ":BF16:12x4=1 "
                           "conditioner.embedders.1.model.text_projection:F32:4x6=1",
                     NULL);
    test_tensor_file(first,
                     TEXT "k_proj.lora_down.weight:F32:1x4=0.5 " TEXT "k_proj.lora_up.weight:F32:4x1=0.5 " TEXT
                          "k_proj.diff_b:F32:4=2 transformer.transformer_blocks.0.attn.to_v.lora_A.weight:F32:1x4=0.5 "
                          "transformer.transformer_blocks.0.attn.to_v.lora_B.weight:F32:4x1=1",
                     NULL);
    test_tensor_file(second, TEXT "v_proj.lora_down.weight:F32:1x4=0.5 " TEXT "v_proj.lora_up.weight:F32:4x1=-0.5",
                     NULL);
    const lyc_merge_adapter adapters[] = {{first, 1, 1}, {second, 1, 1}};
    const lyc_merge_options o = {
        .base = base, .output = at("merged.safetensors"), .adapters = adapters, .adapter_count = 2};
    lyc_safetensors *file = NULL;
    merge(&o);
    assert_int_equal(lyc_safetensors_open(&file, o.output, NULL, &err), LYC_OK);
    all_are(file, BLOCK "in_proj_weight", 0, 16, 1);
    all_are(file, BLOCK "in_proj_weight", 16, 16, 1.25);
    all_are(file, BLOCK "in_proj_weight", 32, 16, 0.75);
    all_are(file, BLOCK "in_proj_bias", 0, 4, 1);
    all_are(file, BLOCK "in_proj_bias", 4, 4, 3);
    all_are(file, BLOCK "in_proj_bias", 8, 4, 1);
    all_are(file, FLUX, 0, 32, 1);
    all_are(file, FLUX, 32, 16, 1.5);
    all_are(file, "conditioner.embedders.1.model.text_projection", 0, 24, 1);
    lyc_safetensors_close(file);
}

/* Shards by their index become a folder of the same shards, and the index. */
static void shards(void **state)
{
    (void)state;
    static const char index[] = "{\"metadata\": {\"total_size\": 128}, \"weight_map\": {"
                                "\"model.diffusion_model.out.2.weight\": \"m-00001-of-00002.safetensors\", "
                                "\"model.diffusion_model.input_blocks.0.0.weight\": \"m-00002-of-00002.safetensors\"}}";
    const char *base = at("m.safetensors.index.json");
    const lyc_merge_adapter adapter = {at("a.safetensors"), 1, 1};
    const lyc_merge_options o = {.base = base, .output = at("out"), .adapters = &adapter, .adapter_count = 1};
    lyc_safetensors *file = NULL;
    lyc_merge_report *report = NULL;
    test_file_write(base, index, sizeof index - 1);
    test_tensor_file(at("m-00001-of-00002.safetensors"), "model.diffusion_model.out.2.weight:F32:4x2x1x1=1", NULL);
    test_tensor_file(at("m-00002-of-00002.safetensors"), "model.diffusion_model.input_blocks.0.0.weight:F32:2x4x1x1=1",
                     NULL);
    test_tensor_file(
        adapter.path,
        "lora_unet_conv_in.lora_down.weight:F32:1x4x1x1=0.5 lora_unet_conv_in.lora_up.weight:F32:2x1x1x1=1 "
        "lora_unet_conv_norm_out.w_norm:F32:4 bundle_emb.sks.clip_l:F32:1x4",
        NULL);
    assert_int_equal(lyc_merge(&report, &o, NULL, &err), LYC_OK);
    const lyc_merged_adapter a = lyc_merge_report_adapter(report, 0);
    assert_int_equal(a.layers, 2);
    assert_int_equal(a.merged, 1);
    assert_int_equal(a.unmatched, 1);
    assert_int_equal(a.embeddings, 1);
    assert_string_equal(lyc_merge_report_unmatched(report, 0, 0), "lora_unet_conv_norm_out");
    lyc_merge_report_free(report);
    assert_true(same_file(at("out/m.safetensors.index.json"), base));
    assert_int_equal(lyc_safetensors_open(&file, at("out/m-00002-of-00002.safetensors"), NULL, &err), LYC_OK);
    all_are(file, "model.diffusion_model.input_blocks.0.0.weight", 0, 8, 1.5);
    lyc_safetensors_close(file);
    assert_true(same_file(at("out/m-00001-of-00002.safetensors"), at("m-00001-of-00002.safetensors")));
}

static void refused(void **state)
{
    (void)state;
    char message[512];
    const lyc_merge_adapter lokr = {LOKR, 1, 1}, missing = {"missing.safetensors", 1, 1},
                            other = {"examples/adapter/adapter.safetensors", 1, 1}, large = {LOKR, 1e9, 1e9};
    lyc_merge_options o = {.base = BASE, .output = at("m.safetensors"), .adapters = &missing, .adapter_count = 1};
    refuses(&o, LYC_E_IO, "cannot open missing.safetensors: No such file or directory");
    o.adapters = &other;
    refuses(
        &o, LYC_E_SHAPE,
        "examples/adapter/adapter.safetensors: lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_k "
        "is for a weight 320x320, the model's is 32x32");
    o.adapters = &large;
    o.convert = true;
    o.dtype = LYC_F16;
    assert_int_equal(lyc_merge(&(lyc_merge_report *){NULL}, &o, NULL, &err), LYC_E_NUMERIC);
    assert_non_null(strstr(err.message, "is too large for fp16; bf16 or float as a type, or --allow-overflow"));
    assert_string_equal(test_folder_list(&folder), "");
    o.adapters = &lokr;
    test_file_write(o.output, "precious", 8);
    snprintf(message, sizeof message, "cannot write %s: it exists", o.output);
    refuses(&o, LYC_E_OUTPUT, message);
    o.output = BASE;
    o.force = true;
    assert_int_equal(lyc_merge(&(lyc_merge_report *){NULL}, &o, NULL, &err), LYC_E_OUTPUT);
    o.adapter_count = 0;
    refuses(&o, LYC_E_ARGUMENT, "no adapter to merge");
}

static void report_and_strict(void **state)
{
    (void)state;
    lyc_merge_report *report = NULL;
    const lyc_merge_adapter adapter = {MIXED, 1, 1};
    lyc_merge_options o = {.base = "tests/conformance/models/tiny_sd15/unet",
                           .output = at("unet.safetensors"),
                           .adapters = &adapter,
                           .adapter_count = 1,
                           .dry_run = true};
    o.base = BASE;
    assert_int_equal(lyc_merge(&report, &o, NULL, &err), LYC_OK);
    const lyc_merged_adapter a = lyc_merge_report_adapter(report, 0);
    assert_int_equal(lyc_merge_report_count(report), 1);
    assert_string_equal(a.path, MIXED);
    assert_true(a.merged > 50);
    assert_int_equal(a.unmatched, 0);
    assert_null(lyc_merge_report_unmatched(report, 0, 0));
    assert_string_equal(test_folder_list(&folder), "");
    lyc_merge_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zero_is_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(several_are_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(order_and_independence, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_the_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_of_a_matrix, setup, teardown),
        cmocka_unit_test_setup_teardown(shards, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(report_and_strict, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
