/* test_split_dylora.c - the parts of a DyLoRA are its first ranks, bit for bit
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/split_dylora.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "lycoris/adapter.h"
#include "support/folder.h"
#include "support/tensor_file.h"
#include "tensor/dtype.h"

#define ADAPTER "examples/adapter/adapter.safetensors" /* rank 4, alpha 2, fp16 */
#define LAYER   "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
enum { OUT = 320, IN = 768, RANK = 4 };

static test_folder folder;
static lyc_arena paths;
static lyc_error err;

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
    lyc_arena_clear(&paths);
    return 0;
}

static const char *at(const char *name)
{
    return lyc_arena_text(&paths, test_folder_path(&folder, name));
}

static void split(const char *file, const lyc_split_options *o, size_t files)
{
    lyc_splitting *s = NULL;
    if (lyc_split_dylora(&s, at("out.safetensors"), file, o, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(lyc_splitting_count(s), files);
    lyc_splitting_free(s);
}

static lyc_safetensors *open_file(const char *path)
{
    lyc_safetensors *file = NULL;
    if (lyc_safetensors_open(&file, path, NULL, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return file;
}

static lyc_tensor_view tensor_of(const lyc_safetensors *file, const char *name)
{
    lyc_tensor_view view = {0};
    assert_true(lyc_safetensors_find(&view, file, name));
    return view;
}

/* Rows of down, columns of up; everything else stays. */
static void first_ranks(void **state)
{
    (void)state;
    split(ADAPTER, &(lyc_split_options){.unit = 1}, 3);
    assert_string_equal(test_folder_list(&folder), "out-0001.safetensors out-0002.safetensors out-0003.safetensors ");
    lyc_safetensors *whole = open_file(ADAPTER), *part = open_file(at("out-0003.safetensors"));
    const lyc_tensor_view up = tensor_of(whole, LAYER ".lora_up.weight"),
                          down = tensor_of(whole, LAYER ".lora_down.weight");
    const lyc_tensor_view up3 = tensor_of(part, LAYER ".lora_up.weight"),
                          down3 = tensor_of(part, LAYER ".lora_down.weight");
    assert_int_equal(down3.dtype, LYC_F16);
    assert_int_equal(down3.size_bytes, 3 * IN * 2);
    assert_memory_equal(down3.data, down.data, down3.size_bytes);
    assert_int_equal(up3.size_bytes, OUT * 3 * 2);
    for (size_t row = 0; row < OUT; row++) {
        assert_memory_equal((const char *)up3.data + row * 6, (const char *)up.data + row * 8, 6);
    }
    const lyc_tensor_view alpha = tensor_of(part, LAYER ".alpha");
    assert_true(lyc_dtype_load(alpha.dtype, alpha.data) == 2.0);
    assert_string_equal(lyc_safetensors_metadata(part, "ss_network_dim"), "3");
    assert_string_equal(lyc_safetensors_metadata(part, "ss_training_comment"),
                        "split from DyLoRA, rank 4 to 3; an example that was made, not trained");
    assert_int_equal(lyc_safetensors_count(part), lyc_safetensors_count(whole));
    lyc_safetensors_close(whole);
    lyc_safetensors_close(part);
}

/* The change of a file's layer [OUT,IN]. */
static float *change_of(const char *path)
{
    size_t index;
    lyc_network_file *file = NULL;
    float *out = calloc((size_t)OUT * IN, sizeof *out);
    const lyc_base_layer base = {.dtype = LYC_F32, .shape = {2, {OUT, IN}}};
    assert_non_null(out);
    assert_int_equal(lyc_network_file_open(&file, path, NULL, &err), LYC_OK);
    assert_true(
        lyc_network_file_find(&index, file, "unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"));
    assert_int_equal(lyc_network_file_change(out, NULL, LYC_F32, file, index, &base, 1.0, &err), LYC_OK);
    lyc_network_file_close(file);
    return out;
}

/* alpha / k, as the parts were trained; with keep_scale alpha / rank, as they are in the whole. */
static void scales(void **state)
{
    (void)state;
    split(ADAPTER, &(lyc_split_options){.unit = 2}, 1);
    float *trained = change_of(at("out-0002.safetensors"));
    split(ADAPTER, &(lyc_split_options){.unit = 2, .keep_scale = true, .force = true}, 1);
    float *kept = change_of(at("out-0002.safetensors"));
    size_t nonzero = 0;
    for (size_t i = 0; i < (size_t)OUT * IN; i++) {
        assert_true(trained[i] == 2.0F * kept[i]); /* powers of two: exact */
        nonzero += kept[i] != 0.0F;
    }
    assert_true(nonzero > OUT * IN / 2);
    free(trained);
    free(kept);
    lyc_safetensors *part = open_file(at("out-0002.safetensors"));
    const lyc_tensor_view alpha = tensor_of(part, LAYER ".alpha");
    assert_true(lyc_dtype_load(alpha.dtype, alpha.data) == 1.0);
    assert_string_equal(lyc_safetensors_metadata(part, "ss_network_alpha"), "1");
    lyc_safetensors_close(part);
}

/* Convolutions; layers of fewer ranks and what is no LoRA stay. */
static void other_layers(void **state)
{
    (void)state;
    const char *path = at("mixed.safetensors");
    test_tensor_file(path,
                     "lora_unet_conv_in.lora_down.weight:BF16:4x4x3x3 lora_unet_conv_in.lora_up.weight:BF16:8x4x1x1 "
                     "lora_unet_conv_out.lora_down.weight:F32:2x8x3x3 lora_unet_conv_out.lora_up.weight:F32:4x2x1x1 "
                     "lora_unet_conv_norm_out.w_norm:F32:8",
                     NULL);
    split(path, &(lyc_split_options){.unit = 3}, 1);
    lyc_safetensors *part = open_file(at("out-0003.safetensors"));
    assert_int_equal(tensor_of(part, "lora_unet_conv_in.lora_down.weight").shape.dims[0], 3);
    assert_int_equal(tensor_of(part, "lora_unet_conv_in.lora_up.weight").shape.dims[1], 3);
    assert_int_equal(tensor_of(part, "lora_unet_conv_in.lora_up.weight").shape.rank, 4);
    assert_int_equal(tensor_of(part, "lora_unet_conv_out.lora_down.weight").shape.dims[0], 2);
    assert_int_equal(tensor_of(part, "lora_unet_conv_norm_out.w_norm").shape.dims[0], 8);
    lyc_safetensors_close(part);
}

static void refuses(const char *tensors, int64_t unit, lyc_status status, const char *message)
{
    char wanted[512];
    lyc_splitting *s = NULL;
    const char *path = at("wrong.safetensors");
    const lyc_split_options o = {.unit = unit};
    test_tensor_file(path, tensors, NULL);
    snprintf(wanted, sizeof wanted, "%s%s", path, message);
    assert_int_equal(lyc_split_dylora(&s, at("out.safetensors"), path, &o, NULL, &err), status);
    assert_null(s);
    assert_string_equal(err.message, wanted);
}

#define DOWN "lora_unet_conv_in.lora_down.weight:F32:4x8 "
#define UP   "lora_unet_conv_in.lora_up.weight:F32:6x4 "

static void wrong(void **state)
{
    (void)state;
    refuses(DOWN, 1, LYC_E_FORMAT, ": 'lora_unet_conv_in' has no lora_up.weight");
    refuses(UP, 1, LYC_E_FORMAT, ": 'lora_unet_conv_in' has no lora_down.weight");
    refuses(DOWN "lora_unet_conv_in.lora_up.weight:F32:6x3", 1, LYC_E_SHAPE,
            ": 'lora_unet_conv_in' has lora_up.weight 6x3 and lora_down.weight 4x8, expected one rank");
    refuses(DOWN UP "lora_unet_conv_in.dora_scale:F32:6x1", 1, LYC_E_UNSUPPORTED,
            ": 'lora_unet_conv_in.dora_scale' is for all ranks together, which no DyLoRA has");
    refuses(DOWN UP, 4, LYC_E_ARGUMENT, ": parts of 4 ranks, expected fewer than all 4");
    refuses(DOWN UP, 0, LYC_E_ARGUMENT, " does not say the ranks of a block (ss_network_args): they must be given");
    refuses("lora_unet_conv_in.diff:F32:6x8", 1, LYC_E_UNSUPPORTED, ": no layer is a LoRA");
    refuses("base_model.model.conv_in.lora_A.weight:F32:4x8", 1, LYC_E_UNSUPPORTED,
            ": scales are said beside its tensors; `lycoris convert --to kohya` writes a file that can be split");
    assert_string_equal(test_folder_list(&folder), "wrong.safetensors ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_ranks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scales, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_layers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
