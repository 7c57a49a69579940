/* test_base_model.c - modules of models of every layout
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/folder.h"
#include "support/model_file.h"
#include "support/tensor_file.h"
#include "tensor/shape.h"
#include "tool/base_model.h"

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

static lyc_base_model *open_model(const char *path, bool exact)
{
    lyc_error err;
    lyc_base_model *model = NULL;
    if (lyc_base_model_open(&model, path, &(lyc_base_model_options){.exact = exact}, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

/* "shape: tensor[row+count] ... | bias tensor ..."; "" when the model has no such module. */
static const char *described(const lyc_base_model *model, const char *component, const char *name)
{
    static char text[1024];
    char shape[LYC_SHAPE_TEXT];
    lyc_base_module module;
    text[0] = '\0';
    for (size_t unit = 0; unit < lyc_base_model_unit_count(model); unit++) {
        if (!lyc_base_model_find(&module, model, unit, component, name)) {
            continue;
        }
        size_t n =
            (size_t)snprintf(text, sizeof text, "%s%s:", lyc_shape_text(shape, sizeof shape, &module.weight.shape),
                             module.transposed ? "^T" : "");
        const lyc_base_pieces *both[] = {&module.weight, &module.bias};
        for (int k = 0; k < 2; k++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", k == 1 && module.bias.count > 0 ? " |" : "");
            for (int i = 0; i < both[k]->count; i++) {
                const lyc_base_rows *rows = &both[k]->pieces[i];
                n += (size_t)snprintf(text + n, sizeof text - n, " %s[%d+%d]", lyc_base_model_tensor(model, rows).name,
                                      (int)rows->row, (int)rows->count);
            }
        }
    }
    return text;
}

static void single_files(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "model.safetensors");
    test_tensor_file(path,
                     "model.diffusion_model.input_blocks.1.1.proj_in.weight:F16:4x4x1x1 "
                     "model.diffusion_model.input_blocks.1.1.proj_in.bias:F16:4 "
                     "model.diffusion_model.output_blocks.2.1.conv.weight:F16:4x4x3x3 "
                     "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight:F32:12x4 "
                     "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias:F32:12 "
                     "conditioner.embedders.1.model.text_projection:F32:4x6 "
                     "first_stage_model.encoder.conv_in.weight:F32:4x3x3x3 alphas_cumprod:F32:10",
                     NULL);
    lyc_base_model *model = open_model(path, false);
    assert_false(lyc_base_model_is_folder(model));
    assert_int_equal(lyc_base_model_file_count(model), 1);
    assert_string_equal(lyc_base_model_file(model, 0)->relative, "model.safetensors");
    assert_string_equal(described(model, "unet", "down_blocks.0.attentions.0.proj_in"),
                        "4x4x1x1: model.diffusion_model.input_blocks.1.1.proj_in.weight[0+4] | "
                        "model.diffusion_model.input_blocks.1.1.proj_in.bias[0+4]");
    assert_string_equal(described(model, "unet", "up_blocks.0.upsamplers.0.conv"),
                        "4x4x3x3: model.diffusion_model.output_blocks.2.1.conv.weight[0+4]");
    assert_string_equal(described(model, "text_encoder", "text_model.encoder.layers.0.self_attn.k_proj"),
                        "4x4: cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight[4+4] | "
                        "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias[4+4]");
    assert_string_equal(described(model, "text_encoder_2", "text_projection"),
                        "6x4^T: conditioner.embedders.1.model.text_projection[0+4]");
    assert_string_equal(described(model, "unet", "conv_in"), "");
    lyc_base_model_close(model);
}

/* Matrices in one piece and in parts, each asked for by the names of the other. */
static void transformers(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "model.safetensors");
    test_tensor_file(path,
                     "model.diffusion_model.double_blocks.0.img_attn.qkv.weight:BF16:12x4 "
                     "single_blocks.1.linear1.weight:BF16:28x4 single_blocks.1.linear1.bias:BF16:28 "
                     "joint_blocks.2.x_block.attn.qkv.weight:BF16:6x2",
                     NULL);
    lyc_base_model *model = open_model(path, false);
    assert_string_equal(described(model, "transformer", "transformer_blocks.0.attn.to_v"),
                        "4x4: model.diffusion_model.double_blocks.0.img_attn.qkv.weight[8+4]");
    assert_string_equal(described(model, "transformer", "double_blocks.0.img_attn.qkv"),
                        "12x4: model.diffusion_model.double_blocks.0.img_attn.qkv.weight[0+12]");
    assert_string_equal(described(model, "transformer", "single_transformer_blocks.1.proj_mlp"),
                        "16x4: single_blocks.1.linear1.weight[12+16] | single_blocks.1.linear1.bias[12+16]");
    assert_string_equal(described(model, "transformer", "transformer_blocks.2.attn.to_k"),
                        "2x2: joint_blocks.2.x_block.attn.qkv.weight[2+2]");
    lyc_base_model_close(model);
    test_tensor_file(path,
                     "transformer_blocks.0.attn.to_q.weight:BF16:4x4 transformer_blocks.0.attn.to_k.weight:BF16:4x4 "
                     "transformer_blocks.0.attn.to_v.weight:BF16:4x4 transformer_blocks.1.attn.to_q.weight:BF16:4x4",
                     NULL);
    model = open_model(path, false);
    assert_string_equal(described(model, "transformer", "double_blocks.0.img_attn.qkv"),
                        "12x4: transformer_blocks.0.attn.to_q.weight[0+4] transformer_blocks.0.attn.to_k.weight[0+4] "
                        "transformer_blocks.0.attn.to_v.weight[0+4]");
    assert_string_equal(described(model, "transformer", "double_blocks.1.img_attn.qkv"), "");
    lyc_base_model_close(model);
}

static void own_names(void **state)
{
    (void)state;
    const char *path = test_folder_path(&folder, "model.safetensors");
    test_tensor_file(
        path,
        "model.diffusion_model.blocks.0.attn.q.weight:F16:4x4 model.diffusion_model.blocks.0.attn.q.bias:F16:4 "
        "head.weight:F16:2x4",
        NULL);
    lyc_base_model *model = open_model(path, true);
    assert_string_equal(described(model, "unet", "blocks.0.attn.q"),
                        "4x4: model.diffusion_model.blocks.0.attn.q.weight[0+4] | "
                        "model.diffusion_model.blocks.0.attn.q.bias[0+4]");
    assert_string_equal(described(model, "unet", "head"), "2x4: head.weight[0+2]");
    lyc_base_model_close(model);
    model = open_model(path, false);
    assert_string_equal(described(model, "unet", "blocks.0.attn.q"), "");
    lyc_base_model_close(model);
}

static void folders(void **state)
{
    (void)state;
    lyc_error err;
    test_model_folder(folder.path, true);
    lyc_base_model *model = open_model(folder.path, false);
    assert_true(lyc_base_model_is_folder(model));
    assert_int_equal(lyc_base_model_unit_count(model), 3);
    assert_string_equal(lyc_base_model_file(model, 2)->relative, "unet/diffusion_pytorch_model.safetensors");
    const size_t others = lyc_base_model_other_count(model);
    assert_string_equal(lyc_base_model_other(model, others - 1), "model_index.json");
    assert_true(strstr(described(model, "unet", "conv_in"), ": conv_in.weight[0+") != NULL);
    assert_true(strstr(described(model, "text_encoder_2", "text_model.encoder.layers.0.mlp.fc1"),
                       ": text_model.encoder.layers.0.mlp.fc1.weight[0+") != NULL);
    lyc_base_model_close(model);
    model = NULL;
    assert_int_equal(lyc_base_model_open(&model, test_folder_path(&folder, "vae"), NULL, &err), LYC_E_FORMAT);
    assert_true(strstr(err.message, "is a folder without safetensors files in unet, transformer or text_encoder: no "
                                    "model") != NULL);
}

static void twice(void **state)
{
    (void)state;
    lyc_error err;
    lyc_base_model *model = NULL;
    const char *path = test_folder_path(&folder, "model.safetensors");
    test_tensor_file(path, "model.diffusion_model.out.2.weight:F32:4x4x3x3 unet.conv_out.weight:F32:4x4x3x3", NULL);
    assert_int_equal(lyc_base_model_open(&model, path, NULL, &err), LYC_E_FORMAT);
    assert_true(strstr(err.message,
                       "model.safetensors: 'model.diffusion_model.out.2.weight' and 'unet.conv_out.weight' "
                       "are both the weight of conv_out") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(single_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(transformers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twice, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
