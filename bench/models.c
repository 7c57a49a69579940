/* models.c - the configurations of published models, and of small ones of the same form
 *
 * Sources: the config.json files of stable-diffusion-v1-5, stable-diffusion-2-1 and stable-diffusion-xl-base-1.0. Small
 * ones keep 32 groups and heads of 64 channels, so that a single file tells their configuration too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "models.h"

#include <stddef.h>
#include <string.h>

// clang-format off
#define DOWN_4 "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"
#define UP_4 "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\"],"
#define DOWN_XL "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"],"
#define UP_XL "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"UpBlock2D\"],"
#define DOWN_2 "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"
#define UP_2 "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\"],"
#define UNET "{\"_class_name\":\"UNet2DConditionModel\","
#define VAE "{\"_class_name\":\"AutoencoderKL\",\"layers_per_block\":2,\"latent_channels\":4," \
    "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"]," \
    "\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"],"
#define VAE_FULL VAE "\"block_out_channels\":[128,256,512,512],"
#define VAE_TINY VAE "\"block_out_channels\":[32,32,32,32],"
#define CLIP "{\"architectures\":[\"CLIPTextModel\"],\"model_type\":\"clip_text_model\",\"vocab_size\":49408,"
#define CLIP_PROJECTION "{\"architectures\":[\"CLIPTextModelWithProjection\"],\"model_type\":\"clip_text_model\",\"vocab_size\":49408,"
#define CLIP_L CLIP "\"hidden_size\":768,\"intermediate_size\":3072,\"num_hidden_layers\":12,\"num_attention_heads\":12," \
    "\"projection_dim\":768,\"hidden_act\":\"quick_gelu\"}"
#define CLIP_TINY CLIP "\"hidden_size\":64,\"intermediate_size\":256,\"num_hidden_layers\":3,\"num_attention_heads\":1," \
    "\"projection_dim\":64,\"hidden_act\":\"quick_gelu\"}"
#define SCHEDULER "\"beta_start\":0.00085,\"beta_end\":0.012,\"beta_schedule\":\"scaled_linear\"," \
    "\"num_train_timesteps\":1000,\"steps_offset\":1,\"timestep_spacing\":\"leading\","
#define SCHEDULER_PNDM "{\"_class_name\":\"PNDMScheduler\"," SCHEDULER "\"set_alpha_to_one\":false,\"skip_prk_steps\":true," \
    "\"prediction_type\":\"epsilon\"}"
#define SCHEDULER_V "{\"_class_name\":\"DDIMScheduler\"," SCHEDULER "\"set_alpha_to_one\":false,\"prediction_type\":\"v_prediction\"}"
#define SCHEDULER_EULER "{\"_class_name\":\"EulerDiscreteScheduler\"," SCHEDULER "\"prediction_type\":\"epsilon\"}"

#define PREFIXES_SD1 {[LYC_COMPONENT_UNET] = "model.diffusion_model.", [LYC_COMPONENT_VAE] = "first_stage_model.", \
    [LYC_COMPONENT_TEXT_ENCODER] = "cond_stage_model.transformer."}
#define PREFIXES_SD2 {[LYC_COMPONENT_UNET] = "model.diffusion_model.", [LYC_COMPONENT_VAE] = "first_stage_model.", \
    [LYC_COMPONENT_TEXT_ENCODER] = "cond_stage_model.model."}
#define PREFIXES_SDXL {[LYC_COMPONENT_UNET] = "model.diffusion_model.", [LYC_COMPONENT_VAE] = "first_stage_model.", \
    [LYC_COMPONENT_TEXT_ENCODER] = "conditioner.embedders.0.transformer.", \
    [LYC_COMPONENT_TEXT_ENCODER_2] = "conditioner.embedders.1.model."}

const bench_model bench_models[] = {
    {"sd15", "SD 1.5: 1.07 billion parameters", "StableDiffusionPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[320,640,1280,1280]," DOWN_4 UP_4
            "\"layers_per_block\":2,\"attention_head_dim\":8,\"cross_attention_dim\":768,\"sample_size\":64}",
        [LYC_COMPONENT_VAE] = VAE_FULL "\"scaling_factor\":0.18215,\"sample_size\":512}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP_L,
    }, PREFIXES_SD1, .scheduler = SCHEDULER_PNDM},
    {"sd2", "SD 2.1: 1.29 billion", "StableDiffusionPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[320,640,1280,1280]," DOWN_4 UP_4
            "\"layers_per_block\":2,\"attention_head_dim\":[5,10,20,20],\"cross_attention_dim\":1024,"
            "\"use_linear_projection\":true,\"upcast_attention\":true,\"sample_size\":96}",
        [LYC_COMPONENT_VAE] = VAE_FULL "\"scaling_factor\":0.18215,\"sample_size\":768}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP "\"hidden_size\":1024,\"intermediate_size\":4096,\"num_hidden_layers\":23,"
            "\"num_attention_heads\":16,\"projection_dim\":512,\"hidden_act\":\"gelu\"}",
    }, PREFIXES_SD2, .dropped_layers = 1, .scheduler = SCHEDULER_V},
    {"sdxl", "SDXL base 1.0: 3.47 billion", "StableDiffusionXLPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[320,640,1280]," DOWN_XL UP_XL
            "\"layers_per_block\":2,\"attention_head_dim\":[5,10,20],\"cross_attention_dim\":2048,"
            "\"transformer_layers_per_block\":[1,2,10],\"use_linear_projection\":true,"
            "\"addition_embed_type\":\"text_time\",\"addition_time_embed_dim\":256,"
            "\"projection_class_embeddings_input_dim\":2816,\"sample_size\":128}",
        [LYC_COMPONENT_VAE] = VAE_FULL "\"scaling_factor\":0.13025,\"sample_size\":1024,\"force_upcast\":true}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP_L,
        [LYC_COMPONENT_TEXT_ENCODER_2] = CLIP_PROJECTION "\"hidden_size\":1280,\"intermediate_size\":5120,"
            "\"num_hidden_layers\":32,\"num_attention_heads\":20,\"projection_dim\":1280,\"hidden_act\":\"gelu\"}",
    }, PREFIXES_SDXL, .scheduler = SCHEDULER_EULER},
    {"tiny", "the form of SD 1.5 with 2 levels: 4 million", "StableDiffusionPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[32,64]," DOWN_2 UP_2
            "\"layers_per_block\":1,\"attention_head_dim\":[8,1],\"cross_attention_dim\":64,\"sample_size\":16}",
        [LYC_COMPONENT_VAE] = VAE_TINY "\"scaling_factor\":0.18215,\"sample_size\":128}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP_TINY,
    }, PREFIXES_SD1, .scheduler = SCHEDULER_PNDM},
    {"tiny-sd2", "the form of SD 2.1", "StableDiffusionPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[64,128]," DOWN_2 UP_2
            "\"layers_per_block\":1,\"attention_head_dim\":[1,2],\"cross_attention_dim\":64,"
            "\"use_linear_projection\":true,\"sample_size\":16}",
        [LYC_COMPONENT_VAE] = VAE_TINY "\"scaling_factor\":0.18215,\"sample_size\":128}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP "\"hidden_size\":64,\"intermediate_size\":256,\"num_hidden_layers\":3,"
            "\"num_attention_heads\":1,\"projection_dim\":64,\"hidden_act\":\"gelu\"}",
    }, PREFIXES_SD2, .dropped_layers = 1, .scheduler = SCHEDULER_V},
    {"tiny-sdxl", "the form of SDXL", "StableDiffusionXLPipeline", {
        [LYC_COMPONENT_UNET] = UNET "\"block_out_channels\":[64,64,128]," DOWN_XL UP_XL
            "\"layers_per_block\":2,\"attention_head_dim\":[1,1,2],\"cross_attention_dim\":128,"
            "\"transformer_layers_per_block\":[1,1,2],\"use_linear_projection\":true,"
            "\"addition_embed_type\":\"text_time\",\"addition_time_embed_dim\":32,"
            "\"projection_class_embeddings_input_dim\":256,\"sample_size\":16}",
        [LYC_COMPONENT_VAE] = VAE_TINY "\"scaling_factor\":0.13025,\"sample_size\":128,\"force_upcast\":true}",
        [LYC_COMPONENT_TEXT_ENCODER] = CLIP_TINY,
        [LYC_COMPONENT_TEXT_ENCODER_2] = CLIP_PROJECTION "\"hidden_size\":64,\"intermediate_size\":256,"
            "\"num_hidden_layers\":3,\"num_attention_heads\":1,\"projection_dim\":64,\"hidden_act\":\"gelu\"}",
    }, PREFIXES_SDXL, .scheduler = SCHEDULER_EULER},
    {0},
};
// clang-format on

const bench_model *bench_model_find(const char *name)
{
    for (const bench_model *m = bench_models; m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}
