/* preset.h - which modules of a network get an adapter, and with which options
 *
 * Two sets of keys: `unet_target_*` and `text_encoder_target_*` for networks as sd-scripts trains them (kohya mode),
 * `target_*` and `lora_prefix` for one model by itself (wrapper mode). Classes take all of a module's inside, names
 * take one module. The maps give a class or a name options of its own.
 *
 * A preset arrives as a JSON tree: TOML files are turned into one above this library.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_PRESET_H
#define LYC_ADAPTER_PRESET_H

#include <jansson.h>

#include "adapter/adapter.h"
#include "adapter/pattern.h"

typedef struct lyc_preset_name {
    const char *text;
    lyc_pattern *pattern;
} lyc_preset_name;

typedef struct lyc_preset_list {
    lyc_preset_name *names;
    size_t count;
} lyc_preset_list;

/* "dim" and "alpha" are called rank and alpha in the settings, "algo" stands apart. */
typedef struct lyc_preset_map_entry {
    lyc_preset_name key;
    const lyc_adapter_algorithm *algorithm; /* NULL: not told */
    lyc_adapter_setting *settings;
    size_t count;
} lyc_preset_map_entry;

typedef struct lyc_preset_map {
    lyc_preset_map_entry *entries;
    size_t count;
} lyc_preset_map;

typedef struct lyc_preset {
    const char *name; /* of a built-in preset, or as the caller calls the tree */
    bool built_in;
    bool enable_conv; /* false: no convolutions but those of kernel 1 */
    bool use_fnmatch;
    lyc_preset_list unet_modules, unet_names; /* classes, names and patterns */
    lyc_preset_list text_modules, text_names;
    lyc_preset_list modules, names; /* wrapper mode */
    lyc_preset_list exclude;
    const char *prefix; /* lora_prefix; NULL: not told */
    lyc_preset_map module_map, name_map;
    lyc_arena arena;
} lyc_preset;

/* One of LyCORIS' own; LYC_E_ARGUMENT names those there are. */
lyc_status lyc_preset_built_in(lyc_preset *out, const char *name, lyc_error *err);

/* Name and what it is for; NULL past the last. */
const char *lyc_preset_built_in_name(size_t index);
const char *lyc_preset_built_in_summary(size_t index);

/* tree: an object of the keys in the file preset.c. LYC_E_FORMAT names an unknown key, a value of the wrong type, a
 * pattern that is none. */
lyc_status lyc_preset_parse(lyc_preset *out, const char *name, const json_t *tree, lyc_error *err);

void lyc_preset_clear(lyc_preset *preset);

/* A name chooses a module when it is its path; unless `strict` also when it is the path's end behind a dot; or when it
 * matches as a pattern. */
lyc_status lyc_preset_name_matches(bool *matches, const lyc_preset_name *name, const char *path, bool strict,
                                   lyc_error *err);
lyc_status lyc_preset_list_matches(bool *matches, const lyc_preset_list *list, const char *path, bool strict,
                                   lyc_error *err);

/* Whether the list has the class. */
bool lyc_preset_list_has(const lyc_preset_list *list, const char *class_name);

/* Whether some version of LyCORIS names the class in a preset of its own. */
bool lyc_preset_class_known(const char *class_name);

/* The entry of a class or, for names, of the path itself before the first pattern that matches; NULL: none. */
const lyc_preset_map_entry *lyc_preset_module_entry(const lyc_preset *preset, const char *class_name);
lyc_status lyc_preset_name_entry(const lyc_preset_map_entry **out, const lyc_preset *preset, const char *path,
                                 bool strict, lyc_error *err);

#endif
