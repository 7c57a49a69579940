/* test_network_file.c - adapter files by layer: spellings, alpha of all kinds, complaints
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

#include "adapter/network_file.h"
#include "support/folder.h"
#include "support/table.h"
#include "support/tensor_file.h"
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

/* Opens and, with a weight of a layer, reads the first adapter. */
static lyc_status open_and_read(lyc_adapter **adapter, lyc_network_file **file, const char *path, const char *weight,
                                bool strict, lyc_error *err)
{
    const lyc_network_file_options options = {.strict = strict};
    const lyc_status status = lyc_network_file_open(file, path, &options, err);
    if (status != LYC_OK || strcmp(weight, "-") == 0) {
        return status;
    }
    lyc_adapter_target target = {.kind = LYC_LAYER_LINEAR, .groups = 1, .has_bias = true};
    for (const char *c = weight; *c != '\0';) {
        char *end;
        target.weight.dims[target.weight.rank++] = strtoll(c, &end, 10);
        c = *end == 'x' ? end + 1 : end;
    }
    target.kind = target.weight.rank > 2 ? LYC_LAYER_CONV2D : target.kind;
    target.kind = target.weight.rank == 1 ? LYC_LAYER_LAYER_NORM : target.kind;
    return lyc_network_file_adapter(adapter, *file, 0, &target, err);
}

static void complains(void **state)
{
    (void)state;
    test_table table;
    test_table_open(&table, "tests/adapter/network_file_errors.txt");
    while (test_table_next(&table)) {
        char *parts[4];
        assert_int_equal(test_table_split(parts, 4, table.line), 4);
        const char *path = test_folder_path(&folder, "a.safetensors");
        test_tensor_file(path, parts[0], NULL);
        lyc_network_file *file = NULL;
        lyc_adapter *adapter = NULL;
        lyc_error err = {0};
        const bool strict = strcmp(parts[2], "strict") == 0;
        assert_int_not_equal(open_and_read(&adapter, &file, path, parts[1], strict, &err), LYC_OK);
        assert_memory_equal(err.message, path, strlen(path));
        assert_string_equal(err.message + strlen(path) + 2, parts[3]);
        lyc_network_file_close(file);
    }
    test_table_close(&table, 20);
}

static void reads(void **state)
{
    (void)state;
    test_table table;
    test_table_open(&table, "tests/adapter/network_file_reads.txt");
    while (test_table_next(&table)) {
        char *parts[4];
        char got[128];
        assert_int_equal(test_table_split(parts, 4, table.line), 4);
        const char *path = test_folder_path(&folder, "a.safetensors");
        test_tensor_file(path, parts[0], strncmp(parts[2], "{", 1) == 0 ? parts[2] : NULL);
        lyc_network_file *file = NULL;
        lyc_adapter *adapter = NULL;
        lyc_error err = {0};
        if (open_and_read(&adapter, &file, path, parts[1], false, &err) != LYC_OK) {
            fail_msg("line %d: %s", table.number, err.message);
        }
        const lyc_adapter_config *config = adapter->config;
        const bool ranked = (adapter->algorithm->common & LYC_ADAPTER_RANK) != 0;
        snprintf(got, sizeof got, "%s rank %lld scale %g%s unmatched %zu", adapter->algorithm->name,
                 ranked ? (long long)config->rank : 0LL, adapter->scale,
                 config->weight_decompose ? config->wd_on_out ? " dora out" : " dora in" : "",
                 lyc_network_file_unmatched_count(file));
        assert_string_equal(got, parts[3]);
        lyc_adapter_free(adapter);
        lyc_network_file_close(file);
    }
    test_table_close(&table, 15);
}

static void finds_layers(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "b.safetensors");
    test_tensor_file(path,
                     "lora_unet_input_blocks_4_1_proj_in.lora_down.weight:F16:2x8 "
                     "lora_unet_input_blocks_4_1_proj_in.lora_up.weight:F16:6x2 "
                     "lora_unet_input_blocks_4_1_proj_in.alpha:F16:-=1 lora_unet_nothing.alpha:F32:- "
                     "bundle_emb.style.clip_l:F32:2x4",
                     NULL);
    lyc_network_file *file = NULL;
    lyc_error err = {0};
    size_t index = 99;
    assert_int_equal(lyc_network_file_open(&file, path, NULL, &err), LYC_OK);
    assert_int_equal(lyc_network_file_count(file), 1);
    assert_true(lyc_network_file_find(&index, file, "unet", "down_blocks.1.attentions.0.proj_in"));
    assert_int_equal(index, 0);
    assert_true(lyc_network_file_find(&index, file, "unet", "input_blocks.4.1.proj_in"));
    assert_true(lyc_network_file_find(&index, file, "unet", "input_blocks_4_1_proj_in"));
    assert_false(lyc_network_file_find(&index, file, "unet", "conv_in"));
    assert_false(lyc_network_file_find(&index, file, "text_encoder", "down_blocks.1.attentions.0.proj_in"));
    assert_int_equal(lyc_network_file_unmatched_count(file), 1);
    assert_string_equal(lyc_network_file_unmatched(file, 0), "lora_unet_nothing.alpha");
    assert_int_equal(lyc_network_file_embedding_count(file), 1);
    assert_string_equal(lyc_network_file_embedding(file, 0).name, "bundle_emb.style.clip_l");
    lyc_network_file_close(file);
}

static void write_text(const char *path, const char *text)
{
    test_file_write(path, text, strlen(text));
}

static void reads_peft_folders(void **state)
{
    (void)state;
    static const struct {
        const char *config, *tensors, *weight;
        double scale;
    } cases[] = {
        {"{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 16}",
         "base_model.model.conv_out.lora_A.weight:F32:2x4 base_model.model.conv_out.lora_B.weight:F32:3x2", "3x4", 8},
        {"{\"r\": 8, \"lora_alpha\": 16, \"use_rslora\": true}",
         "base_model.model.conv_out.lora_A.weight:F32:4x4 base_model.model.conv_out.lora_B.weight:F32:3x4", "3x4", 8},
        {"{\"r\": 8, \"lora_alpha\": 16, \"alpha_pattern\": {\"conv_ou\": 1, \"conv_o.t\": 4}}",
         "base_model.model.conv_out.lora_A.weight:F32:2x4 base_model.model.conv_out.lora_B.weight:F32:3x2", "3x4", 2},
        {"{\"peft_type\": \"LOHA\", \"r\": 8, \"alpha\": 4}",
         "base_model.model.conv_out.hada_w1_a:F32:3x2 base_model.model.conv_out.hada_w1_b:F32:2x4 "
         "base_model.model.conv_out.hada_w2_a:F32:3x2 base_model.model.conv_out.hada_w2_b:F32:2x4",
         "3x4", 2},
    };
    write_text(test_folder_path(&folder, "adapter_config.json"), "{");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_network_file *file = NULL;
        lyc_adapter *adapter = NULL;
        lyc_error err = {0};
        write_text(test_folder_path(&folder, "adapter_config.json"), cases[i].config);
        test_tensor_file(test_folder_path(&folder, "adapter_model.safetensors"), cases[i].tensors, NULL);
        const char *path = i % 2 == 0 ? folder.path : test_folder_path(&folder, "adapter_model.safetensors");
        if (open_and_read(&adapter, &file, path, cases[i].weight, true, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        assert_true(adapter->scale == cases[i].scale);
        lyc_adapter_free(adapter);
        lyc_network_file_close(file);
    }
}

/* PEFT scales a LoKr of two whole factors, and multiplies by the vector of (IA)3. */
static void converts_peft_values(void **state)
{
    (void)state;
    lyc_network_file *file = NULL;
    lyc_adapter *adapter = NULL;
    lyc_error err = {0};
    write_text(test_folder_path(&folder, "adapter_config.json"), "{\"peft_type\": \"LOKR\", \"r\": 8, \"alpha\": 2}");
    test_tensor_file(test_folder_path(&folder, "adapter_model.safetensors"),
                     "base_model.model.conv_out.lokr_w1:F16:2x2 base_model.model.conv_out.lokr_w2:F16:3x4", NULL);
    assert_int_equal(open_and_read(&adapter, &file, folder.path, "6x8", true, &err), LYC_OK);
    assert_true(lyc_adapter_param_find(adapter, "lokr_w1")->data[3] == 0.125F);
    assert_true(adapter->scale == 1);
    lyc_adapter_free(adapter);
    lyc_network_file_close(file);
    write_text(test_folder_path(&folder, "adapter_config.json"), "{\"peft_type\": \"IA3\"}");
    test_tensor_file(test_folder_path(&folder, "adapter_model.safetensors"),
                     "base_model.model.conv_out.ia3_l:F32:1x8=1.25 base_model.model.conv_in.ia3_l:F32:6x1", NULL);
    assert_int_equal(open_and_read(&adapter, &file, folder.path, "6x8", true, &err), LYC_OK);
    const bool first_is_input = strcmp(lyc_network_file_layer(file, 0).module, "conv_out") == 0;
    assert_true(lyc_adapter_param_find(adapter, "weight")->data[5] == (first_is_input ? 0.25F : -0.5F));
    lyc_adapter_free(adapter);
    lyc_network_file_close(file);
}

static void refuses_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message;
        size_t size;
        lyc_status status;
    } cases[] = {
        {"PK\3\4xxxxxxxxxxxx", " is a pickle of PyTorch, which can run code; convert it to safetensors", 16,
         LYC_E_UNSUPPORTED},
        {"\x80\2}q\1.xxxxxxxxxx", " is a pickle of PyTorch, which can run code; convert it to safetensors", 16,
         LYC_E_UNSUPPORTED},
        {"\10\0\0\0\0\0\0\0{}      ", ": there are no adapters: the file has no tensors", 16, LYC_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = test_folder_path(&folder, "c.bin");
        lyc_network_file *file = NULL;
        lyc_error err = {0};
        test_file_write(path, cases[i].bytes, cases[i].size);
        assert_int_equal(lyc_network_file_open(&file, path, NULL, &err), cases[i].status);
        assert_null(file);
        assert_string_equal(err.message + strlen(path), cases[i].message);
    }
    lyc_network_file *file = NULL;
    lyc_error err = {0};
    assert_int_equal(lyc_network_file_open(&file, test_folder_path(&folder, "none"), NULL, &err), LYC_E_IO);
}

/* The model by names and shapes. */
static void says_the_family(void **state)
{
    (void)state;
    static const struct {
        const char *tensors, *family;
    } cases[] = {
        {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight:F32:2x768 "
         "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight:F32:6x2",
         "SD 1.x"},
        {"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora_A.weight:F32:2x1024 "
         "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora_B.weight:F32:6x2",
         "SD 2.x"},
        {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lokr_w1:F32:8x8 "
         "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lokr_w2:F32:80x256",
         "SDXL"},
        {"lora_unet_input_blocks_7_1_transformer_blocks_1_attn1_to_k.lora_down.weight:F32:2x8 "
         "lora_unet_input_blocks_7_1_transformer_blocks_1_attn1_to_k.lora_up.weight:F32:6x2",
         "SDXL"},
        {"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight:F32:2x8 "
         "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight:F32:6x2",
         "SDXL"},
        {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight:F32:2x8 "
         "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight:F32:18x2",
         "Flux.1"},
        {"lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight:F32:2x8 "
         "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_up.weight:F32:18x2",
         "SD3"},
        {"lora_unet_conv_in.lora_down.weight:F32:2x8 lora_unet_conv_in.lora_up.weight:F32:6x2", NULL},
    };
    const char *path = test_folder_path(&folder, "family.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_error err;
        lyc_network_file *file = NULL;
        test_tensor_file(path, cases[i].tensors, NULL);
        if (lyc_network_file_open(&file, path, NULL, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        const char *family = lyc_network_file_family(file);
        if (cases[i].family == NULL ? family != NULL : family == NULL || strcmp(family, cases[i].family) != 0) {
            fail_msg("%s: %s", cases[i].tensors, family != NULL ? family : "none");
        }
        lyc_network_file_close(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complains),          cmocka_unit_test(reads),
        cmocka_unit_test(finds_layers),       cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(reads_peft_folders), cmocka_unit_test(converts_peft_values),
        cmocka_unit_test(says_the_family),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
