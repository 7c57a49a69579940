/* preset.c - presets from JSON trees
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/preset.h"

#include <string.h>

#include "base/number.h"
#include "base/string.h"
#include "lycoris/option.h"

enum { MAX_NAMES = 4096 };

static lyc_status no_memory(const lyc_preset *preset, lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for preset '%s'", preset->name);
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "a table", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",  [JSON_TRUE] = "true",    [JSON_FALSE] = "false",   [JSON_NULL] = "nothing",
    };
    return names[json_typeof(value)];
}

/* jansson accepts NUL inside of texts; nothing that a preset names has one. */
static lyc_status take_text(const char **out, lyc_preset *preset, const char *key, const json_t *value, lyc_error *err)
{
    if (!json_is_string(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is %s; expected a text", key, type_name(value));
    }
    if (strlen(json_string_value(value)) != json_string_length(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has a NUL character", key);
    }
    *out = lyc_arena_text(&preset->arena, json_string_value(value));
    return *out != NULL ? LYC_OK : no_memory(preset, err);
}

static lyc_status take_bool(bool *out, const char *key, const json_t *value, lyc_error *err)
{
    if (!json_is_boolean(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is %s; expected true or false", key, type_name(value));
    }
    *out = json_is_true(value);
    return LYC_OK;
}

static lyc_status take_list(lyc_preset_list *out, lyc_preset *preset, const char *key, const json_t *value,
                            lyc_error *err)
{
    if (!json_is_array(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is %s; expected a list of texts", key, type_name(value));
    }
    const size_t count = json_array_size(value);
    if (count > MAX_NAMES) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has %zu names; at most %d are accepted", key, count, (int)MAX_NAMES);
    }
    out->names = lyc_arena_alloc(&preset->arena, count, sizeof *out->names);
    if (out->names == NULL) {
        return no_memory(preset, err);
    }
    for (size_t i = 0; i < count; i++) {
        LYC_TRY(take_text(&out->names[i].text, preset, key, json_array_get(value, i), err));
    }
    out->count = count;
    return LYC_OK;
}

/* --- maps ----------------------------------------------------------------------------------------------------------
 */

/* Values as the text that options are set from. */
static lyc_status value_text(const char **out, lyc_preset *preset, const char *key, const json_t *value, lyc_error *err)
{
    char number[LYC_NUMBER];
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        *out = json_is_true(value) ? "true" : "false";
        return LYC_OK;
    case JSON_INTEGER:
        *out = lyc_arena_format(&preset->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        *out = lyc_arena_text(&preset->arena, lyc_number_format(number, json_real_value(value)));
        break;
    case JSON_STRING:
        return take_text(out, preset, key, value, err);
    default:
        return lyc_fail(err, LYC_E_FORMAT, "%s is %s; expected a number, a text, true or false", key, type_name(value));
    }
    return *out != NULL ? LYC_OK : no_memory(preset, err);
}

/* Whether some algorithm has an option of the name. */
static bool option_known(const char *name)
{
    for (size_t i = 0; lyc_adapter_algorithms[i] != NULL; i++) {
        if (lyc_adapter_option_find(lyc_adapter_algorithms[i], name) != NULL) {
            return true;
        }
    }
    return false;
}

static lyc_status take_setting(lyc_preset_map_entry *out, lyc_preset *preset, const char *key, const json_t *value,
                               lyc_error *err)
{
    const char *text = NULL;
    LYC_TRY(value_text(&text, preset, key, value, err));
    if (strcmp(key, "algo") == 0) {
        out->algorithm = lyc_adapter_algorithm_find(text);
        return out->algorithm != NULL ? LYC_OK : lyc_fail(err, LYC_E_FORMAT, "algorithm '%s' is unknown", text);
    }
    if (!option_known(key)) {
        return lyc_fail(err, LYC_E_FORMAT, "no algorithm has an option '%s'", key);
    }
    const char *name = strcmp(key, "dim") == 0 ? "rank" : lyc_arena_text(&preset->arena, key);
    if (name == NULL) {
        return no_memory(preset, err);
    }
    out->settings[out->count++] = (lyc_adapter_setting){.name = name, .value = text};
    return LYC_OK;
}

static lyc_status take_entry(lyc_preset_map_entry *out, lyc_preset *preset, const char *key, const json_t *table,
                             lyc_error *err)
{
    if (!json_is_object(table)) {
        return lyc_fail(err, LYC_E_FORMAT, "'%s' is %s; expected a table", key, type_name(table));
    }
    out->key.text = lyc_arena_text(&preset->arena, key);
    out->settings = lyc_arena_alloc(&preset->arena, json_object_size(table), sizeof *out->settings);
    if (out->key.text == NULL || out->settings == NULL) {
        return no_memory(preset, err);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)table, name, value)
    {
        if (take_setting(out, preset, name, value, err) != LYC_OK) {
            return lyc_wrap(err, "'%s'", key);
        }
    }
    return LYC_OK;
}

static lyc_status take_map(lyc_preset_map *out, lyc_preset *preset, const char *key, const json_t *value,
                           lyc_error *err)
{
    if (!json_is_object(value)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s is %s; expected a table of tables", key, type_name(value));
    }
    const size_t count = json_object_size(value);
    out->entries = count <= MAX_NAMES ? lyc_arena_alloc(&preset->arena, count, sizeof *out->entries) : NULL;
    if (out->entries == NULL) {
        return no_memory(preset, err);
    }
    const char *name;
    json_t *table;
    json_object_foreach((json_t *)value, name, table)
    {
        if (take_entry(&out->entries[out->count++], preset, name, table, err) != LYC_OK) {
            return lyc_wrap(err, "%s", key);
        }
    }
    return LYC_OK;
}

/* --- keys ----------------------------------------------------------------------------------------------------------
 */

typedef enum key_kind { KEY_BOOL, KEY_TEXT, KEY_LIST, KEY_MAP } key_kind;

static const struct key {
    const char *name;
    key_kind kind;
    size_t offset;
} keys[] = {
    {"enable_conv", KEY_BOOL, offsetof(lyc_preset, enable_conv)},
    {"use_fnmatch", KEY_BOOL, offsetof(lyc_preset, use_fnmatch)},
    {"unet_target_module", KEY_LIST, offsetof(lyc_preset, unet_modules)},
    {"unet_target_name", KEY_LIST, offsetof(lyc_preset, unet_names)},
    {"text_encoder_target_module", KEY_LIST, offsetof(lyc_preset, text_modules)},
    {"text_encoder_target_name", KEY_LIST, offsetof(lyc_preset, text_names)},
    {"target_module", KEY_LIST, offsetof(lyc_preset, modules)},
    {"target_name", KEY_LIST, offsetof(lyc_preset, names)},
    {"exclude_name", KEY_LIST, offsetof(lyc_preset, exclude)},
    {"lora_prefix", KEY_TEXT, offsetof(lyc_preset, prefix)},
    {"module_algo_map", KEY_MAP, offsetof(lyc_preset, module_map)},
    {"name_algo_map", KEY_MAP, offsetof(lyc_preset, name_map)},
};
enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static lyc_status unknown_key(const char *name, lyc_error *err)
{
    const char *nearest = NULL;
    int best = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        int distance;
        if (lyc_text_resembles(&distance, name, keys[i].name) && (nearest == NULL || distance < best)) {
            nearest = keys[i].name;
            best = distance;
        }
    }
    if (nearest != NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "unknown key '%s'; '%s' is meant?", name, nearest);
    }
    return lyc_fail(err, LYC_E_FORMAT, "unknown key '%s'", name);
}

static lyc_status take_key(lyc_preset *preset, const char *name, const json_t *value, lyc_error *err)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0) {
            continue;
        }
        void *member = (char *)preset + keys[i].offset;
        switch (keys[i].kind) {
        case KEY_BOOL:
            return take_bool(member, name, value, err);
        case KEY_TEXT:
            return take_text(member, preset, name, value, err);
        case KEY_LIST:
            return take_list(member, preset, name, value, err);
        case KEY_MAP:
            return take_map(member, preset, name, value, err);
        }
    }
    return unknown_key(name, err);
}

/* --- patterns ------------------------------------------------------------------------------------------------------
 */

static lyc_status compile_name(lyc_preset_name *name, const lyc_preset *preset, lyc_error *err)
{
    return lyc_pattern_new(&name->pattern, name->text, preset->use_fnmatch ? LYC_PATTERN_FNMATCH : LYC_PATTERN_REGEX,
                           err);
}

static lyc_status compile_names(lyc_preset *preset, lyc_error *err)
{
    lyc_preset_list *lists[] = {&preset->unet_names, &preset->text_names, &preset->names, &preset->exclude};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            LYC_TRY(compile_name(&lists[i]->names[k], preset, err));
        }
    }
    for (size_t i = 0; i < preset->name_map.count; i++) {
        LYC_TRY(compile_name(&preset->name_map.entries[i].key, preset, err));
    }
    return LYC_OK;
}

static lyc_status parse(lyc_preset *preset, const json_t *tree, lyc_error *err)
{
    if (!json_is_object(tree)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s where a table of keys was expected", type_name(tree));
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)tree, name, value)
    {
        LYC_TRY(take_key(preset, name, value, err));
    }
    return compile_names(preset, err);
}

lyc_status lyc_preset_parse(lyc_preset *out, const char *name, const json_t *tree, lyc_error *err)
{
    *out = (lyc_preset){.name = name, .enable_conv = true};
    lyc_error own;
    const lyc_status status = parse(out, tree, &own);
    if (status != LYC_OK) {
        lyc_wrap(&own, "preset '%s'", name);
        lyc_preset_clear(out);
        return lyc_fail(err, status, "%s", own.message);
    }
    out->name = lyc_arena_text(&out->arena, name);
    return out->name != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for preset '%s'", name);
}

void lyc_preset_clear(lyc_preset *preset)
{
    lyc_preset_list *lists[] = {&preset->unet_names, &preset->text_names, &preset->names, &preset->exclude};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            lyc_pattern_free(lists[i]->names[k].pattern);
        }
    }
    for (size_t i = 0; i < preset->name_map.count; i++) {
        lyc_pattern_free(preset->name_map.entries[i].key.pattern);
    }
    lyc_arena_clear(&preset->arena);
    *preset = (lyc_preset){0};
}

/* --- looking up ----------------------------------------------------------------------------------------------------
 */

lyc_status lyc_preset_name_matches(bool *matches, const lyc_preset_name *name, const char *path, bool strict,
                                   lyc_error *err)
{
    const size_t size = strlen(name->text), length = strlen(path);
    *matches = strcmp(name->text, path) == 0 || (!strict && size < length && path[length - size - 1] == '.' &&
                                                 strcmp(name->text, path + length - size) == 0);
    return *matches || path[0] == '\0' ? LYC_OK : lyc_pattern_match(matches, name->pattern, path, err);
}

lyc_status lyc_preset_list_matches(bool *matches, const lyc_preset_list *list, const char *path, bool strict,
                                   lyc_error *err)
{
    *matches = false;
    for (size_t i = 0; i < list->count && !*matches; i++) {
        LYC_TRY(lyc_preset_name_matches(matches, &list->names[i], path, strict, err));
    }
    return LYC_OK;
}

bool lyc_preset_list_has(const lyc_preset_list *list, const char *class_name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i].text, class_name) == 0) {
            return true;
        }
    }
    return false;
}

const lyc_preset_map_entry *lyc_preset_module_entry(const lyc_preset *preset, const char *class_name)
{
    for (size_t i = 0; i < preset->module_map.count; i++) {
        if (strcmp(preset->module_map.entries[i].key.text, class_name) == 0) {
            return &preset->module_map.entries[i];
        }
    }
    return NULL;
}

lyc_status lyc_preset_name_entry(const lyc_preset_map_entry **out, const lyc_preset *preset, const char *path,
                                 bool strict, lyc_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < preset->name_map.count; i++) {
        if (strcmp(preset->name_map.entries[i].key.text, path) == 0) {
            *out = &preset->name_map.entries[i];
            return LYC_OK;
        }
    }
    for (size_t i = 0; i < preset->name_map.count && *out == NULL; i++) {
        bool matches;
        LYC_TRY(lyc_preset_name_matches(&matches, &preset->name_map.entries[i].key, path, strict, err));
        *out = matches ? &preset->name_map.entries[i] : NULL;
    }
    return LYC_OK;
}
