/* pipeline.c - a model ready to make pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "diffusion/pipeline.h"

#include <string.h>

#include "backend/cpu/default.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "diffusion/embedding.h"

static const uint64_t standard_vae_limit = (uint64_t)2 << 30;
static const char standard_sampler[] = "dpm++_2m_karras";

/* --- opening --- */

static lyc_status check_components(const lyc_pipeline *p, const char *model, lyc_error *err)
{
    const bool xl = lyc_checkpoint_family(p->checkpoint) == LYC_FAMILY_SDXL;
    static const lyc_component_kind needed[] = {LYC_COMPONENT_UNET, LYC_COMPONENT_VAE, LYC_COMPONENT_TEXT_ENCODER,
                                                LYC_COMPONENT_TEXT_ENCODER_2};
    for (int i = 0; i < (xl ? 4 : 3); i++) {
        if (lyc_checkpoint_component(p->checkpoint, needed[i]) == NULL) {
            return lyc_fail(err, LYC_E_FORMAT, "%s has no %s", model, lyc_component_kind_name(needed[i]));
        }
    }
    const lyc_unet_config *u = p->unet_config;
    const int latents = p->vae_config->latent_channels;
    if (u->out_channels != latents || (u->in_channels != latents && u->in_channels != 2 * latents + 1)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "a U-Net of %d input and %d output channels with a VAE of %d, expected %d or %d and %d",
                        u->in_channels, u->out_channels, latents, latents, 2 * latents + 1, latents);
    }
    return LYC_OK;
}

static lyc_status open_checkpoint(lyc_pipeline *p, const lyc_pipeline_options *options, lyc_error *err)
{
    lyc_checkpoint_options files = {.variant = options->variant, .config = options->config};
    files.parts[LYC_COMPONENT_VAE] = options->vae;
    files.parts[LYC_COMPONENT_TEXT_ENCODER] = options->text_encoder;
    files.parts[LYC_COMPONENT_TEXT_ENCODER_2] = options->text_encoder_2;
    if (options->model == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "no model is named");
    }
    LYC_TRY(lyc_checkpoint_open(&p->checkpoint, options->model, &files, err));
    const lyc_component *unet = lyc_checkpoint_component(p->checkpoint, LYC_COMPONENT_UNET);
    const lyc_component *vae = lyc_checkpoint_component(p->checkpoint, LYC_COMPONENT_VAE);
    if (unet == NULL || vae == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has no %s", options->model, unet == NULL ? "unet" : "vae");
    }
    p->unet_config = lyc_component_unet(unet);
    p->vae_config = lyc_component_vae(vae);
    p->factor = lyc_vae_factor(p->vae_config);
    return check_components(p, options->model, err);
}

static lyc_status open_control(lyc_pipeline_control *out, const lyc_pipeline *p, const char *path, lyc_error *err)
{
    LYC_TRY(lyc_component_open(&out->component, LYC_COMPONENT_CONTROLNET, NULL, path, err));
    const lyc_unet_config *own = lyc_component_unet(out->component);
    const lyc_unet_config *unet = p->unet_config;
    if (own->mid_cross_dim != unet->mid_cross_dim) {
        return lyc_fail(err, LYC_E_SHAPE, "%s is for text states of width %d, the model has %d", path,
                        own->mid_cross_dim, unet->mid_cross_dim);
    }
    if (own->level_count != unet->level_count || own->channels[0] != unet->channels[0]) {
        return lyc_fail(err, LYC_E_SHAPE, "%s has %d levels of %d channels and more, the model %d of %d", path,
                        own->level_count, own->channels[0], unet->level_count, unet->channels[0]);
    }
    return LYC_OK;
}

static lyc_status open_controls(lyc_pipeline *p, const lyc_pipeline_options *options, lyc_error *err)
{
    if (options->controlnet_count == 0) {
        return LYC_OK;
    }
    p->controls = lyc_alloc_zero(options->controlnet_count, sizeof *p->controls);
    if (p->controls == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %zu ControlNets", options->controlnet_count);
    }
    p->control_count = options->controlnet_count;
    for (size_t i = 0; i < p->control_count; i++) {
        LYC_TRY(open_control(&p->controls[i], p, options->controlnets[i], err));
    }
    return LYC_OK;
}

static void set_scheduler(lyc_pipeline *p, const lyc_pipeline_options *options)
{
    p->scheduler = *lyc_checkpoint_scheduler(p->checkpoint);
    if (options->prediction != LYC_PREDICTS_AS_TOLD) {
        p->scheduler.prediction = options->prediction == LYC_PREDICTS_V ? LYC_PREDICTION_V : LYC_PREDICTION_EPSILON;
        p->scheduler.prediction_told = true;
    }
    p->scheduler.rescale_zero_snr = p->scheduler.rescale_zero_snr || options->zero_terminal_snr;
    if (p->scheduler.rescale_zero_snr && p->scheduler.prediction == LYC_PREDICTION_EPSILON) {
        lyc_log_write(LYC_LOG_WARN, LYC_LOG_GENERAL, "zero terminal SNR makes sense with v-prediction alone");
    }
}

/* The sampler of the model's scheduler_config.json, where it is one that is known. */
static lyc_status set_sampler(lyc_pipeline *p, lyc_error *err)
{
    const lyc_scheduler_config *s = &p->scheduler;
    lyc_error unknown;
    if (s->class_name[0] == '\0' || lyc_sampler_find(&p->sampler, &p->curve, s->class_name, &unknown) != LYC_OK) {
        LYC_TRY(lyc_sampler_find(&p->sampler, &p->curve, standard_sampler, err));
    } else {
        p->curve = s->karras        ? LYC_CURVE_KARRAS
                   : s->exponential ? LYC_CURVE_EXPONENTIAL
                   : s->beta_sigmas ? LYC_CURVE_BETA
                                    : LYC_CURVE_NONE;
    }
    lyc_strbuf name = {0};
    lyc_strbuf_append(&name, p->sampler->name);
    if (p->curve != LYC_CURVE_NONE) {
        lyc_strbuf_append(&name, "_");
        lyc_strbuf_append(&name, lyc_sigma_curve_name(p->curve));
    }
    const lyc_status status = lyc_strbuf_check(&name, "the name of a sampler", err);
    if (status == LYC_OK) {
        memcpy(p->sampler_name, name.text,
               name.length < sizeof p->sampler_name ? name.length + 1 : sizeof p->sampler_name - 1);
    }
    lyc_strbuf_clear(&name);
    return status;
}

/* "sd15" of "models/sd15.safetensors", the folder's name of a folder. */
static lyc_status set_names(lyc_pipeline *p, const char *path, lyc_error *err)
{
    static const char ending[] = ".safetensors";
    lyc_strbuf text = {0};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    lyc_strbuf_append_n(&text, path, length);
    LYC_TRY(lyc_strbuf_check(&text, "the name of a model", err));
    lyc_span name = lyc_path_name(text.text);
    const bool is_file = lyc_span_ends_with(name, ending);
    if (is_file) {
        name.length -= strlen(ending);
    }
    lyc_strbuf short_name = {0};
    lyc_strbuf_append_n(&short_name, name.text, name.length);
    p->model_name = lyc_strbuf_take(&short_name);
    p->model_file = is_file ? lyc_strbuf_take(&text) : NULL;
    lyc_strbuf_clear(&text);
    if (p->model_name == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the name of a model");
    }
    return LYC_OK;
}

static lyc_status make_runners(lyc_pipeline *p, const lyc_pipeline_options *options, lyc_error *err)
{
    p->runner = (lyc_runner_options){
        .precision = options->compute == LYC_COMPUTE_BF16 ? LYC_PRECISION_BF16 : LYC_PRECISION_F32,
        .backend = lyc_backend_default(),
    };
    LYC_TRY(lyc_pipeline_adapters_init(&p->adapters, p->checkpoint, err));
    p->adapted = p->runner;
    p->adapted.network = p->adapters.network;
    p->vae_limit_bytes = options->vae_limit_bytes > 0 ? options->vae_limit_bytes : standard_vae_limit;
    const lyc_vae_tile_options tiles = {.limit_bytes = (size_t)p->vae_limit_bytes};
    LYC_TRY(lyc_text_encoders_init(&p->text, p->checkpoint, &p->adapted, err));
    if (p->text.width != (size_t)p->unet_config->mid_cross_dim) {
        return lyc_fail(err, LYC_E_SHAPE, "the text encoder gives states of width %zu, the unet takes %d",
                        p->text.width, p->unet_config->mid_cross_dim);
    }
    LYC_TRY(
        lyc_unet_runner_new(&p->unet, lyc_checkpoint_component(p->checkpoint, LYC_COMPONENT_UNET), &p->adapted, err));
    return lyc_vae_runner_new(&p->vae, lyc_checkpoint_component(p->checkpoint, LYC_COMPONENT_VAE), &p->runner, &tiles,
                              err);
}

lyc_status lyc_pipeline_open(lyc_pipeline **out, const lyc_pipeline_options *options, lyc_error *err)
{
    lyc_pipeline *p = lyc_alloc_zero(1, sizeof *p);
    *out = NULL;
    if (p == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a pipeline");
    }
    lyc_status status = open_checkpoint(p, options, err);
    if (status != LYC_OK) {
        goto done;
    }
    set_scheduler(p, options);
    if ((status = set_sampler(p, err)) != LYC_OK || (status = set_names(p, options->model, err)) != LYC_OK ||
        (status = open_controls(p, options, err)) != LYC_OK) {
        goto done;
    }
    status = make_runners(p, options, err);
done:
    if (status != LYC_OK) {
        lyc_pipeline_close(p);
        return status;
    }
    *out = p;
    return LYC_OK;
}

void lyc_pipeline_close(lyc_pipeline *p)
{
    if (p == NULL) {
        return;
    }
    lyc_conditions_clear(&p->conditions);
    lyc_free(p->conditions_key);
    lyc_text_encoders_clear(&p->text);
    lyc_unet_runner_free(p->unet);
    lyc_vae_runner_free(p->vae);
    for (size_t i = 0; i < p->control_count; i++) {
        lyc_controlnet_runner_free(p->controls[i].runner);
        lyc_component_close(p->controls[i].component);
    }
    lyc_free(p->controls);
    lyc_pipeline_adapters_clear(&p->adapters);
    lyc_free(p->model_name);
    lyc_free(p->model_file);
    lyc_checkpoint_close(p->checkpoint);
    lyc_free(p);
}

lyc_status lyc_pipeline_attach(lyc_pipeline *p, struct lyc_network *network, lyc_error *err)
{
    lyc_conditions_clear(&p->conditions);
    lyc_free(p->conditions_key);
    p->conditions_key = NULL;
    lyc_text_encoders_clear(&p->text);
    lyc_unet_runner_free(p->unet);
    p->unet = NULL;
    p->adapted.network = network;
    LYC_TRY(lyc_text_encoders_init(&p->text, p->checkpoint, &p->adapted, err));
    return lyc_unet_runner_new(&p->unet, lyc_checkpoint_component(p->checkpoint, LYC_COMPONENT_UNET), &p->adapted, err);
}

/* --- describing --- */

void lyc_pipeline_describe(lyc_pipeline_info *out, const lyc_pipeline *p)
{
    static const char *const predictions[] = {"epsilon", "v_prediction", "sample"};
    const bool xl = lyc_checkpoint_family(p->checkpoint) == LYC_FAMILY_SDXL;
    const int latent = p->unet_config->sample_size;
    const int side = latent > 0 ? latent * p->factor : xl ? 1024 : 512;
    *out = (lyc_pipeline_info){
        .family = lyc_family_name(lyc_checkpoint_family(p->checkpoint)),
        .prediction = predictions[p->scheduler.prediction],
        .sampler = p->sampler_name,
        .width = side,
        .height = side,
        .inpainting = p->unet_config->in_channels > p->vae_config->latent_channels,
        .unmatched_count = lyc_checkpoint_unmatched_count(p->checkpoint),
        .controlnet_count = p->control_count,
    };
}

const char *lyc_pipeline_unmatched(const lyc_pipeline *p, size_t index)
{
    return lyc_checkpoint_unmatched(p->checkpoint, index);
}

/* --- adapters --- */

lyc_status lyc_pipeline_add_adapter(size_t *index, lyc_pipeline *p, const char *path, bool strict, lyc_error *err)
{
    return lyc_pipeline_adapters_open(index, &p->adapters, path, strict, err);
}

const char *lyc_pipeline_adapter_name(const lyc_pipeline *p, size_t index)
{
    return index < p->adapters.count ? p->adapters.opened[index].name : NULL;
}

/* States of earlier texts may have the name in them. */
lyc_status lyc_pipeline_add_embedding(lyc_pipeline *p, const char *path, const char *name, lyc_error *err)
{
    lyc_conditions_clear(&p->conditions);
    lyc_free(p->conditions_key);
    p->conditions_key = NULL;
    return lyc_embedding_add(&p->text, path, name, err);
}

/* --- texts --- */

/* What the states depend on, in one piece. */
static char *key_of(const lyc_text_request *r, const lyc_adapter_uses *adapters)
{
    lyc_strbuf key = {0};
    lyc_adapter_uses_key(&key, adapters);
    lyc_strbuf_format(&key, "%d %d %d %d %d %d %d %d ", r->guided, r->zero_negative, r->clip_skip, r->plain,
                      r->sequences.style, r->sequences.chunks, r->sequences.backtrack, r->weighing);
    lyc_strbuf_append(&key, r->prompt != NULL ? r->prompt : "");
    lyc_strbuf_append_char(&key, '\n');
    lyc_strbuf_append_char(&key, '\1'); /* stands in no text that is accepted as one: texts are UTF-8 without it */
    lyc_strbuf_append(&key, r->negative != NULL ? r->negative : "");
    return lyc_strbuf_take(&key);
}

lyc_status lyc_pipeline_conditions(const lyc_conditions **out, lyc_pipeline *p, const lyc_text_request *request,
                                   const lyc_adapter_uses *adapters, lyc_error *err)
{
    char *key = key_of(request, adapters);
    if (key == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    *out = &p->conditions;
    if (p->conditions_key != NULL && strcmp(key, p->conditions_key) == 0) {
        lyc_free(key);
        return LYC_OK;
    }
    lyc_conditions_clear(&p->conditions);
    lyc_free(p->conditions_key);
    p->conditions_key = NULL;
    const lyc_status status = lyc_conditions_make(&p->conditions, &p->text, request, err);
    if (status == LYC_OK) {
        p->conditions_key = key;
    } else {
        lyc_free(key);
    }
    return status;
}
