/* model_file.c - small model files of any layout
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/model_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "checkpoint/layout.h"
#include "support/folder.h"
#include "tensor/shape.h"

#define UNET "{\"_class_name\":\"UNet2DConditionModel\",\"norm_num_groups\":32,"
// clang-format off
const char test_unet_config[] =
    UNET "\"block_out_channels\":[32,64],\"down_block_types\":[\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"
    "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\"],\"layers_per_block\":1,\"attention_head_dim\":[8,1],"
    "\"cross_attention_dim\":64}";
const char test_vae_config[] =
    "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[32,32,64],\"layers_per_block\":1,"
    "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],"
    "\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"]}";
const char test_text_config[] =
    "{\"architectures\":[\"CLIPTextModel\"],\"vocab_size\":40,\"hidden_size\":64,\"intermediate_size\":128,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":1,\"max_position_embeddings\":8,\"projection_dim\":64}";
const char test_xl_unet_config[] =
    UNET "\"block_out_channels\":[64,64,128],"
    "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"],"
    "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"UpBlock2D\"],\"layers_per_block\":2,"
    "\"attention_head_dim\":[1,1,2],\"cross_attention_dim\":128,\"transformer_layers_per_block\":[1,1,2],"
    "\"use_linear_projection\":true,\"addition_embed_type\":\"text_time\",\"addition_time_embed_dim\":8,"
    "\"projection_class_embeddings_input_dim\":80}";
const char test_xl_text_2_config[] =
    "{\"architectures\":[\"CLIPTextModelWithProjection\"],\"vocab_size\":40,\"hidden_size\":64,"
    "\"intermediate_size\":128,\"num_hidden_layers\":2,\"num_attention_heads\":1,\"max_position_embeddings\":8,"
    "\"projection_dim\":32,\"hidden_act\":\"gelu\"}";
// clang-format on

typedef struct tensor_writing {
    lyc_safetensors_plan *plan;
    const test_fault *fault;
} tensor_writing;

static bool is(const char *key, const char *wanted)
{
    return wanted != NULL && strcmp(key, wanted) == 0;
}

/* lyc_tensor_visit */
static lyc_status plan_tensor(void *context, const char *key, const lyc_shape *shape, lyc_error *err)
{
    const tensor_writing *w = context;
    const test_fault *f = w->fault;
    if ((f->without != NULL && strncmp(key, f->without, strlen(f->without)) == 0) ||
        (f->only != NULL && strncmp(key, f->only, strlen(f->only)) != 0)) {
        return LYC_OK;
    }
    char renamed[LYC_KEY];
    for (int i = 0; i < 4 && f->renames[i][0] != NULL; i++) {
        const char *place = strstr(key, f->renames[i][0]);
        if (place != NULL) {
            snprintf(renamed, sizeof renamed, "%.*s%s%s", (int)(place - key), key, f->renames[i][1],
                     place + strlen(f->renames[i][0]));
            return lyc_safetensors_plan_add(w->plan, renamed, LYC_F32, shape, err);
        }
    }
    return lyc_safetensors_plan_add(w->plan, key, is(key, f->retyped) ? f->dtype : LYC_F32,
                                    is(key, f->reshaped) ? &f->shape : shape, err);
}

static void plan_part(tensor_writing *w, const test_part *part)
{
    json_t *json = NULL;
    lyc_error err = {0};
    lyc_component_config config;
    assert_int_equal(lyc_json_parse(&json, part->config, strlen(part->config), &err), LYC_OK);
    assert_int_equal(lyc_component_config_read(&config, part->kind, json, "config.json", &err), LYC_OK);
    json_decref(json);
    const lyc_layout *layout = lyc_layout_of_prefix(part->kind, part->prefix);
    assert_non_null(layout);
    if (lyc_layout_tensors(layout, &config, plan_tensor, w, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* Numbers from -1 to 1 (FNV-1a of the name, mixed with the place). */
static void *numbers_of(const lyc_tensor_view *tensor, const test_fault *fault)
{
    float *values = malloc(tensor->size_bytes + 1);
    uint32_t hash = 2166136261u;
    assert_non_null(values);
    for (const char *c = tensor->name; *c != '\0'; c++) {
        hash = (hash ^ (uint32_t)*c) * 16777619u;
    }
    for (size_t i = 0; i < tensor->size_bytes / 4; i++) {
        hash = hash * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)hash / 2147483648.0f;
    }
    if (is(tensor->name, fault->not_finite)) {
        values[0] = INFINITY;
    }
    return values;
}

void test_model_write(const char *path, const test_part *parts, size_t part_count, const test_fault *fault)
{
    static const test_fault none;
    lyc_error err = {0};
    lyc_safetensors_writer *writer = NULL;
    const lyc_safetensors_writer_options options = {.force = true};
    tensor_writing w = {.fault = fault != NULL ? fault : &none};
    assert_int_equal(lyc_safetensors_plan_new(&w.plan, &err), LYC_OK);
    for (size_t i = 0; i < part_count; i++) {
        plan_part(&w, &parts[i]);
    }
    if (w.fault->metadata[0] != NULL) {
        assert_int_equal(lyc_safetensors_plan_metadata(w.plan, w.fault->metadata[0], w.fault->metadata[1], &err),
                         LYC_OK);
    }
    if (w.fault->extra != NULL) {
        assert_int_equal(lyc_safetensors_plan_add(w.plan, w.fault->extra, LYC_F32, &LYC_SHAPE(2), &err), LYC_OK);
    }
    assert_int_equal(lyc_safetensors_writer_open(&writer, w.plan, path, &options, &err), LYC_OK);
    for (size_t i = 0; i < lyc_safetensors_plan_count(w.plan); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_plan_tensor(w.plan, i);
        void *values = numbers_of(&tensor, w.fault);
        assert_int_equal(lyc_safetensors_writer_put(writer, tensor.name, values, tensor.size_bytes, &err), LYC_OK);
        free(values);
    }
    assert_int_equal(lyc_safetensors_writer_commit(writer, &err), LYC_OK);
    lyc_safetensors_writer_close(writer);
    lyc_safetensors_plan_free(w.plan);
}

void test_text_write(const char *path, const char *text)
{
    test_file_write(path, text, strlen(text));
}

void test_model_folder(const char *folder, bool xl)
{
    static const char *const stems[] = {"diffusion_pytorch_model", "diffusion_pytorch_model", "model", "model"};
    const char *configs[] = {xl ? test_xl_unet_config : test_unet_config, test_vae_config, test_text_config,
                             xl ? test_xl_text_2_config : NULL};
    char path[512];
    for (int kind = 0; kind < 4; kind++) {
        if (configs[kind] == NULL) {
            continue;
        }
        const char *name = lyc_component_kind_name((lyc_component_kind)kind);
        const test_part part = {(lyc_component_kind)kind, configs[kind], ""};
        snprintf(path, sizeof path, "%s/%s", folder, name);
        assert_int_equal(mkdir(path, 0777), 0);
        snprintf(path, sizeof path, "%s/%s/config.json", folder, name);
        test_text_write(path, configs[kind]);
        snprintf(path, sizeof path, "%s/%s/%s.safetensors", folder, name, stems[kind]);
        test_model_write(path, &part, 1, NULL);
    }
    snprintf(path, sizeof path, "%s/model_index.json", folder);
    test_text_write(path, xl ? "{\"_class_name\":\"StableDiffusionXLPipeline\",\"unet\":[\"diffusers\",\"U\"],"
                               "\"vae\":[\"diffusers\",\"V\"],\"text_encoder\":[\"transformers\",\"T\"],"
                               "\"text_encoder_2\":[\"transformers\",\"T\"]}"
                             : "{\"_class_name\":\"StableDiffusionPipeline\",\"unet\":[\"diffusers\",\"U\"],"
                               "\"vae\":[\"diffusers\",\"V\"],\"text_encoder\":[\"transformers\",\"T\"],"
                               "\"safety_checker\":[null,null]}");
}
