/* family.c - which model it is, and whether its components belong together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/family.h"

#include <string.h>

#include "base/string.h"
#include "checkpoint/component_make.h"

static const char *const names[] = {
    [LYC_FAMILY_UNKNOWN] = "unknown",
    [LYC_FAMILY_SD1] = "SD 1.x",
    [LYC_FAMILY_SD2] = "SD 2.x",
    [LYC_FAMILY_SDXL] = "SDXL",
    [LYC_FAMILY_SDXL_REFINER] = "SDXL refiner",
    [LYC_FAMILY_SD3] = "SD 3",
    [LYC_FAMILY_FLUX1] = "Flux.1",
};

const char *lyc_family_name(lyc_family family)
{
    return (unsigned)family < sizeof names / sizeof names[0] ? names[family] : names[LYC_FAMILY_UNKNOWN];
}

/* --- by keys ------------------------------------------------------------------------------------------------------ */

/* The first line of which a key begins so. */
// clang-format off
static const struct {
    const char *key;
    lyc_family family;
} tell_tales[] = {
    {"model.diffusion_model.joint_blocks.", LYC_FAMILY_SD3},
    {"joint_blocks.", LYC_FAMILY_SD3},
    {"model.diffusion_model.double_blocks.", LYC_FAMILY_FLUX1},
    {"double_blocks.", LYC_FAMILY_FLUX1},
    {"single_transformer_blocks.", LYC_FAMILY_FLUX1},
    {"transformer.single_transformer_blocks.", LYC_FAMILY_FLUX1},
    {"transformer_blocks.0.attn.add_q_proj.", LYC_FAMILY_SD3},
    {"transformer.transformer_blocks.0.attn.add_q_proj.", LYC_FAMILY_SD3},
    {"conditioner.embedders.1.model.", LYC_FAMILY_SDXL},
    {"conditioner.embedders.0.model.", LYC_FAMILY_SDXL_REFINER},
    {"cond_stage_model.model.", LYC_FAMILY_SD2},
    {"cond_stage_model.transformer.", LYC_FAMILY_SD1},
};
// clang-format on

/* Without a text encoder: by the width of the text states. */
static lyc_family family_of_shapes(const lyc_source *source)
{
    static const struct {
        const char *key;
        int64_t out, context;
        lyc_family family;
    } shapes[] = {
        {"input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", 320, 768, LYC_FAMILY_SD1},
        {"input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", 320, 1024, LYC_FAMILY_SD2},
        {"input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", 640, 2048, LYC_FAMILY_SDXL},
        {"input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", 768, 1280, LYC_FAMILY_SDXL_REFINER},
        {"down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k.weight", 320, 768, LYC_FAMILY_SD1},
        {"down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k.weight", 320, 1024, LYC_FAMILY_SD2},
        {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", 640, 2048, LYC_FAMILY_SDXL},
        {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", 768, 1280, LYC_FAMILY_SDXL_REFINER},
    };
    static const char *const prefixes[] = {"model.diffusion_model.", "unet.", ""};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++) {
            lyc_strbuf key = {0};
            lyc_tensor_view view;
            const lyc_source_file *file;
            lyc_strbuf_format(&key, "%s%s", prefixes[k], shapes[i].key);
            const bool found = lyc_source_find(&view, &file, source, lyc_strbuf_text(&key));
            lyc_strbuf_clear(&key);
            if (found && view.shape.rank == 2 && view.shape.dims[0] == shapes[i].out &&
                view.shape.dims[1] == shapes[i].context) {
                return shapes[i].family;
            }
        }
    }
    return LYC_FAMILY_UNKNOWN;
}

lyc_family lyc_family_of_source(const lyc_source *source)
{
    for (size_t i = 0; i < sizeof tell_tales / sizeof tell_tales[0]; i++) {
        if (lyc_source_has_prefix(source, tell_tales[i].key, "")) {
            return tell_tales[i].family;
        }
    }
    return family_of_shapes(source);
}

lyc_status lyc_family_of_file(lyc_family *out, const char *path, lyc_error *err)
{
    lyc_source *source = NULL;
    LYC_TRY(lyc_source_open(&source, path, err));
    *out = lyc_family_of_source(source);
    lyc_source_close(source);
    return LYC_OK;
}

lyc_status lyc_family_check(lyc_family family, const char *path, lyc_error *err)
{
    if (family > LYC_FAMILY_SDXL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s is a model of the family %s, expected SD 1.x, SD 2.x or SDXL", path,
                        lyc_family_name(family));
    }
    return LYC_OK;
}

lyc_status lyc_family_check_class(const char *class_name, const char *path, lyc_error *err)
{
    static const struct {
        const char *start;
        lyc_family family;
    } classes[] = {
        {"StableDiffusion3", LYC_FAMILY_SD3},
        {"Flux", LYC_FAMILY_FLUX1},
    };
    if (class_name == NULL) {
        return LYC_OK;
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strncmp(class_name, classes[i].start, strlen(classes[i].start)) == 0) {
            return lyc_family_check(classes[i].family, path, err);
        }
    }
    if (strncmp(class_name, "StableDiffusion", 15) != 0 && strncmp(class_name, "LatentConsistency", 17) != 0) {
        char brief[LYC_BRIEF];
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "%s is a '%s', expected a StableDiffusionPipeline or a "
                        "StableDiffusionXLPipeline",
                        path, lyc_text_brief(brief, sizeof brief, lyc_span_of(class_name)));
    }
    return LYC_OK;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static lyc_family family_of_unet(const lyc_unet_config *c)
{
    if (c->addition_input_dim > 0) {
        /* The refiner has the second text encoder alone, whose states are 1280 wide. */
        return c->mid_cross_dim == 1280 && c->addition_input_dim == 2560 ? LYC_FAMILY_SDXL_REFINER : LYC_FAMILY_SDXL;
    }
    return c->linear_projection ? LYC_FAMILY_SD2 : LYC_FAMILY_SD1;
}

static const lyc_clip_text_config *text_of(lyc_component *const components[], lyc_component_kind kind)
{
    return components[kind] != NULL ? &components[kind]->config.clip_text : NULL;
}

/* Latents, and with them a mask and a masked image (inpainting) or a picture to edit. */
static lyc_status check_latents(const lyc_unet_config *unet, const lyc_vae_config *vae, const char *path,
                                bool for_tools, lyc_error *err)
{
    const int latents = vae != NULL ? vae->latent_channels : unet->out_channels;
    const int in = unet->in_channels;
    if (in == latents + latents && !for_tools) {
        return lyc_fail(err, LYC_E_UNSUPPORTED,
                        "%s has a U-Net with %d input channels: a model that edits pictures by "
                        "instruction, which is not supported",
                        path, in);
    }
    if (in != latents && in != latents + latents + 1 && in != latents + latents) {
        return lyc_fail(err, LYC_E_FORMAT,
                        "%s has a U-Net with %d input channels and a VAE with %d latent channels: "
                        "they do not belong together",
                        path, in, latents);
    }
    return LYC_OK;
}

/* The widths of all text encoders together are that of the states. */
static lyc_status check_text(const lyc_unet_config *unet, lyc_component *const components[], const char *path,
                             lyc_error *err)
{
    const lyc_clip_text_config *one = text_of(components, LYC_COMPONENT_TEXT_ENCODER);
    const lyc_clip_text_config *two = text_of(components, LYC_COMPONENT_TEXT_ENCODER_2);
    const bool is_xl = unet->addition_input_dim > 0;
    const int width = (one != NULL ? one->hidden_size : 0) + (is_xl && two != NULL ? two->hidden_size : 0);
    if (one == NULL || (is_xl && two == NULL)) {
        return LYC_OK; /* which one is missing is told elsewhere */
    }
    if (width != unet->mid_cross_dim) {
        return lyc_fail(err, LYC_E_FORMAT,
                        "%s has a U-Net for text states of width %d and text encoders of width %d: "
                        "they do not belong together",
                        path, unet->mid_cross_dim, width);
    }
    return LYC_OK;
}

static lyc_status check_controlnet(const lyc_unet_config *unet, lyc_component *const components[], lyc_error *err)
{
    const lyc_component *control = components[LYC_COMPONENT_CONTROLNET];
    if (control == NULL || control->config.unet.mid_cross_dim == unet->mid_cross_dim) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_FORMAT, "%s is a ControlNet for text states of width %d, but the model's have %d",
                    lyc_source_path(control->source), control->config.unet.mid_cross_dim, unet->mid_cross_dim);
}

/* The width of one micro-condition: what the pooled text leaves is six of them. */
static lyc_status settle_addition(lyc_component *unet, const lyc_clip_text_config *two, const char *path,
                                  lyc_error *err)
{
    lyc_unet_config *c = &unet->config.unet;
    if (c->addition_input_dim == 0 || two == NULL) {
        return LYC_OK;
    }
    const int pooled = two->projection_dim;
    const int rest = c->addition_input_dim - pooled;
    if (unet->inferred && rest > 0 && rest % 6 == 0) {
        c->addition_time_dim = rest / 6;
    }
    if (pooled == 0 || rest != 6 * c->addition_time_dim) { /* fits: at most 2^20 */
        return lyc_fail(err, LYC_E_FORMAT,
                        "%s has a U-Net for %d additional numbers, expected %d of the pooled text and "
                        "6 times %d",
                        path, c->addition_input_dim, pooled, c->addition_time_dim);
    }
    return LYC_OK;
}

static lyc_status check_complete(lyc_component *const components[], bool is_xl, const char *path, lyc_error *err)
{
    static const struct {
        lyc_component_kind kind;
        bool xl_alone;
        const char *hint;
    } needed[] = {
        {LYC_COMPONENT_UNET, false, ""},
        {LYC_COMPONENT_VAE, false, ": give a file with one (--vae)"},
        {LYC_COMPONENT_TEXT_ENCODER, false, ": give a file with one (--text-encoder)"},
        {LYC_COMPONENT_TEXT_ENCODER_2, true, ": give a file with one (--text-encoder-2)"},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (components[needed[i].kind] == NULL && (is_xl || !needed[i].xl_alone)) {
            return lyc_fail(err, LYC_E_FORMAT, "%s has no %s%s", path, lyc_component_kind_title(needed[i].kind),
                            needed[i].hint);
        }
    }
    return LYC_OK;
}

lyc_status lyc_family_settle(lyc_family *out, lyc_component *const components[LYC_COMPONENT_COUNT], const char *path,
                             bool for_tools, lyc_error *err)
{
    lyc_component *unet = components[LYC_COMPONENT_UNET];
    lyc_component *vae = components[LYC_COMPONENT_VAE];
    *out = unet != NULL ? family_of_unet(&unet->config.unet) : LYC_FAMILY_UNKNOWN;
    LYC_TRY(lyc_family_check(*out, path, err));
    if (vae != NULL && vae->inferred && *out == LYC_FAMILY_SDXL) {
        vae->config.vae.scaling_factor = 0.13025f; /* its config.json */
    }
    if (!for_tools) {
        LYC_TRY(check_complete(components, *out == LYC_FAMILY_SDXL, path, err));
    }
    if (unet == NULL) {
        return LYC_OK;
    }
    LYC_TRY(check_latents(&unet->config.unet, vae != NULL ? &vae->config.vae : NULL, path, for_tools, err));
    LYC_TRY(check_text(&unet->config.unet, components, path, err));
    LYC_TRY(check_controlnet(&unet->config.unet, components, err));
    return settle_addition(unet, text_of(components, LYC_COMPONENT_TEXT_ENCODER_2), path, err);
}
