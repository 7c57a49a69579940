/* test_checkpoint.c - whole models: folders, variants, shards, single files; and what is wrong with bad ones
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "lycoris/log.h"
#include "support/folder.h"
#include "support/model_file.h"
#include "tensor/shape.h"

/* --- what the log says -------------------------------------------------------------------------------------------- */

static char logged[4096];

static void keep_log(void *context, lyc_log_level level, lyc_log_category category, const char *message)
{
    (void)context;
    (void)level;
    (void)category;
    const size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s\n", message);
}

static int start(void **state)
{
    static test_folder folder;
    test_folder_make(&folder);
    logged[0] = '\0';
    lyc_log_set_sink(keep_log, NULL);
    *state = &folder;
    return 0;
}

static int finish(void **state)
{
    lyc_log_set_sink(NULL, NULL);
    test_folder_remove(*state);
    return 0;
}

/* A text with DIR in the place of the folder of the test. */
static const char *without_folder(const test_folder *folder, const char *text)
{
    static char out[4096];
    size_t used = 0;
    const size_t length = strlen(folder->path);
    while (*text != '\0' && used + 4 < sizeof out) {
        const bool here = strncmp(text, folder->path, length) == 0;
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s", here ? 3 : 1, here ? "DIR" : text);
        text += here ? length : 1;
    }
    out[used] = '\0';
    return out;
}

static lyc_checkpoint *open_good(const char *path, const lyc_checkpoint_options *options)
{
    lyc_checkpoint *c = NULL;
    lyc_error err = {0};
    if (lyc_checkpoint_open(&c, path, options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static void assert_fails(const test_folder *folder, const char *name, const lyc_checkpoint_options *options,
                         lyc_status expected, const char *message)
{
    lyc_checkpoint *c = NULL;
    lyc_error err = {0};
    const char *path = name[0] != '\0' ? test_folder_path(folder, name) : folder->path;
    assert_int_equal(lyc_checkpoint_open(&c, path, options, &err), expected);
    assert_null(c);
    assert_string_equal(without_folder(folder, err.message), message);
}

/* --- good ones ---------------------------------------------------------------------------------------------------- */

static void opens_a_folder(void **state)
{
    const test_folder *folder = *state;
    test_model_folder(folder->path, false);
    lyc_checkpoint *c = open_good(folder->path, NULL);
    assert_int_equal(lyc_checkpoint_family(c), LYC_FAMILY_SD1);
    const lyc_unet_config *unet = lyc_component_unet(lyc_checkpoint_component(c, LYC_COMPONENT_UNET));
    assert_int_equal(unet->level_count, 2);
    assert_int_equal(unet->heads[0], 8);
    assert_int_equal(unet->heads[1], 1);
    assert_true(unet->attention_down[0] && !unet->attention_down[1] && unet->attention_up[0] && !unet->attention_up[1]);
    assert_int_equal(unet->cross_dim[0], 64);
    assert_false(unet->linear_projection);
    assert_null(lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER_2));
    assert_null(lyc_checkpoint_tokenizer(c, 0));
    assert_string_equal(lyc_checkpoint_scheduler(c)->class_name, "");
    assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);

    const lyc_clip_text_config *text = lyc_component_clip_text(lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER));
    assert_int_equal(text->projection_dim, 0); /* the file has none, whatever the configuration says */
    assert_string_equal(logged, "");
    lyc_checkpoint_release_pages(c);
    assert_int_equal(lyc_checkpoint_check(c, NULL), LYC_OK);
    lyc_checkpoint_close(c);
}

static void opens_sdxl_with_scheduler_and_tokenizers(void **state)
{
    const test_folder *folder = *state;
    test_model_folder(folder->path, true);
    static const char *const folders[] = {"scheduler", "tokenizer", "tokenizer_2"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mkdir(test_folder_path(folder, folders[i]), 0777), 0);
    }
    test_text_write(test_folder_path(folder, "tokenizer/vocab.json"), "{}");
    test_text_write(test_folder_path(folder, "tokenizer_2/vocab.json"), "{}");
    test_text_write(test_folder_path(folder, "scheduler/scheduler_config.json"),
                    "{\"_class_name\":\"EulerDiscreteScheduler\",\"beta_start\":0.001,\"beta_schedule\":\"linear\","
                    "\"prediction_type\":\"v_prediction\",\"timestep_spacing\":\"trailing\",\"steps_offset\":1,"
                    "\"rescale_betas_zero_snr\":true,\"trained_betas\":[0.1,0.2],\"final_sigmas_type\":\"sigma_min\"}");
    lyc_checkpoint *c = open_good(folder->path, NULL);
    assert_int_equal(lyc_checkpoint_family(c), LYC_FAMILY_SDXL);
    assert_string_equal(without_folder(folder, lyc_checkpoint_tokenizer(c, 1)), "DIR/tokenizer_2");
    const lyc_scheduler_config *s = lyc_checkpoint_scheduler(c);
    assert_string_equal(s->class_name, "EulerDiscreteScheduler");
    assert_int_equal(s->beta_schedule, LYC_BETA_LINEAR);
    assert_true(s->prediction == LYC_PREDICTION_V && s->prediction_told);
    assert_true(s->spacing == LYC_SPACING_TRAILING && s->spacing_told && s->rescale_zero_snr && s->sigma_min_final);
    assert_int_equal(s->train_timesteps, 2);
    assert_true(s->trained_betas[1] == 0.2 && s->beta_start == 0.001 && s->beta_end == 0.02);
    const lyc_component *two = lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER_2);
    assert_int_equal(lyc_component_clip_text(two)->projection_dim, 32);
    assert_false(lyc_component_clip_text(two)->quick_gelu);
    lyc_checkpoint_close(c);
}

/* A variant that is asked for; the plain one; fp16 when there is nothing else. */
static void chooses_variants(void **state)
{
    const test_folder *folder = *state;
    test_model_folder(folder->path, false);
    const char *plain = test_folder_path(folder, "vae/diffusion_pytorch_model.safetensors");
    const char *fp16 = test_folder_path(folder, "vae/diffusion_pytorch_model.fp16.safetensors");
    assert_int_equal(link(plain, fp16), 0);
    const lyc_checkpoint_options ask = {.variant = "fp16"};
    assert_fails(folder, "", &ask, LYC_E_IO,
                 "DIR/unet has no diffusion_pytorch_model.fp16.safetensors and no index of shards");
    lyc_checkpoint *c = open_good(folder->path, NULL);
    lyc_weight_view view = lyc_component_at(lyc_checkpoint_component(c, LYC_COMPONENT_VAE), 0);
    assert_string_equal(without_folder(folder, view.file), "DIR/vae/diffusion_pytorch_model.safetensors");
    lyc_checkpoint_close(c);
    assert_int_equal(unlink(plain), 0);
    c = open_good(folder->path, NULL);
    view = lyc_component_at(lyc_checkpoint_component(c, LYC_COMPONENT_VAE), 0);
    assert_string_equal(without_folder(folder, view.file), "DIR/vae/diffusion_pytorch_model.fp16.safetensors");
    lyc_checkpoint_close(c);
}

#define XL_PARTS                                                                                                       \
    {                                                                                                                  \
        {LYC_COMPONENT_UNET, test_xl_unet_config, "model.diffusion_model."},                                           \
            {LYC_COMPONENT_VAE, test_vae_config, "first_stage_model."},                                                \
            {LYC_COMPONENT_TEXT_ENCODER, test_text_config, "conditioner.embedders.0.transformer."},                    \
            {LYC_COMPONENT_TEXT_ENCODER_2, test_xl_text_2_config, "conditioner.embedders.1.model."},                   \
    }
#define SD1_PARTS                                                                                                      \
    {                                                                                                                  \
        {LYC_COMPONENT_UNET, test_unet_config, "model.diffusion_model."},                                              \
            {LYC_COMPONENT_VAE, test_vae_config, "first_stage_model."},                                                \
            {LYC_COMPONENT_TEXT_ENCODER, test_text_config, "cond_stage_model.transformer."},                           \
    }

/* The configuration of a single file comes from its tensors. */
static void infers_sdxl(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = XL_PARTS;
    const char *path = test_folder_path(folder, "xl.safetensors");
    test_model_write(path, parts, 4, NULL);
    lyc_checkpoint *c = open_good(path, NULL);
    assert_int_equal(lyc_checkpoint_family(c), LYC_FAMILY_SDXL);
    const lyc_unet_config *unet = lyc_component_unet(lyc_checkpoint_component(c, LYC_COMPONENT_UNET));
    assert_int_equal(unet->level_count, 3);
    assert_int_equal(unet->layers[1], 2);
    assert_int_equal(unet->depth[2], 2);
    assert_int_equal(unet->depth_up[2], 2);
    assert_int_equal(unet->mid_depth, 2);
    assert_int_equal(unet->heads[2], 2);
    assert_true(unet->linear_projection && !unet->attention_down[0] && unet->attention_up[1]);
    assert_int_equal(unet->addition_input_dim, 80);
    assert_int_equal(unet->addition_time_dim, 8); /* (80 - 32) / 6 */
    const lyc_vae_config *vae = lyc_component_vae(lyc_checkpoint_component(c, LYC_COMPONENT_VAE));
    assert_true(vae->level_count == 3 && vae->layers == 1 && vae->latent_channels == 4 && vae->mid_attention);
    assert_true(vae->scaling_factor == 0.13025f);
    const lyc_component *two = lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER_2);
    assert_int_equal(lyc_component_clip_text(two)->projection_dim, 32);
    assert_false(lyc_component_clip_text(two)->quick_gelu);
    assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);
    lyc_checkpoint_close(c);
}

static void infers_sd2_without_its_last_layer(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = {{LYC_COMPONENT_UNET, test_unet_config, "model.diffusion_model."},
                               {LYC_COMPONENT_VAE, test_vae_config, "first_stage_model."},
                               {LYC_COMPONENT_TEXT_ENCODER, test_xl_text_2_config, "cond_stage_model.model."}};
    const char *path = test_folder_path(folder, "sd2.safetensors");
    test_model_write(path, parts, 3, NULL);
    lyc_checkpoint *c = open_good(path, NULL);
    const lyc_component *text = lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER);
    assert_int_equal(lyc_component_clip_text(text)->layers, 1);
    assert_true(lyc_component_clip_text(text)->penultimate);
    assert_int_equal(lyc_component_clip_text(text)->projection_dim, 0);
    assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);
    lyc_checkpoint_close(c);
}

/* Keys of no use are passed over, others told once with their number. */
static void tells_unmatched_keys(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = SD1_PARTS;
    const char *path = test_folder_path(folder, "model.safetensors");
    static const char *const useless[] = {"model_ema.decay",
                                          "alphas_cumprod_prev",
                                          "betas",
                                          "posterior_variance",
                                          "cond_stage_model.transformer.text_model.embeddings.position_ids",
                                          "first_stage_model.loss.logvar",
                                          "denoiser.sigmas",
                                          "cond_stage_model.logit_scale"};
    for (size_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        test_model_write(path, parts, 3, &(test_fault){.extra = useless[i]});
        lyc_checkpoint *c = open_good(path, NULL);
        assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);
        lyc_checkpoint_close(c);
    }
    assert_string_equal(logged, "");
    test_model_write(path, parts, 3, &(test_fault){.extra = "model.control.weight"});
    lyc_checkpoint *c = open_good(path, NULL);
    assert_int_equal(lyc_checkpoint_unmatched_count(c), 1);
    assert_string_equal(lyc_checkpoint_unmatched(c, 0), "model.control.weight");
    assert_string_equal(without_folder(folder, logged),
                        "DIR/model.safetensors: 1 tensors are not known and ignored: model.control.weight\n");
    lyc_checkpoint_close(c);
}

static void takes_flat_files_and_parts(void **state)
{
    const test_folder *folder = *state;
    const test_part flat[] = {{LYC_COMPONENT_UNET, test_unet_config, "unet."},
                              {LYC_COMPONENT_TEXT_ENCODER, test_text_config, "text_encoder."}};
    const test_part vae = {LYC_COMPONENT_VAE, test_vae_config, "first_stage_model."};
    const char *path = test_folder_path(folder, "flat.safetensors");
    const char *vae_path = test_folder_path(folder, "vae.safetensors");
    test_model_write(path, flat, 2, NULL);
    test_model_write(vae_path, &vae, 1, NULL);
    assert_fails(folder, "flat.safetensors", NULL, LYC_E_FORMAT,
                 "DIR/flat.safetensors has no VAE: give a file with one (--vae)");
    lyc_checkpoint_options options = {.parts = {[LYC_COMPONENT_VAE] = vae_path}};
    lyc_checkpoint *c = open_good(path, &options);
    assert_non_null(lyc_checkpoint_component(c, LYC_COMPONENT_VAE));
    lyc_checkpoint_close(c);
    options = (lyc_checkpoint_options){.allow_missing = true};
    c = open_good(path, &options);
    assert_null(lyc_checkpoint_component(c, LYC_COMPONENT_VAE));
    lyc_checkpoint_close(c);
}

/* Old merges without text_model, old diffusers' names in the VAE, and another model's file as --vae. */
static void takes_old_names(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = SD1_PARTS;
    const char *path = test_folder_path(folder, "model.safetensors");
    test_model_write(path, parts, 3, &(test_fault){.renames = {{"text_model.", ""}}});
    lyc_checkpoint *c = open_good(path, NULL);
    lyc_weight_view view;
    const lyc_component *text = lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER);
    assert_true(lyc_component_find(&view, text, "text_model.final_layer_norm.bias"));
    assert_string_equal(view.key, "cond_stage_model.transformer.final_layer_norm.bias");
    assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);
    lyc_checkpoint_close(c);

    const test_part vae = {LYC_COMPONENT_VAE, test_vae_config, ""};
    const test_fault old = {
        .renames = {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}}};
    test_model_folder(folder->path, false);
    test_model_write(test_folder_path(folder, "vae/diffusion_pytorch_model.safetensors"), &vae, 1, &old);
    c = open_good(folder->path, NULL);
    assert_true(lyc_component_find(&view, lyc_checkpoint_component(c, LYC_COMPONENT_VAE),
                                   "encoder.mid_block.attentions.0.to_out.0.weight"));
    assert_string_equal(view.key, "encoder.mid_block.attentions.0.proj_attn.weight");
    lyc_checkpoint_close(c);

    const lyc_checkpoint_options options = {.parts = {[LYC_COMPONENT_VAE] = path}};
    c = open_good(folder->path, &options);
    assert_true(lyc_component_find(&view, lyc_checkpoint_component(c, LYC_COMPONENT_VAE), "quant_conv.bias"));
    assert_string_equal(view.key, "first_stage_model.quant_conv.bias");
    lyc_checkpoint_close(c);
    assert_string_equal(logged, "");
}

/* The objective of a single file: metadata, marks, or an assumption. */
static void reads_the_objective(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = SD1_PARTS;
    const char *path = test_folder_path(folder, "model.safetensors");
    static const struct {
        test_fault fault;
        bool told, is_v, zero_snr;
    } cases[] = {
        {{0}, false, false, false},
        {{.metadata = {"modelspec.prediction_type", "v"}}, true, true, false},
        {{.metadata = {"modelspec.prediction_type", "epsilon"}}, true, false, false},
        {{.metadata = {"modelspec.prediction_type", "else"}}, false, false, false},
        {{.extra = "v_pred"}, true, true, false},
        {{.extra = "ztsnr"}, false, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_model_write(path, parts, 3, &cases[i].fault);
        lyc_checkpoint *c = open_good(path, NULL);
        const lyc_scheduler_config *s = lyc_checkpoint_scheduler(c);
        assert_int_equal(s->prediction_told, cases[i].told);
        assert_int_equal(s->prediction == LYC_PREDICTION_V, cases[i].is_v);
        assert_int_equal(s->rescale_zero_snr, cases[i].zero_snr);
        assert_int_equal(lyc_checkpoint_unmatched_count(c), 0);
        assert_true(s->beta_start == 0.00085 && s->beta_schedule == LYC_BETA_SCALED_LINEAR);
        lyc_checkpoint_close(c);
    }
}

/* What a file leaves out has the default of its class. */
static void scheduler_defaults(void **state)
{
    const test_folder *folder = *state;
    static const struct {
        const char *text;
        bool clip, to_one;
    } cases[] = {
        {"{}", false, false},
        {"{\"_class_name\":\"DDIMScheduler\"}", true, true},
        {"{\"_class_name\":\"DDPMScheduler\"}", true, false},
        {"{\"_class_name\":\"DDIMScheduler\",\"clip_sample\":false,\"set_alpha_to_one\":false}", false, false}};
    test_model_folder(folder->path, false);
    assert_int_equal(mkdir(test_folder_path(folder, "scheduler"), 0777), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_text_write(test_folder_path(folder, "scheduler/scheduler_config.json"), cases[i].text);
        lyc_checkpoint *c = open_good(folder->path, NULL);
        const lyc_scheduler_config *s = lyc_checkpoint_scheduler(c);
        assert_true(s->beta_start == 0.0001 && s->beta_end == 0.02 && s->beta_schedule == LYC_BETA_LINEAR);
        assert_true(s->train_timesteps == 1000 && s->steps_offset == 0 && !s->prediction_told && !s->spacing_told);
        assert_int_equal(s->clip_sample, cases[i].clip);
        assert_int_equal(s->set_alpha_to_one, cases[i].to_one);
        lyc_checkpoint_close(c);
    }
}

static void model_config_overrides(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = SD1_PARTS;
    const char *path = test_folder_path(folder, "model.safetensors");
    const char *config = test_folder_path(folder, "changes.json");
    const lyc_checkpoint_options options = {.config = config};
    test_model_write(path, parts, 3, NULL);
    test_text_write(config, "{\"unet\":{\"attention_head_dim\":4},\"text_encoder\":{\"num_attention_heads\":2},"
                            "\"vae\":{\"scaling_factor\":0.5},\"scheduler\":{\"prediction_type\":\"v_prediction\"}}");
    lyc_checkpoint *c = open_good(path, &options);
    assert_int_equal(lyc_component_unet(lyc_checkpoint_component(c, LYC_COMPONENT_UNET))->mid_heads, 4);
    assert_int_equal(lyc_component_clip_text(lyc_checkpoint_component(c, LYC_COMPONENT_TEXT_ENCODER))->heads, 2);
    assert_true(lyc_component_vae(lyc_checkpoint_component(c, LYC_COMPONENT_VAE))->scaling_factor == 0.5f);
    assert_true(lyc_checkpoint_scheduler(c)->prediction_told);
    lyc_checkpoint_close(c);
    test_text_write(config, "{\"unet\":{\"attention_head_dim\":3}}");
    assert_fails(folder, "model.safetensors", &options, LYC_E_FORMAT,
                 "reading DIR/changes.json: down_blocks.0.attentions.0 has 32 channels, which 3 attention heads do "
                 "not divide");
    test_text_write(config, "{\"net\":{}}");
    assert_fails(folder, "model.safetensors", &options, LYC_E_FORMAT,
                 "reading DIR/changes.json: 'net', expected objects named unet, vae, text_encoder, text_encoder_2, "
                 "controlnet or scheduler");
}

/* --- bad ones ----------------------------------------------------------------------------------------------------- */

/* A file of a good folder is replaced by a text. */
static void bad_texts_in_a_folder(void **state)
{
    const test_folder *folder = *state;
    static const struct {
        const char *file;
        const char *text;
        lyc_status status;
        const char *message;
    } cases[] = {
        {"model_index.json", "{\"_class_name\":\"FluxPipeline\"}", LYC_E_UNSUPPORTED,
         "DIR is a model of the family Flux.1, expected SD 1.x, SD 2.x or SDXL"},
        {"model_index.json", "{\"_class_name\":\"StableDiffusion3Pipeline\"}", LYC_E_UNSUPPORTED,
         "DIR is a model of the family SD 3, expected SD 1.x, SD 2.x or SDXL"},
        {"model_index.json", "{\"_class_name\":\"KandinskyPipeline\"}", LYC_E_UNSUPPORTED,
         "DIR is a 'KandinskyPipeline', expected a StableDiffusionPipeline or a StableDiffusionXLPipeline"},
        {"model_index.json", "{", LYC_E_FORMAT,
         "reading DIR/model_index.json: no JSON: string or '}' expected near end of file, line 1, column 1"},
        {"model_index.json", "{\"text_encoder_2\":[\"transformers\",\"CLIPTextModelWithProjection\"]}", LYC_E_IO,
         "DIR has no folder text_encoder_2, which its model_index.json names"},
        {"unet/config.json", "[]", LYC_E_FORMAT, "reading DIR/unet/config.json: the JSON is no object"},
        {"unet/config.json", "{\"in_channels\":\"four\"}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'in_channels' is \"four\", expected a whole number from 1 to 65536"},
        {"unet/config.json", "{\"in_channels\":4.5}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'in_channels' is 4.5, expected a whole number from 1 to 65536"},
        {"unet/config.json", "{\"norm_eps\":-1}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'norm_eps' is -1, expected a number from 0 to 1"},
        {"unet/config.json", "{\"use_linear_projection\":1}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'use_linear_projection' is 1, expected true or false"},
        {"unet/config.json", "{\"act_fn\":\"gelu\"}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'act_fn' is \"gelu\", expected \"silu\": nothing else is supported"},
        {"unet/config.json", "{\"conv_in_kernel\":1}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'conv_in_kernel' is 1, expected 3: nothing else is supported"},
        {"unet/config.json", "{\"resnet_time_scale_shift\":\"scale_shift\"}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'resnet_time_scale_shift' is \"scale_shift\", expected \"default\": nothing "
         "else "
         "is supported"},
        {"unet/config.json", "{\"only_cross_attention\":true}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'only_cross_attention' is true, expected false: nothing else is supported"},
        {"unet/config.json", "{\"class_embed_type\":\"timestep\"}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'class_embed_type' is \"timestep\", expected null: nothing else is supported"},
        {"unet/config.json", "{\"block_out_channels\":[32,64]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'block_out_channels' has 2 levels, but 'down_block_types' is missing"},
        {"unet/config.json", "{\"block_out_channels\":32}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'block_out_channels' is 32, expected a list"},
        {"unet/config.json", "{\"block_out_channels\":[]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'block_out_channels' is [], expected a list of 1 to 8 whole numbers"},
        {"unet/config.json", "{\"block_out_channels\":[320,640,1280,0]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'block_out_channels' is 0, expected a whole number from 1 to 65536"},
        {"unet/config.json", "{\"down_block_types\":[\"DownBlock2D\"]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'down_block_types' is [\"DownBlock2D\"], expected a list of 4 types of blocks, "
         "one for each of block_out_channels"},
        {"unet/config.json",
         "{\"down_block_types\":[\"DownBlock2D\",\"DownBlock2D\",\"DownBlock2D\",\"AttnDownBlock2D\"]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'down_block_types' is \"AttnDownBlock2D\", expected \"DownBlock2D\" or "
         "\"CrossAttnDownBlock2D\": nothing else is supported"},
        {"unet/config.json", "{\"attention_head_dim\":[8,8]}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'attention_head_dim' is [8,8], expected one number, or 4 of them as in "
         "block_out_channels"},
        {"unet/config.json", "{\"attention_head_dim\":7}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: down_blocks.0.attentions.0 has 320 channels, which 7 attention heads do not "
         "divide"},
        {"unet/config.json", "{\"norm_num_groups\":7}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: down_blocks.0.resnets.0.norm1 has 320 channels, which 'norm_num_groups' 7 does "
         "not divide"},
        {"unet/config.json", "{\"addition_embed_type\":\"text_time\",\"addition_time_embed_dim\":256}", LYC_E_FORMAT,
         "reading DIR/unet/config.json: 'addition_embed_type' is \"text_time\", but "
         "'projection_class_embeddings_input_dim' is missing"},
        {"vae/config.json", "{\"latents_mean\":[1]}", LYC_E_FORMAT,
         "reading DIR/vae/config.json: 'latents_mean' is [1], expected null: nothing else is supported"},
        {"vae/config.json", "{\"down_block_types\":[\"X\"]}", LYC_E_FORMAT,
         "reading DIR/vae/config.json: 'down_block_types' is \"X\", expected \"DownEncoderBlock2D\": nothing else is "
         "supported"},
        {"text_encoder/config.json", "{\"hidden_act\":\"relu\"}", LYC_E_FORMAT,
         "reading DIR/text_encoder/config.json: 'hidden_act' is \"relu\", expected one of \"gelu\", \"quick_gelu\""},
        {"text_encoder/config.json", "{\"num_attention_heads\":7}", LYC_E_FORMAT,
         "reading DIR/text_encoder/config.json: text_model.encoder has 512 channels, which 7 attention heads do not "
         "divide"},
        {"scheduler/scheduler_config.json", "{\"prediction_type\":\"flow\"}", LYC_E_FORMAT,
         "reading DIR/scheduler/scheduler_config.json: 'prediction_type' is \"flow\", expected one of \"epsilon\", "
         "\"v_prediction\", \"sample\""},
        {"scheduler/scheduler_config.json", "{\"trained_betas\":[0.1,2]}", LYC_E_FORMAT,
         "reading DIR/scheduler/scheduler_config.json: 'trained_betas' is 2, expected numbers from 0 to 1"},
        {"scheduler/scheduler_config.json", "{\"beta_start\":0.5,\"beta_end\":0.1}", LYC_E_FORMAT,
         "reading DIR/scheduler/scheduler_config.json: 'beta_start' is 0.5, expected at most 'beta_end'"},
    };
    test_model_folder(folder->path, false);
    assert_int_equal(mkdir(test_folder_path(folder, "scheduler"), 0777), 0);
    test_text_write(test_folder_path(folder, "scheduler/scheduler_config.json"), "{}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        const char *path = test_folder_path(folder, cases[i].file);
        char *good = test_file_read(path, &size);
        test_text_write(path, cases[i].text);
        assert_fails(folder, "", NULL, cases[i].status, cases[i].message);
        test_file_write(path, good, size);
        free(good);
    }
    assert_string_equal(logged, "");
    lyc_checkpoint_close(open_good(folder->path, NULL));
}

static void warns_once_of_unknown_fields(void **state)
{
    const test_folder *folder = *state;
    char config[1024];
    test_model_folder(folder->path, false);
    snprintf(config, sizeof config, "{\"new_field\":[1],\"other\":false,\"third\":null,%s", test_unet_config + 1);
    test_text_write(test_folder_path(folder, "unet/config.json"), config);
    lyc_checkpoint_close(open_good(folder->path, NULL));
    assert_string_equal(without_folder(folder, logged),
                        "DIR/unet/config.json: the field 'new_field' is not known and ignored\n");
}

static void missing_and_wrong_tensors(void **state)
{
    const test_folder *folder = *state;
    const test_part unet = {LYC_COMPONENT_UNET, test_unet_config, ""};
    const test_part text = {LYC_COMPONENT_TEXT_ENCODER, test_text_config, ""};
    static const struct {
        test_fault fault;
        lyc_status status;
        const char *message;
    } cases[] = {
        {{.without = "conv_out.bias"},
         LYC_E_FORMAT,
         "1 tensor of the U-Net missing in DIR/unet/diffusion_pytorch_model.safetensors: conv_out.bias"},
        {{.without = "mid_block.resnets"},
         LYC_E_FORMAT,
         "20 tensors of the U-Net missing in DIR/unet/diffusion_pytorch_model.safetensors: "
         "mid_block.resnets.0.norm1.weight, mid_block.resnets.0.norm1.bias, mid_block.resnets.0.conv1.weight, "
         "mid_block.resnets.0.conv1.bias, mid_block.resnets.0.time_emb_proj.weight, "
         "mid_block.resnets.0.time_emb_proj.bias, mid_block.resnets.0.norm2.weight, mid_block.resnets.0.norm2.bias, "
         "mid_block.resnets.0.conv2.weight, mid_block.resnets.0.conv2.bias, ..."},
        {{.reshaped = "conv_in.weight", .shape = {4, {32, 5, 3, 3}}},
         LYC_E_SHAPE,
         "'conv_in.weight' in DIR/unet/diffusion_pytorch_model.safetensors has the shape 32x5x3x3, expected 32x4x3x3"},
        {{.retyped = "conv_in.weight", .dtype = LYC_I32},
         LYC_E_UNSUPPORTED,
         "'conv_in.weight' in DIR/unet/diffusion_pytorch_model.safetensors has the type I32, expected numbers with a "
         "fraction"},
    };
    test_model_folder(folder->path, false);
    const char *path = test_folder_path(folder, "unet/diffusion_pytorch_model.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_model_write(path, &unet, 1, &cases[i].fault);
        assert_fails(folder, "", NULL, cases[i].status, cases[i].message);
    }
    test_model_write(path, &text, 1, NULL);
    assert_fails(folder, "", NULL, LYC_E_FORMAT,
                 "DIR/unet/diffusion_pytorch_model.safetensors holds a text encoder, expected a U-Net");
    assert_int_equal(truncate(path, 100000), 0);
    lyc_checkpoint *c = NULL;
    lyc_error err;
    assert_int_equal(lyc_checkpoint_open(&c, folder->path, NULL, &err), LYC_E_FORMAT);
    assert_non_null(strstr(err.message, "the file is not complete, at byte 100000"));
    assert_int_equal(unlink(path), 0);
    assert_fails(folder, "", NULL, LYC_E_IO,
                 "DIR/unet has no diffusion_pytorch_model.safetensors and no index of shards");
    assert_int_equal(unlink(test_folder_path(folder, "unet/config.json")), 0);
    assert_int_equal(unlink(test_folder_path(folder, "model_index.json")), 0);
    assert_fails(folder, "", NULL, LYC_E_FORMAT,
                 "DIR is a folder without model_index.json and unet/config.json: no "
                 "model");
    assert_fails(folder, "nothing.safetensors", NULL, LYC_E_IO,
                 "cannot open DIR/nothing.safetensors: No such file or directory");
}

/* Parts of different models. */
static void parts_that_do_not_belong_together(void **state)
{
    const test_folder *folder = *state;
    static const char wide_text[] =
        "{\"vocab_size\":40,\"hidden_size\":128,\"intermediate_size\":128,\"num_hidden_layers\":2,"
        "\"num_attention_heads\":2,\"max_position_embeddings\":8}";
    static const char edit_unet[] =
        "{\"in_channels\":8,\"block_out_channels\":[32,64],\"down_block_types\":[\"CrossAttnDownBlock2D\","
        "\"DownBlock2D\"],\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\"],\"layers_per_block\":1,"
        "\"attention_head_dim\":[8,1],\"cross_attention_dim\":64}";
    test_part parts[] = SD1_PARTS;
    parts[2].config = wide_text;
    const char *path = test_folder_path(folder, "model.safetensors");
    test_model_write(path, parts, 3, NULL);
    assert_fails(
        folder, "model.safetensors", NULL, LYC_E_FORMAT,
        "DIR/model.safetensors has a U-Net for text states of width 64 and text encoders of width 128: they do "
        "not belong together");
    parts[2].config = test_text_config;
    parts[0].config = edit_unet;
    test_model_write(path, parts, 3, NULL);
    assert_fails(folder, "model.safetensors", NULL, LYC_E_UNSUPPORTED,
                 "DIR/model.safetensors has a U-Net with 8 input channels: a model that edits pictures by instruction, "
                 "which is not supported");
    lyc_checkpoint_close(open_good(path, &(lyc_checkpoint_options){.allow_missing = true}));
    test_model_write(path, parts + 1, 1, NULL);
    assert_fails(folder, "model.safetensors", NULL, LYC_E_FORMAT,
                 "DIR/model.safetensors holds a VAE, expected a model with a U-Net");
}

static void other_families(void **state)
{
    const test_folder *folder = *state;
    static const struct {
        const char *key;
        lyc_family family;
    } cases[] = {
        {"model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight", LYC_FAMILY_SD3},
        {"double_blocks.0.img_attn.qkv.weight", LYC_FAMILY_FLUX1},
        {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight", LYC_FAMILY_FLUX1},
        {"single_transformer_blocks.0.attn.to_q.weight", LYC_FAMILY_FLUX1},
        {"conditioner.embedders.0.model.ln_final.weight", LYC_FAMILY_SDXL_REFINER},
    };
    const char *path = test_folder_path(folder, "model.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[256];
        lyc_family family = LYC_FAMILY_UNKNOWN;
        test_model_write(path, NULL, 0, &(test_fault){.extra = cases[i].key});
        snprintf(message, sizeof message,
                 "DIR/model.safetensors is a model of the family %s, expected SD 1.x, SD 2.x or SDXL",
                 lyc_family_name(cases[i].family));
        assert_fails(folder, "model.safetensors", NULL, LYC_E_UNSUPPORTED, message);
        assert_int_equal(lyc_family_of_file(&family, path, NULL), LYC_OK);
        assert_int_equal(family, cases[i].family);
    }
}

static void refuses_pickles(void **state)
{
    const test_folder *folder = *state;
    static const char how[] =
        " is a pickle, which can run programs when it is loaded and is not read; convert it once with Python: import "
        "torch, safetensors.torch as s; m = torch.load(FILE, map_location='cpu', weights_only=True); m = "
        "m.get('state_dict', m); s.save_file({k: v.contiguous() for k, v in m.items() if hasattr(v, 'shape')}, "
        "'model.safetensors')";
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {{"a.ckpt", "PK\x03\x04 and so on"},
                 {"b.safetensors", "PK\x03\x04 and so on"},
                 {"c.pt", "\x80\x02}q\x01."},
                 {"d.bin", "anything, that is long enough"}};
    char message[600];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_text_write(test_folder_path(folder, cases[i].name), cases[i].text);
        snprintf(message, sizeof message, "DIR/%s%s", cases[i].name, how);
        assert_fails(folder, cases[i].name, NULL, LYC_E_UNSUPPORTED, message);
    }
    test_model_folder(folder->path, false);
    assert_int_equal(rename(test_folder_path(folder, "vae/diffusion_pytorch_model.safetensors"),
                            test_folder_path(folder, "vae/diffusion_pytorch_model.bin")),
                     0);
    snprintf(message, sizeof message, "DIR/vae/diffusion_pytorch_model.bin%s", how);
    assert_fails(folder, "", NULL, LYC_E_UNSUPPORTED, message);
}

static void finds_weights_that_are_no_numbers(void **state)
{
    const test_folder *folder = *state;
    const test_part part = {LYC_COMPONENT_VAE, test_vae_config, "first_stage_model."};
    const char *path = test_folder_path(folder, "vae.safetensors");
    lyc_component *c = NULL;
    lyc_weight_view view = {0};
    test_model_write(path, &part, 1, NULL);
    assert_int_equal(lyc_component_open(&c, LYC_COMPONENT_VAE, NULL, path, NULL), LYC_OK);
    assert_false(lyc_component_find_nonfinite(&view, c));
    lyc_component_close(c);
    test_model_write(path, &part, 1, &(test_fault){.not_finite = "first_stage_model.decoder.mid.attn_1.q.weight"});
    assert_int_equal(lyc_component_open(&c, LYC_COMPONENT_VAE, NULL, path, NULL), LYC_OK);
    assert_true(lyc_component_find_nonfinite(&view, c));
    assert_string_equal(view.name, "decoder.mid_block.attentions.0.to_q.weight");
    assert_string_equal(view.key, "first_stage_model.decoder.mid.attn_1.q.weight");
    lyc_component_close(c);
}

static void warns_of_weights_that_are_no_numbers(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = SD1_PARTS;
    const char *path = test_folder_path(folder, "model.safetensors");
    const lyc_checkpoint_options options = {.check_finite = true};
    test_model_write(path, parts, 3, &(test_fault){.not_finite = "first_stage_model.quant_conv.weight"});
    lyc_checkpoint_close(open_good(path, NULL));
    assert_string_equal(logged, "");
    lyc_checkpoint_close(open_good(path, &options));
    assert_string_equal(without_folder(folder, logged), "DIR/model.safetensors: 'first_stage_model.quant_conv.weight' "
                                                        "has numbers that are not finite\n");
}

/* The n-th allocation fails, for every n. */
static void survives_the_lack_of_memory(void **state)
{
    const test_folder *folder = *state;
    const test_part parts[] = XL_PARTS;
    const char *file = test_folder_path(folder, "xl.safetensors");
    test_folder model;
    test_folder_make(&model);
    test_model_folder(model.path, true);
    test_model_write(file, parts, 4, NULL);
    const char *paths[] = {file, model.path};
    for (int i = 0; i < 2; i++) {
        lyc_status status = LYC_E_MEMORY;
        for (uint64_t n = 1; status != LYC_OK; n++) {
            lyc_checkpoint *c = NULL;
            lyc_error err = {0};
            lyc_memory_fail_after(n, true);
            status = lyc_checkpoint_open(&c, paths[i], NULL, &err);
            lyc_memory_fail_after(0, false);
            assert_true(status == LYC_OK || (status == LYC_E_MEMORY && c == NULL && err.message[0] != '\0'));
            lyc_checkpoint_close(c);
        }
    }
    test_folder_remove(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_a_folder, start, finish),
        cmocka_unit_test_setup_teardown(opens_sdxl_with_scheduler_and_tokenizers, start, finish),
        cmocka_unit_test_setup_teardown(chooses_variants, start, finish),
        cmocka_unit_test_setup_teardown(infers_sdxl, start, finish),
        cmocka_unit_test_setup_teardown(infers_sd2_without_its_last_layer, start, finish),
        cmocka_unit_test_setup_teardown(tells_unmatched_keys, start, finish),
        cmocka_unit_test_setup_teardown(takes_flat_files_and_parts, start, finish),
        cmocka_unit_test_setup_teardown(takes_old_names, start, finish),
        cmocka_unit_test_setup_teardown(reads_the_objective, start, finish),
        cmocka_unit_test_setup_teardown(scheduler_defaults, start, finish),
        cmocka_unit_test_setup_teardown(model_config_overrides, start, finish),
        cmocka_unit_test_setup_teardown(bad_texts_in_a_folder, start, finish),
        cmocka_unit_test_setup_teardown(warns_once_of_unknown_fields, start, finish),
        cmocka_unit_test_setup_teardown(missing_and_wrong_tensors, start, finish),
        cmocka_unit_test_setup_teardown(parts_that_do_not_belong_together, start, finish),
        cmocka_unit_test_setup_teardown(other_families, start, finish),
        cmocka_unit_test_setup_teardown(refuses_pickles, start, finish),
        cmocka_unit_test_setup_teardown(finds_weights_that_are_no_numbers, start, finish),
        cmocka_unit_test_setup_teardown(warns_of_weights_that_are_no_numbers, start, finish),
        cmocka_unit_test_setup_teardown(survives_the_lack_of_memory, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
