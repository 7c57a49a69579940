/* key_names.c - taking names apart, and putting them together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/key_names.h"

#include <stdio.h>
#include <string.h>

const char *lyc_key_scheme_name(lyc_key_scheme scheme)
{
    static const char *const names[LYC_KEY_SCHEME_COUNT] = {
        [LYC_KEY_KOHYA] = "kohya", [LYC_KEY_WRAPPER] = "wrapper", [LYC_KEY_DIFFUSERS] = "diffusers",
        [LYC_KEY_BARE] = "bare",   [LYC_KEY_PEFT] = "peft",       [LYC_KEY_HCP] = "hcp",
        [LYC_KEY_PLAIN] = "plain",
    };
    return names[scheme];
}

/* --- prefixes ------------------------------------------------------------------------------------------------------
 */

static const char *const any_component[] = {"unet",           "transformer",    "text_encoder",
                                            "text_encoder_2", "text_encoder_3", NULL};
static const char *const denoiser[] = {"unet", "transformer", NULL};
static const char *const text_1[] = {"text_encoder", NULL};
static const char *const text_2[] = {"text_encoder_2", NULL};
static const char *const text_3[] = {"text_encoder_3", NULL};
static const char *const t5[] = {"text_encoder_3", "text_encoder_2", NULL}; /* of SD3, of Flux.1 */
static const char *const flux_t5[] = {"text_encoder_2", "text_encoder_3", NULL};
static const char *const transformer[] = {"transformer", NULL};
static const char *const unet[] = {"unet", NULL};

/* The longer ones of two that begin alike come first. */
static const struct prefix {
    const char *text;
    lyc_key_scheme scheme;
    const char *const *components; /* NULL: those of lyc_key_options */
} prefixes[] = {
    {"lora_unet_", LYC_KEY_KOHYA, denoiser},
    {"lora_te1_", LYC_KEY_KOHYA, text_1},
    {"lora_te2_", LYC_KEY_KOHYA, text_2},
    {"lora_te3_", LYC_KEY_KOHYA, t5},
    {"lora_te_", LYC_KEY_KOHYA, text_1},
    {"lora_transformer_", LYC_KEY_KOHYA, transformer},
    {"lycoris_", LYC_KEY_WRAPPER, any_component},
    {"base_model.model.", LYC_KEY_PEFT, NULL},
    {"model.diffusion_model.", LYC_KEY_BARE, denoiser},
    {"diffusion_model.", LYC_KEY_BARE, denoiser},
    {"text_encoders.clip_l.transformer.", LYC_KEY_BARE, text_1},
    {"text_encoders.clip_g.transformer.", LYC_KEY_BARE, text_2},
    {"text_encoders.t5xxl.transformer.", LYC_KEY_BARE, t5},
    {"conditioner.embedders.0.transformer.", LYC_KEY_BARE, text_1},
    {"conditioner.embedders.1.model.", LYC_KEY_BARE, text_2},
    {"cond_stage_model.transformer.", LYC_KEY_BARE, text_1},
    {"cond_stage_model.model.", LYC_KEY_BARE, text_1},
    {"unet.", LYC_KEY_DIFFUSERS, unet},
    {"transformer.", LYC_KEY_DIFFUSERS, transformer},
    {"text_encoder_3.", LYC_KEY_DIFFUSERS, text_3},
    {"text_encoder_2.", LYC_KEY_DIFFUSERS, flux_t5},
    {"text_encoder.", LYC_KEY_DIFFUSERS, text_1},
    {"clip_bigG.", LYC_KEY_HCP, text_2},
    {"clip_B.", LYC_KEY_HCP, text_1},
};

/* The list with the one component of that name; any_component when it is NULL or not known. */
static const char *const *components_of(const char *component)
{
    static const char *const *const lists[] = {unet, transformer, text_1, text_2, text_3};
    for (size_t i = 0; component != NULL && i < sizeof lists / sizeof lists[0]; i++) {
        if (strcmp(lists[i][0], component) == 0) {
            return lists[i];
        }
    }
    return any_component;
}

/* --- suffixes ------------------------------------------------------------------------------------------------------
 */

static const char DOWN[] = "lora_down.weight";
static const char UP[] = "lora_up.weight";

/* What follows the layer's name and a dot, longest first where one ends another. */
static const struct suffix {
    const char *text;
    const char *name;
} suffixes[] = {
    {"lora_linear_layer.down.weight", DOWN},
    {"lora_linear_layer.up.weight", UP},
    {"layer.lora_down.weight", DOWN}, /* HCP: behind ".___" */
    {"layer.lora_up.weight", UP},
    {"layer.W_down", DOWN},
    {"layer.W_up", UP},
    {"lora_magnitude_vector.weight", "lora_magnitude_vector"},
    {"lora_magnitude_vector", "lora_magnitude_vector"},
    {DOWN, DOWN},
    {UP, UP},
    {"lora_mid.weight", "lora_mid.weight"},
    {"lora_A.weight", DOWN},
    {"lora_B.weight", UP},
    {"lora.down.weight", DOWN},
    {"lora.up.weight", UP},
    {"lora_A", DOWN},
    {"lora_B", UP},
    {"alpha", "alpha"},
    {"scale", "scale"},
    {"dora_scale", "dora_scale"},
    {"hada_w1_a", "hada_w1_a"},
    {"hada_w1_b", "hada_w1_b"},
    {"hada_w2_a", "hada_w2_a"},
    {"hada_w2_b", "hada_w2_b"},
    {"hada_t1", "hada_t1"},
    {"hada_t2", "hada_t2"},
    {"lokr_w1", "lokr_w1"},
    {"lokr_w1_a", "lokr_w1_a"},
    {"lokr_w1_b", "lokr_w1_b"},
    {"lokr_w2", "lokr_w2"},
    {"lokr_w2_a", "lokr_w2_a"},
    {"lokr_w2_b", "lokr_w2_b"},
    {"lokr_t1", "lokr_t1"},
    {"lokr_t2", "lokr_t2"},
    {"diff", "diff"},
    {"diff_b", "diff_b"},
    {"w_norm", "w_norm"},
    {"b_norm", "b_norm"},
    {"on_input", "on_input"},
    {"ia3_l", "ia3_l"},
    {"oft_blocks", "oft_blocks"},
    {"oft_R.weight", "oft_R"},
    {"oft_R", "oft_R"},
    {"boft_R", "boft_R"},
    {"boft_s", "boft_s"},
    {"rescale", "rescale"},
    {"a1.weight", "a1.weight"},
    {"a2.weight", "a2.weight"},
    {"b1.weight", "b1.weight"},
    {"b2.weight", "b2.weight"},
    {"bm.weight", "bm.weight"},
    {"q_layer.weight", "q_layer.weight"},
    {"p_layer.weight", "p_layer.weight"},
    {"lambda_layer", "lambda_layer"},
    {"base_q", "base_q"},
    {"base_p", "base_p"},
    {"base_lambda", "base_lambda"},
    {"bias_indices", "bias_indices"},
    {"bias_values", "bias_values"},
    {"bias_size", "bias_size"},
    {"weight", "weight"}, /* of (IA)3 */
};

/* Diffusers before 0.20 kept adapters in attention processors: "to_q_lora.down.weight" is of to_q. */
static const struct suffix glued[] = {{"_lora.down.weight", DOWN}, {"_lora.up.weight", UP}};

static bool ends_with(lyc_span span, const char *text)
{
    return lyc_span_ends_with(span, text);
}

/* "x.lora_A.default.weight": what PEFT calls the adapter stands before the last part. Cuts it out. */
static void drop_adapter_name(char *name)
{
    static const char *const parts[] = {".lora_A.", ".lora_B.", ".lora_magnitude_vector."};
    const size_t length = strlen(name), weight = strlen(".weight");
    if (length < weight || strcmp(name + length - weight, ".weight") != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *at = strstr(name, parts[i]);
        char *inner = at != NULL ? at + strlen(parts[i]) : NULL;
        char *dot = inner != NULL ? strchr(inner, '.') : NULL;
        if (dot != NULL && strcmp(dot, ".weight") == 0) {
            memmove(inner, dot + 1, strlen(dot + 1) + 1);
            return;
        }
    }
}

/* Finds the suffix at the end of name; *layer is what is before it. */
static const char *take_suffix(lyc_span *layer, bool *is_glued, lyc_span name)
{
    *is_glued = false;
    for (size_t i = 0; i < sizeof glued / sizeof glued[0]; i++) {
        if (ends_with(name, glued[i].text)) {
            *layer = (lyc_span){name.text, name.length - strlen(glued[i].text)};
            *is_glued = true;
            return glued[i].name;
        }
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t size = strlen(suffixes[i].text);
        if (name.length > size + 1 && name.text[name.length - size - 1] == '.' && ends_with(name, suffixes[i].text)) {
            *layer = (lyc_span){name.text, name.length - size - 1};
            return suffixes[i].name;
        }
    }
    /* Not known: in kohya's names the first dot ends the layer's, in others the last. */
    const char *dot = memchr(name.text, '.', name.length);
    *layer = (lyc_span){name.text, dot != NULL ? (size_t)(dot - name.text) : name.length};
    return NULL;
}

/* --- paths ---------------------------------------------------------------------------------------------------------
 */

/* Replaces what old diffusers versions say for the last part of a path. */
static void modern_path(char *path, size_t size, bool is_text)
{
    static const struct {
        const char *old_name, *unet_name, *text_name;
    } names[] = {{"to_q", "to_q", "q_proj"},
                 {"to_k", "to_k", "k_proj"},
                 {"to_v", "to_v", "v_proj"},
                 {"to_out", "to_out_0", "out_proj"}};
    const size_t length = strlen(path);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t old_size = strlen(names[i].old_name);
        const char *name = is_text ? names[i].text_name : names[i].unet_name;
        if (length > old_size && path[length - old_size - 1] == '_' &&
            strcmp(path + length - old_size, names[i].old_name) == 0 && length - old_size + strlen(name) < size) {
            memcpy(path + length - old_size, name, strlen(name) + 1);
            return;
        }
    }
}

/* Copies a path with '.' as '_', without ".processor". Leaves it empty when it does not fit. */
static void flatten(char *out, size_t size, lyc_span path)
{
    static const char processor[] = ".processor.";
    const size_t skip = strlen(processor) - 1;
    size_t n = 0;
    out[0] = '\0';
    if (path.length >= size) {
        return;
    }
    for (size_t i = 0; i < path.length; i++) {
        if (path.length - i > skip && memcmp(path.text + i, processor, skip + 1) == 0) {
            i += skip - 1;
            continue;
        }
        out[n++] = (char)(path.text[i] == '.' ? '_' : path.text[i]);
    }
    out[n] = '\0';
}

static lyc_span without(lyc_span span, size_t prefix)
{
    return (lyc_span){span.text + prefix, span.length - prefix};
}

/* The prefix of a layer's name: sets scheme and components, and returns the path behind it. */
static lyc_span take_prefix(lyc_key *out, lyc_span layer, const lyc_key_options *options)
{
    const char *component = options != NULL ? options->component : NULL;
    const char *own = options != NULL ? options->prefix : NULL;
    if (own != NULL && lyc_span_starts_with(layer, own) && layer.length > strlen(own) &&
        layer.text[strlen(own)] == '_') {
        out->scheme = LYC_KEY_WRAPPER;
        out->components = components_of(component);
        return without(layer, strlen(own) + 1);
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (lyc_span_starts_with(layer, prefixes[i].text)) {
            out->scheme = prefixes[i].scheme;
            out->components = prefixes[i].components != NULL ? prefixes[i].components : components_of(component);
            return without(layer, strlen(prefixes[i].text));
        }
    }
    out->scheme = LYC_KEY_PLAIN;
    out->components = components_of(component);
    return layer;
}

void lyc_key_parse(lyc_key *out, const char *name, const lyc_key_options *options)
{
    char copy[2 * LYC_KEY_PATH];
    *out = (lyc_key){.components = any_component};
    lyc_span whole = lyc_span_of(name);
    if (whole.length < sizeof copy) {
        memcpy(copy, name, whole.length + 1);
        drop_adapter_name(copy);
        whole = lyc_span_of(copy);
    }
    bool is_glued;
    lyc_span layer;
    out->suffix = take_suffix(&layer, &is_glued, whole);
    out->layer = (lyc_span){name, layer.length}; /* drop_adapter_name changes only what follows */
    lyc_span path = layer;
    const bool hcp = ends_with(path, ".___");
    if (hcp) {
        path.length -= strlen(".___");
    }
    path = take_prefix(out, path, options);
    if (hcp) {
        out->scheme = LYC_KEY_HCP;
    }
    flatten(out->path, sizeof out->path, path);
    if (is_glued) {
        modern_path(out->path, sizeof out->path, strncmp(out->components[0], "text_encoder", 12) == 0);
    }
}

/* --- making names --------------------------------------------------------------------------------------------------
 */

static char *underscores(char *text)
{
    for (char *c = text; c != NULL && *c != '\0'; c++) {
        *c = (char)(*c == '.' ? '_' : *c);
    }
    return text;
}

const char *lyc_key_layer_name(lyc_arena *arena, lyc_key_scheme scheme, const char *component, const char *path,
                               const char *te_prefix)
{
    const bool text = strncmp(component, "text_encoder", 12) == 0;
    const bool first = strcmp(component, "text_encoder") == 0;
    switch (scheme) {
    case LYC_KEY_KOHYA:
        return underscores(lyc_arena_format(arena, "%s_%s", text ? te_prefix : "lora_unet", path));
    case LYC_KEY_WRAPPER:
        return underscores(lyc_arena_format(arena, "lycoris_%s", path));
    case LYC_KEY_DIFFUSERS:
        return lyc_arena_format(arena, "%s.%s", component, path);
    case LYC_KEY_BARE:
        if (text) {
            return lyc_arena_format(arena, "text_encoders.%s.transformer.%s", first ? "clip_l" : "clip_g", path);
        }
        return lyc_arena_format(arena, "diffusion_model.%s", path);
    case LYC_KEY_PEFT:
        return lyc_arena_format(arena, "base_model.model.%s", path);
    case LYC_KEY_HCP:
        return lyc_arena_format(arena, "%s.___", path);
    default:
        return lyc_arena_text(arena, path);
    }
}

const char *lyc_key_suffix(lyc_key_scheme scheme, const char *suffix)
{
    static const struct {
        const char *name, *peft, *hcp;
    } others[] = {
        {DOWN, "lora_A.weight", "layer.lora_down.weight"},
        {UP, "lora_B.weight", "layer.lora_up.weight"},
        {"dora_scale", "lora_magnitude_vector", "dora_scale"},
    };
    const bool peft = scheme == LYC_KEY_DIFFUSERS || scheme == LYC_KEY_BARE || scheme == LYC_KEY_PEFT;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].name, suffix) == 0 && (peft || scheme == LYC_KEY_HCP)) {
            return peft ? others[i].peft : others[i].hcp;
        }
    }
    return suffix;
}
