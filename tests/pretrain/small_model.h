/* small_model.h - configurations of a model of a few thousand numbers, and the model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_PRETRAIN_SMALL_MODEL_H
#define TESTS_PRETRAIN_SMALL_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/error.h"
#include "lycoris/pretrain.h"
#include "support/folder.h"
#include "support/model_file.h"

static inline void must(lyc_status status, const lyc_error *e)
{
    if (status != LYC_OK) {
        fail_msg("%s", e->message);
    }
}

static inline void small_config(const test_folder *folder)
{
    static const char text[] =
        "\"hidden_act\": \"quick_gelu\", \"hidden_size\": 16, \"intermediate_size\": 32, \"max_position_embeddings\": "
        "16, "
        "\"num_attention_heads\": 2, \"num_hidden_layers\": 2, \"projection_dim\": 16, \"vocab_size\": 49408";
    static const struct {
        const char *path, *content;
    } files[] = {
        {"config/unet/config.json",
         "{\"_class_name\": \"UNet2DConditionModel\", \"attention_head_dim\": 2, \"block_out_channels\": [8, 16], "
         "\"cross_attention_dim\": 16, \"down_block_types\": [\"CrossAttnDownBlock2D\", \"DownBlock2D\"], "
         "\"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\"], \"layers_per_block\": 1, \"norm_num_groups\": "
         "4, "
         "\"sample_size\": 4}"},
        {"config/vae/config.json",
         "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [8, 16], \"down_block_types\": "
         "[\"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\", "
         "\"UpDecoderBlock2D\"], \"latent_channels\": 4, \"layers_per_block\": 1, \"norm_num_groups\": 4, "
         "\"scaling_factor\": 1.0}"},
        {"config/scheduler/scheduler_config.json", "{\"_class_name\": \"DDIMScheduler\"}"},
        {"config/model_index.json", "{\"_class_name\": \"StableDiffusionPipeline\"}"},
        {"captions.txt", "a red disc\na green disc\na blue disc\na yellow disc\n"},
    };
    static const char *const folders[] = {"config",           "config/unet",         "config/vae",
                                          "config/scheduler", "config/text_encoder", "config/clip"};
    char json[2048];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        assert_int_equal(mkdir(test_folder_path(folder, folders[i]), 0777), 0);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        test_text_write(test_folder_path(folder, files[i].path), files[i].content);
    }
    snprintf(json, sizeof json, "{\"architectures\": [\"CLIPTextModel\"], %s}", text);
    test_text_write(test_folder_path(folder, "config/text_encoder/config.json"), json);
    snprintf(json, sizeof json,
             "{\"projection_dim\": 16, \"text_config\": {%s}, \"vision_config\": {\"hidden_size\": 16, "
             "\"intermediate_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"patch_size\": 8, "
             "\"image_size\": 16}}",
             text);
    test_text_write(test_folder_path(folder, "config/clip/config.json"), json);
}

static inline void small_model(const test_folder *folder, const char *name, uint64_t seed, lyc_new_model_report *report)
{
    lyc_error err;
    char config[256], captions[256], model[256];
    snprintf(config, sizeof config, "%s", test_folder_path(folder, "config"));
    snprintf(captions, sizeof captions, "%s", test_folder_path(folder, "captions.txt"));
    snprintf(model, sizeof model, "%s", test_folder_path(folder, name));
    const lyc_new_model_options options = {
        .config = config, .captions = captions, .model = model, .frequent = 20, .seed = seed};
    must(lyc_new_model(report, &options, &err), &err);
}

#endif
