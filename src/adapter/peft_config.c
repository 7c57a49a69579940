/* peft_config.c - see peft_config.h
 *
 * Scale: alpha / r, or alpha / sqrt(r) with use_rslora (peft/tuners/lora/config.py). A key of rank_pattern or
 * alpha_pattern is for the modules whose path is it or ends with a dot and it: as regular expression (.*\.)?(key)$.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/peft_config.h"

#include "adapter/factorization.h"

#include <math.h>
#include <string.h>

#include "adapter/pattern.h"
#include "base/file.h"
#include "base/string.h"

enum { MAX_CONFIG = 16 << 20 };

static lyc_status load(lyc_peft_config *out, const char *text, size_t length, const char *what, lyc_error *err)
{
    json_error_t error;
    out->tree = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (out->tree == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: line %d: %s", what, error.line, error.text);
    }
    if (!json_is_object(out->tree)) {
        lyc_peft_config_clear(out);
        return lyc_fail(err, LYC_E_FORMAT, "%s is no object", what);
    }
    return LYC_OK;
}

static lyc_status check(lyc_peft_config *config, const char *what, lyc_error *err)
{
    static const char *const numbers[] = {"r", "lora_alpha", "alpha"};
    static const char *const maps[] = {"rank_pattern", "alpha_pattern"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const json_t *value = json_object_get(config->tree, numbers[i]);
        if (value != NULL && !json_is_number(value) && !json_is_null(value)) {
            lyc_peft_config_clear(config);
            return lyc_fail(err, LYC_E_FORMAT, "%s: %s is no number", what, numbers[i]);
        }
    }
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        const json_t *value = json_object_get(config->tree, maps[i]);
        if (value != NULL && !json_is_object(value) && !json_is_null(value)) {
            lyc_peft_config_clear(config);
            return lyc_fail(err, LYC_E_FORMAT, "%s: %s is no object", what, maps[i]);
        }
    }
    return LYC_OK;
}

lyc_status lyc_peft_config_read(lyc_peft_config *out, const char *path, lyc_error *err)
{
    *out = (lyc_peft_config){0};
    lyc_strbuf text = {0};
    lyc_status status = lyc_file_read(&text, path, MAX_CONFIG, err);
    if (status == LYC_OK) {
        status = load(out, lyc_strbuf_text(&text), text.length, path, err);
    }
    lyc_strbuf_clear(&text);
    return status == LYC_OK ? check(out, path, err) : status;
}

lyc_status lyc_peft_config_metadata(lyc_peft_config *out, const char *text, const char *component, lyc_error *err)
{
    static const char what[] = "metadata lora_adapter_metadata";
    lyc_peft_config all = {0};
    *out = (lyc_peft_config){0};
    LYC_TRY(load(&all, text, strlen(text), what, err));
    json_t *own = json_object();
    const size_t size = strlen(component);
    const char *key;
    json_t *value;
    json_object_foreach(all.tree, key, value)
    {
        if (strncmp(key, component, size) == 0 && key[size] == '.') {
            json_object_set(own, key + size + 1, value);
        }
    }
    lyc_peft_config_clear(&all);
    if (json_object_size(own) == 0) {
        json_decref(own);
        return LYC_OK;
    }
    out->tree = own;
    return check(out, what, err);
}

void lyc_peft_config_clear(lyc_peft_config *config)
{
    json_decref(config->tree);
    config->tree = NULL;
}

const char *lyc_peft_config_type(const lyc_peft_config *config)
{
    return json_string_value(json_object_get(config->tree, "peft_type"));
}

/* The value of the first key of a map that matches the module; *found stays as it is when none does. */
static lyc_status from_pattern(double *found, const json_t *map, const char *module, lyc_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        char pattern[1024];
        lyc_pattern *p = NULL;
        bool matches = false;
        if (snprintf(pattern, sizeof pattern, "(.*\\.)?(%s)$", key) >= (int)sizeof pattern || !json_is_number(value)) {
            return lyc_fail(err, LYC_E_FORMAT, "pattern '%s' of adapter_config.json", key);
        }
        LYC_TRY(lyc_pattern_new(&p, pattern, LYC_PATTERN_REGEX, err));
        const lyc_status status = lyc_pattern_match(&matches, p, module, err);
        lyc_pattern_free(p);
        if (status != LYC_OK || matches) {
            *found = matches ? json_number_value(value) : *found;
            return status;
        }
    }
    return LYC_OK;
}

lyc_status lyc_peft_config_alpha(bool *told, double *alpha, int64_t *rank, const lyc_peft_config *config,
                                 const char *module, int64_t stored_rank, lyc_error *err)
{
    *told = false;
    if (config->tree == NULL) {
        return LYC_OK;
    }
    const json_t *value = json_object_get(config->tree, "lora_alpha");
    value = value != NULL ? value : json_object_get(config->tree, "alpha");
    if (!json_is_number(value)) {
        return LYC_OK;
    }
    double number = json_number_value(value), r = json_number_value(json_object_get(config->tree, "r"));
    LYC_TRY(from_pattern(&number, json_object_get(config->tree, "alpha_pattern"), module, err));
    LYC_TRY(from_pattern(&r, json_object_get(config->tree, "rank_pattern"), module, err));
    *rank = stored_rank > 0 ? stored_rank : r >= 1 && r < 1e15 ? (int64_t)r : 1;
    const bool stabilised = json_is_true(json_object_get(config->tree, "use_rslora"));
    *alpha = stabilised ? number * sqrt((double)*rank) : number;
    if (!isfinite(*alpha)) {
        return lyc_fail(err, LYC_E_FORMAT, "alpha in adapter_config.json is not finite");
    }
    *told = true;
    return LYC_OK;
}

int64_t lyc_peft_first_factor(int64_t extent, int64_t factor)
{
    int64_t small, large;
    if (factor > 0 && extent % factor == 0) {
        return factor;
    }
    lyc_factorization(&small, &large, extent, factor);
    return small;
}
