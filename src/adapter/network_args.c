/* network_args.c - see network_args.h
 *
 * Known differences from lycoris.kohya 3.3.0, which are faults there: decompose_both=False is false (there any text is
 * true), and disable_conv_cp=True switches Tucker decomposition off (there on).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/network_args.h"

#include <string.h>

#include "base/string.h"

/* What the arguments are read into; the options name the members. */
typedef struct raw {
    const char *algo, *preset;
    int64_t rank, conv_rank;
    double alpha, conv_alpha;
    bool train_norm, train_t5xxl, train_llm_adapter, disable_tucker;
    double loraplus_ratio, loraplus_unet_ratio, loraplus_text_ratio;
} raw;

static const lyc_option options[] = {
    {.name = "algo", .kind = LYC_OPTION_TEXT, .offset = offsetof(raw, algo), .standard = "lora", .help = "algorithm"},
    {.name = "preset",
     .kind = LYC_OPTION_PATH,
     .offset = offsetof(raw, preset),
     .standard = "full",
     .help = "which layers: a built-in preset or a TOML file"},
    {.name = "network_dim",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(raw, rank),
     .standard = "4",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "rank of linear layers and 1x1 convolutions"},
    {.name = "network_alpha",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(raw, alpha),
     .standard = "1",
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "alpha of linear layers and 1x1 convolutions; 0: as the rank"},
    {.name = "conv_dim",
     .kind = LYC_OPTION_INT,
     .offset = offsetof(raw, conv_rank),
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "rank of other convolutions, as network_dim when not given; 0: leave them out"},
    {.name = "conv_alpha",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(raw, conv_alpha),
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "alpha of other convolutions, as network_alpha when not given"},
    {.name = "train_norm",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(raw, train_norm),
     .help = "adapt the norms inside of the chosen blocks too"},
    {.name = "train_t5xxl",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(raw, train_t5xxl),
     .hidden = true,
     .help = "train the T5 text encoder"},
    {.name = "train_llm_adapter",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(raw, train_llm_adapter),
     .hidden = true,
     .help = "train the adapter of a language model"},
    {.name = "disable_conv_cp",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(raw, disable_tucker),
     .hidden = true,
     .help = "no Tucker decomposition"},
    {.name = "loraplus_lr_ratio",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(raw, loraplus_ratio),
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "LoRA+: learning rate of lora_up over that of the rest (arXiv 2402.12354)"},
    {.name = "loraplus_unet_lr_ratio",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(raw, loraplus_unet_ratio),
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "the same for the U-Net alone"},
    {.name = "loraplus_text_encoder_lr_ratio",
     .kind = LYC_OPTION_FLOAT,
     .offset = offsetof(raw, loraplus_text_ratio),
     .min = 0,
     .max = LYC_OPTION_UNLIMITED,
     .help = "the same for the text encoders alone"},
    {0},
};

bool lyc_network_args_describe(const char **name, const char **standard, const char **help, size_t index)
{
    for (const lyc_option *o = options; o->name != NULL; o++) {
        if (!o->hidden && index-- == 0) {
            *name = o->name;
            *standard = o->standard;
            *help = o->help;
            return true;
        }
    }
    return false;
}

/* The row of an option that some algorithm has. */
static const lyc_option *algorithm_option(const char *name)
{
    for (size_t i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        const lyc_option *o = lyc_adapter_option_find(lyc_adapter_algorithms[i], name);
        if (o != NULL) {
            return o;
        }
    }
    return NULL;
}

static lyc_status unknown_key(const char *key, lyc_error *err)
{
    const char *nearest = NULL;
    int best = 0, distance;
    for (const lyc_option *o = options; o->name != NULL; o++) {
        if (lyc_text_resembles(&distance, key, o->name) && (nearest == NULL || distance < best)) {
            nearest = o->name;
            best = distance;
        }
    }
    for (size_t i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        const lyc_option *o;
        for (int k = 0; (o = lyc_adapter_option(lyc_adapter_algorithms[i], k)) != NULL; k++) {
            if (lyc_text_resembles(&distance, key, o->name) && (nearest == NULL || distance < best)) {
                nearest = o->name;
                best = distance;
            }
        }
    }
    return nearest != NULL
               ? lyc_fail(err, LYC_E_ARGUMENT, "network argument '%s' is unknown; '%s' is meant?", key, nearest)
               : lyc_fail(err, LYC_E_ARGUMENT, "network argument '%s' is unknown", key);
}

/* Python's str(): True, False, None. */
static const char *plain_value(lyc_arena *arena, const lyc_option *option, const char *value)
{
    if (option->kind != LYC_OPTION_BOOL) {
        return lyc_arena_text(arena, value);
    }
    char *text = lyc_arena_text(arena, value);
    for (char *c = text; c != NULL && *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    return text;
}

/* Settings of algorithms are checked where they are used; only whether the value is one of its kind is seen here. */
static lyc_status add_setting(lyc_network_args *args, const lyc_option *option, const char *value, lyc_error *err)
{
    char scratch[64];
    lyc_option alone = *option;
    alone.offset = 0;
    if (option->kind != LYC_OPTION_LIST) {
        LYC_TRY(lyc_option_set(scratch, &alone, value, err));
    }
    for (size_t i = 0; i < args->count; i++) {
        if (strcmp(args->settings[i].name, option->name) == 0) {
            args->settings[i].value = value;
            return LYC_OK;
        }
    }
    args->settings[args->count++] = (lyc_adapter_setting){.name = option->name, .value = value};
    return LYC_OK;
}

typedef struct seen {
    bool conv_rank, conv_alpha;
} seen;

static lyc_status set(lyc_network_args *args, raw *values, seen *given, const char *key, const char *value,
                      lyc_error *err)
{
    const lyc_option *own = lyc_option_find(options, key);
    const lyc_option *option = own != NULL ? own : algorithm_option(key);
    if (option == NULL) {
        return unknown_key(key, err);
    }
    const char *text = plain_value(&args->arena, option, value);
    if (text == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for network arguments");
    }
    /* sd-scripts writes what was not given as None, or as nothing. */
    if (text[0] == '\0' || strcmp(text, "None") == 0) {
        return LYC_OK;
    }
    if (own == NULL) {
        return add_setting(args, option, text, err);
    }
    given->conv_rank = given->conv_rank || own->offset == offsetof(raw, conv_rank);
    given->conv_alpha = given->conv_alpha || own->offset == offsetof(raw, conv_alpha);
    return lyc_option_set(values, own, text, err);
}

static lyc_status finish(lyc_network_args *args, const raw *values, const seen *given, lyc_error *err)
{
    args->algorithm = lyc_adapter_algorithm_find(values->algo);
    if (args->algorithm == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "algorithm '%s' is unknown", values->algo);
    }
    args->preset = values->preset;
    args->rank = values->rank > 0 ? values->rank : 4;
    args->alpha = values->alpha;
    args->conv_rank = given->conv_rank ? values->conv_rank : args->rank;
    args->conv_alpha = given->conv_alpha ? values->conv_alpha : args->alpha;
    args->train_norm = values->train_norm;
    args->train_t5xxl = values->train_t5xxl;
    args->train_llm_adapter = values->train_llm_adapter;
    args->loraplus_ratio = values->loraplus_ratio;
    args->loraplus_unet_ratio = values->loraplus_unet_ratio > 0 ? values->loraplus_unet_ratio : values->loraplus_ratio;
    args->loraplus_text_ratio = values->loraplus_text_ratio > 0 ? values->loraplus_text_ratio : values->loraplus_ratio;
    return values->disable_tucker ? add_setting(args, algorithm_option("use_tucker"), "false", err) : LYC_OK;
}

static lyc_status parse(lyc_network_args *args, const char *const *texts, size_t count, lyc_error *err)
{
    raw values;
    seen given = {0};
    LYC_TRY(lyc_option_reset(&values, options, err));
    args->settings = lyc_arena_alloc(&args->arena, count + 1, sizeof *args->settings);
    if (args->settings == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for network arguments");
    }
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(texts[i], '=');
        if (equals == NULL || equals == texts[i]) {
            return lyc_fail(err, LYC_E_ARGUMENT, "network argument '%s'; expected key=value", texts[i]);
        }
        const char *key = lyc_arena_text_n(&args->arena, texts[i], (size_t)(equals - texts[i]));
        if (key == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for network arguments");
        }
        lyc_error own;
        if (set(args, &values, &given, key, equals + 1, &own) != LYC_OK) {
            return strncmp(own.message, "network argument", 16) == 0
                       ? lyc_fail(err, own.status, "%s", own.message)
                       : lyc_fail(err, own.status, "network argument %s: %s", key, own.message);
        }
    }
    return finish(args, &values, &given, err);
}

lyc_status lyc_network_args_parse(lyc_network_args *out, const char *const *texts, size_t count, lyc_error *err)
{
    *out = (lyc_network_args){0};
    const lyc_status status = parse(out, texts, count, err);
    if (status != LYC_OK) {
        lyc_network_args_clear(out);
    }
    return status;
}

void lyc_network_args_clear(lyc_network_args *args)
{
    lyc_arena_clear(&args->arena);
    *args = (lyc_network_args){0};
}
