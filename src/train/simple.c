/* simple.c - the short way: what a beginner does not say is chosen, and said
 *
 * Ranks and rates are places to start from, in common use for AdamW and batches of one to a few pictures; they are no
 * result of measurements.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/simple.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/string.h"

/* What is good to begin with for an algorithm; rank NULL: it has none. */
static const struct {
    const char *algo, *rank, *alpha, *rate;
} algorithms[] = {
    {"lora", "16", "16", "2e-4"},    {"locon", "16", "16", "2e-4"},  {"loha", "8", "8", "4e-4"},
    {"lokr", "16", "16", "4e-4"},    {"dylora", "16", "16", "2e-4"}, {"tlora", "16", "16", "2e-4"},
    {"glora", "8", "8", "2e-4"},     {"ia3", NULL, NULL, "5e-3"},    {"full", NULL, NULL, "5e-6"},
    {"diag-oft", "8", NULL, "2e-4"}, {"boft", "8", NULL, "2e-4"},
};

static lyc_status choose(lyc_train_config *config, const char *name, const char *value, const char *why, lyc_error *err)
{
    if (value == NULL || lyc_train_config_source(config, name) > LYC_FROM_STANDARD) {
        return LYC_OK;
    }
    LYC_TRY(lyc_train_config_give(config, lyc_train_option_find(name), value, LYC_FROM_CHOICE, err));
    return lyc_train_config_chose(config, err, "%s %s: %s", name, value, why);
}

static bool wants_short_way(const lyc_train_config *config)
{
    static const char *const names[] = {"algo", "minutes", "images"};
    bool wanted = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wanted = wanted || lyc_train_config_said(config, names[i]);
    }
    return wanted && config->options.config_file == NULL && config->options.train == LYC_TRAIN_ADAPTER;
}

static lyc_status choose_network(lyc_train_config *config, lyc_error *err)
{
    const char *algo = config->options.algo;
    if (algo == NULL && config->options.network_args.count == 0) {
        LYC_TRY(choose(config, "algo", "lora", "the one that every program can load", err));
        algo = "lora";
    }
    for (size_t i = 0; algo != NULL && i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (strcmp(algo, algorithms[i].algo) == 0) {
            LYC_TRY(choose(config, "network_dim", algorithms[i].rank, "usual for the algorithm", err));
            LYC_TRY(choose(config, "network_alpha", algorithms[i].alpha, "as the rank: no scale", err));
            LYC_TRY(choose(config, "learning_rate", algorithms[i].rate, "usual for the algorithm", err));
        }
    }
    LYC_TRY(choose(config, "network_train_unet_only", "true", "captions are then encoded once", err));
    const bool scales = algo != NULL && strcmp(algo, "ia3") == 0;
    return choose(config, "preset", scales ? "ia3" : "attn-mlp",
                  scales ? "made for it" : "attention and feed-forward: fast", err);
}

/* "pictures/turtle/" becomes "turtle". */
static lyc_status choose_name(lyc_train_config *config, lyc_error *err)
{
    char path[256], name[300];
    const lyc_train_options *o = &config->options;
    const char *folder = o->data.image_dir != NULL ? o->data.image_dir : o->data.train_data_dir;
    size_t length = folder != NULL ? strlen(folder) : 0;
    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    if (length == 0 || length >= sizeof path) {
        return LYC_OK;
    }
    snprintf(path, sizeof path, "%.*s", (int)length, folder);
    const lyc_span stem = lyc_path_name(path);
    if (stem.length == 0 || stem.text[0] == '.') {
        return LYC_OK;
    }
    snprintf(name, sizeof name, "%.*s-%s", (int)stem.length, stem.text, o->algo != NULL ? o->algo : "adapter");
    return choose(config, "output_name", name, "the folder's name", err);
}

lyc_status lyc_train_simple_choose(lyc_train_config *config, lyc_error *err)
{
    if (!wants_short_way(config)) {
        return LYC_OK;
    }
    LYC_TRY(choose_network(config, err));
    LYC_TRY(choose_name(config, err));
    LYC_TRY(choose(config, "caption_extension", ".txt", "the usual ending", err));
    LYC_TRY(choose(config, "enable_bucket", "true", "pictures keep their proportions", err));
    LYC_TRY(choose(config, "cache_latents", "true", "each picture is encoded once", err));
    LYC_TRY(choose(config, "mixed_precision", "bf16", "half the memory, and faster", err));
    LYC_TRY(choose(config, "save_precision", "fp16", "half the size", err));
    LYC_TRY(choose(config, "lr_scheduler", "cosine", "ends gently", err));
    LYC_TRY(choose(config, "lr_warmup_steps", "0.05", "begins gently", err));
    const bool has_length = lyc_train_config_source(config, "max_train_steps") > LYC_FROM_STANDARD ||
                            lyc_train_config_source(config, "max_train_epochs") > LYC_FROM_STANDARD;
    return has_length ? LYC_OK : choose(config, "minutes", "30", "no length was given", err);
}
