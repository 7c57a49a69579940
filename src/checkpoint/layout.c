/* layout.c - how the tensors of a component are called in each kind of file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/layout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/string.h"

// clang-format off
#define LDM "single file"
#define DIFFUSERS "diffusers"

/* The first that fits is taken: exact ones go before those without a prefix. */
static const lyc_layout layouts[] = {
    {LDM, LYC_COMPONENT_UNET, "model.diffusion_model.", "input_blocks.", .rules = lyc_rules_unet},
    {LDM, LYC_COMPONENT_UNET, "", "input_blocks.", .rules = lyc_rules_unet},
    {DIFFUSERS, LYC_COMPONENT_UNET, "unet.", "down_blocks."},
    {DIFFUSERS, LYC_COMPONENT_UNET, "", "down_blocks."},

    {LDM, LYC_COMPONENT_CONTROLNET, "control_model.", "input_hint_block.", .rules = lyc_rules_unet},
    {LDM, LYC_COMPONENT_CONTROLNET, "", "input_hint_block.", .rules = lyc_rules_unet},
    {DIFFUSERS, LYC_COMPONENT_CONTROLNET, "", "controlnet_cond_embedding."},

    {LDM, LYC_COMPONENT_VAE, "first_stage_model.", "encoder.down.", .rules = lyc_rules_vae},
    {LDM, LYC_COMPONENT_VAE, "", "encoder.down.", .rules = lyc_rules_vae},
    {DIFFUSERS, LYC_COMPONENT_VAE, "vae.", "encoder.mid_block.attentions.0.query.", .rules = lyc_rules_vae_old},
    {DIFFUSERS, LYC_COMPONENT_VAE, "vae.", "encoder.down_blocks."},
    {DIFFUSERS, LYC_COMPONENT_VAE, "", "encoder.mid_block.attentions.0.query.", .rules = lyc_rules_vae_old},
    {DIFFUSERS, LYC_COMPONENT_VAE, "", "encoder.down_blocks."},

    {LDM, LYC_COMPONENT_TEXT_ENCODER, "cond_stage_model.transformer.", "text_model."},
    {LDM, LYC_COMPONENT_TEXT_ENCODER, "cond_stage_model.transformer.", "embeddings.", .drop = "text_model."},
    {LDM, LYC_COMPONENT_TEXT_ENCODER, "cond_stage_model.model.", "transformer.resblocks.",
     .rules = lyc_rules_openclip, .penultimate = true, .openclip = true},
    {LDM, LYC_COMPONENT_TEXT_ENCODER, "conditioner.embedders.0.transformer.", "text_model."},
    {LDM, LYC_COMPONENT_TEXT_ENCODER, "conditioner.embedders.0.transformer.", "embeddings.", .drop = "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER, "text_encoder.", "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER, "text_encoder.", "embeddings.", .drop = "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER, "", "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER, "", "embeddings.", .drop = "text_model."},
    {LDM, LYC_COMPONENT_TEXT_ENCODER, "", "transformer.resblocks.", .rules = lyc_rules_openclip, .openclip = true},

    {LDM, LYC_COMPONENT_TEXT_ENCODER_2, "conditioner.embedders.1.model.", "transformer.resblocks.",
     .rules = lyc_rules_openclip, .openclip = true},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER_2, "text_encoder_2.", "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER_2, "text_encoder_2.", "embeddings.", .drop = "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER_2, "", "text_model."},
    {DIFFUSERS, LYC_COMPONENT_TEXT_ENCODER_2, "", "embeddings.", .drop = "text_model."},
    {LDM, LYC_COMPONENT_TEXT_ENCODER_2, "", "transformer.resblocks.", .rules = lyc_rules_openclip, .openclip = true},
};

/* Keys of no use; * at the end or at the beginning stands for any text. */
static const char *const ignored[] = {
    "model_ema.*", "betas", "alphas_cumprod*", "sqrt_*", "log_one_minus_*", "posterior_*", "logvar", "lvlb_weights",
    "*.position_ids", "position_ids", "denoiser.sigmas", "first_stage_model.loss.*", "*.logit_scale", "logit_scale",
    "*.attn_mask", "attn_mask",
};
// clang-format on

enum { LAYOUT_COUNT = sizeof layouts / sizeof layouts[0], IGNORED_COUNT = sizeof ignored / sizeof ignored[0] };

bool lyc_key_is_ignored(const char *key)
{
    const lyc_span span = lyc_span_of(key);
    for (size_t i = 0; i < IGNORED_COUNT; i++) {
        const char *pattern = ignored[i];
        const size_t length = strlen(pattern);
        if (pattern[0] == '*'            ? lyc_span_ends_with(span, pattern + 1)
            : pattern[length - 1] == '*' ? strncmp(key, pattern, length - 1) == 0
                                         : strcmp(key, pattern) == 0) {
            return true;
        }
    }
    return false;
}

const lyc_layout *lyc_layout_find(const lyc_source *source, lyc_component_kind kind)
{
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        if (layouts[i].kind == kind && lyc_source_has_prefix(source, layouts[i].prefix, layouts[i].probe)) {
            return &layouts[i];
        }
    }
    return NULL;
}

const lyc_layout *lyc_layout_of_prefix(lyc_component_kind kind, const char *prefix)
{
    const lyc_layout *found = NULL;
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        const bool fits = layouts[i].kind == kind && strcmp(layouts[i].prefix, prefix) == 0;
        /* Of several, that of today's diffusers. */
        const bool better = found == NULL || (layouts[i].rules == NULL && layouts[i].drop == NULL);
        found = fits && better ? &layouts[i] : found;
    }
    return found;
}

/* --- from name to key --------------------------------------------------------------------------------------------- */

/* Whether the name begins with the pattern; takes its numbers (at most 6 digits each). *rest is what follows. */
static bool match(const char **rest, int numbers[2], const char *pattern, const char *name)
{
    int count = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern) {
                return false;
            }
            continue;
        }
        const size_t digits = strspn(name, "0123456789");
        if (digits < 1 || digits > 6 || count == 2) {
            return false;
        }
        int number = 0;
        for (size_t i = 0; i < digits; i++) {
            number = 10 * number + (name[i] - '0'); /* fits: at most 6 digits */
        }
        numbers[count++] = number;
        name += digits;
    }
    *rest = name;
    return *name == '\0' || *name == '.';
}

/* Text that grows in a fixed place. */
static bool append(char out[LYC_KEY], size_t *length, const char *text, size_t size)
{
    if (size >= LYC_KEY - *length) {
        return false;
    }
    memcpy(out + *length, text, size);
    *length += size;
    out[*length] = '\0';
    return true;
}

static bool append_pattern(char out[LYC_KEY], size_t *length, const char *pattern, const int numbers[2])
{
    int count = 0;
    for (; *pattern != '\0'; pattern++) {
        char digits[16];
        const bool is_number = *pattern == '#';
        const int size = is_number ? snprintf(digits, sizeof digits, "%d", numbers[count++]) : 1;
        if (!append(out, length, is_number ? digits : pattern, (size_t)size)) {
            return false;
        }
    }
    return true;
}

static bool apply_rules(lyc_key *out, size_t *length, const lyc_name_rule *rules, const void *config, const char *name)
{
    for (const lyc_name_rule *rule = rules; rule->name != NULL; rule++) {
        int numbers[2] = {0};
        int changed[2] = {0};
        const char *rest;
        if (!match(&rest, numbers, rule->name, name)) {
            continue;
        }
        if (rule->number != NULL && !rule->number(changed, numbers, config)) {
            return false;
        }
        if (!append_pattern(out->text, length, rule->key, rule->number != NULL ? changed : numbers)) {
            return false;
        }
        out->part = rule->part;
        out->transposed = rule->transposed;
        out->convolution = rule->convolution;
        if (rule->inside != NULL && *rest == '.') {
            return append(out->text, length, ".", 1) && apply_rules(out, length, rule->inside, config, rest + 1);
        }
        return append(out->text, length, rest, strlen(rest));
    }
    return false;
}

bool lyc_layout_key(lyc_key *out, const lyc_layout *layout, const void *config, const char *name)
{
    size_t length = 0;
    *out = (lyc_key){0};
    if (!append(out->text, &length, layout->prefix, strlen(layout->prefix))) {
        return false;
    }
    if (layout->drop != NULL && strncmp(name, layout->drop, strlen(layout->drop)) == 0) {
        name += strlen(layout->drop);
    }
    if (layout->rules == NULL) {
        return append(out->text, &length, name, strlen(name));
    }
    return apply_rules(out, &length, layout->rules, config, name);
}

/* --- all tensors of a file ---------------------------------------------------------------------------------------- */

lyc_status lyc_component_tensors(lyc_component_kind kind, const void *config, lyc_tensor_visit visit, void *context,
                                 lyc_error *err)
{
    switch (kind) {
    case LYC_COMPONENT_UNET:
        return lyc_unet_tensors(config, visit, context, err);
    case LYC_COMPONENT_CONTROLNET:
        return lyc_controlnet_tensors(config, visit, context, err);
    case LYC_COMPONENT_VAE:
        return lyc_vae_tensors(config, visit, context, err);
    default:
        return lyc_clip_text_tensors(config, visit, context, err);
    }
}

lyc_shape lyc_key_shape(const lyc_key *key, const lyc_shape *shape)
{
    lyc_shape out = *shape;
    if (key->part > 0) {
        out.dims[0] = 3 * shape->dims[0]; /* fits: widths are at most 2^20 */
    }
    if (key->transposed) {
        out.dims[0] = shape->dims[1];
        out.dims[1] = shape->dims[0];
    }
    if (key->convolution && shape->rank == 2) {
        out.rank = 4;
        out.dims[2] = out.dims[3] = 1;
    }
    return out;
}

typedef struct translation {
    const lyc_layout *layout;
    const void *config;
    lyc_tensor_visit visit;
    void *context;
} translation;

/* lyc_tensor_visit */
static lyc_status translate(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    const translation *t = context;
    lyc_key key;
    if (!lyc_layout_key(&key, t->layout, t->config, name)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "a %s of the layout '%s' has no '%s'",
                        lyc_component_kind_name(t->layout->kind), t->layout->name, name);
    }
    const lyc_shape in_file = lyc_key_shape(&key, shape);
    return key.part <= 1 ? t->visit(t->context, key.text, &in_file, err) : LYC_OK;
}

lyc_status lyc_layout_tensors(const lyc_layout *layout, const void *config, lyc_tensor_visit visit, void *context,
                              lyc_error *err)
{
    translation t = {.layout = layout, .config = config, .visit = visit, .context = context};
    return lyc_component_tensors(layout->kind, config, translate, &t, err);
}
