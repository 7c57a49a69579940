/* selection.c - the walk over a network's modules
 *
 * As LyCORIS does it (lycoris/kohya.py, create_modules): each module in turn, in the order of registration.
 *
 * 1. Its class is a target and its path is no target name: everything inside gets an adapter. Inside, a module whose
 *    class has a map entry begins such a walk of its own with that entry's options.
 * 2. Else its path is a target name: that module alone gets one.
 *
 * What has an adapter already is passed over. Linear layers take part when the rank is not 0, convolutions when their
 * rank is not 0, whereby one whose first kernel extent is 1 has the rank of linear layers; norms with train_norm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/selection.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

typedef struct walk {
    lyc_selection *out;
    const lyc_preset *preset;
    const lyc_network_args *args;
    lyc_selection_options options;
    const lyc_selection_part *part;
    const lyc_preset_list *modules, *names;
    bool *taken; /* for each entry of the inventory */
} walk;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the list of layers");
}

/* Classes that wrapper mode takes when a preset names none: every module with a weight. */
static const lyc_preset_list leaf_classes = {
    .names = (lyc_preset_name[]){{.text = "Linear"}, {.text = "Conv2d"}, {.text = "LayerNorm"}, {.text = "GroupNorm"}},
    .count = 4,
};

/* --- one layer -----------------------------------------------------------------------------------------------------
 */

static const char *layer_key(walk *w, const lyc_inventory_entry *e)
{
    char *key = lyc_arena_format(&w->out->arena, "%s_%s", w->part->prefix, e->path);
    for (char *c = key; c != NULL && *c != '\0'; c++) {
        *c = (char)(*c == '.' ? '_' : *c);
    }
    return key;
}

static bool is_dropout(const char *name)
{
    return strcmp(name, "dropout") == 0 || strcmp(name, "rank_dropout") == 0 || strcmp(name, "module_dropout") == 0;
}

typedef struct setting_list {
    lyc_adapter_setting *settings;
    size_t count;
} setting_list;

/* Sets an option that the algorithm has; others are for other layers of the network. */
static void put(setting_list *list, const lyc_adapter_algorithm *algorithm, const char *name, const char *value)
{
    const lyc_option *option = lyc_adapter_option_find(algorithm, name);
    if (option == NULL) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->settings[i].name, option->name) == 0) {
            list->settings[i].value = value;
            return;
        }
    }
    list->settings[list->count++] = (lyc_adapter_setting){.name = option->name, .value = value};
}

static const char *entry_value(const lyc_preset_map_entry *entry, const char *name)
{
    for (size_t i = 0; entry != NULL && i < entry->count; i++) {
        if (strcmp(entry->settings[i].name, name) == 0) {
            return entry->settings[i].value;
        }
    }
    return NULL;
}

static bool is_zero(const char *value)
{
    return value == NULL || value[0] == '\0' || value[strspn(value, "0.")] == '\0';
}

/* The options of a layer: its own entry's before the network's. */
static lyc_status make_settings(setting_list *list, walk *w, const lyc_adapter_algorithm *algorithm,
                                const lyc_preset_map_entry *entry, int64_t rank, double alpha, lyc_error *err)
{
    lyc_arena *arena = &w->out->arena;
    const lyc_network_args *args = w->args;
    const size_t room = args->count + (entry != NULL ? entry->count : 0) + 2;
    *list = (setting_list){.settings = lyc_arena_alloc(arena, room, sizeof *list->settings)};
    char number[LYC_NUMBER];
    const char *rank_text = lyc_arena_format(arena, "%lld", (long long)rank);
    const char *alpha_text = lyc_arena_text(arena, lyc_number_format(number, alpha));
    if (list->settings == NULL || rank_text == NULL || alpha_text == NULL) {
        return no_memory(err);
    }
    const char *own_rank = entry_value(entry, "rank"), *own_alpha = entry_value(entry, "alpha");
    put(list, algorithm, "rank", is_zero(own_rank) ? rank_text : own_rank);
    put(list, algorithm, "alpha", is_zero(own_alpha) ? alpha_text : own_alpha);
    for (size_t i = 0; i < args->count; i++) {
        put(list, algorithm, args->settings[i].name, args->settings[i].value);
    }
    for (size_t i = 0; entry != NULL && i < entry->count; i++) {
        const char *name = entry->settings[i].name;
        if (strcmp(name, "rank") != 0 && strcmp(name, "alpha") != 0 && !is_dropout(name)) {
            put(list, algorithm, name, entry->settings[i].value);
        }
    }
    for (size_t i = 0; i < list->count; i++) { /* arguments and preset may be released before the selection */
        list->settings[i].value = lyc_arena_text(arena, list->settings[i].value);
        if (list->settings[i].value == NULL) {
            return no_memory(err);
        }
    }
    return LYC_OK;
}

static lyc_status add_layer(walk *w, const lyc_inventory_entry *e, const lyc_adapter_algorithm *algorithm,
                            const lyc_preset_map_entry *entry, int64_t rank, double alpha, lyc_error *err)
{
    setting_list list;
    LYC_TRY(make_settings(&list, w, algorithm, entry, rank, alpha, err));
    const char *key = layer_key(w, e);
    if (key == NULL) {
        return no_memory(err);
    }
    lyc_selection *out = w->out;
    if (out->count == out->capacity) {
        const size_t capacity = out->capacity == 0 ? 256 : 2 * out->capacity;
        lyc_selected_layer *layers = lyc_realloc(out->layers, capacity * sizeof *layers);
        if (layers == NULL) {
            return no_memory(err);
        }
        out->layers = layers;
        out->capacity = capacity;
    }
    out->layers[out->count++] = (lyc_selected_layer){.inventory = w->part->inventory,
                                                     .entry = e,
                                                     .key = key,
                                                     .algorithm = algorithm,
                                                     .settings = list.settings,
                                                     .count = list.count};
    w->taken[e - w->part->inventory->entries] = true;
    return LYC_OK;
}

/* Adds the module when it can have an adapter. */
static lyc_status add_module(walk *w, size_t index, const lyc_adapter_algorithm *algorithm,
                             const lyc_preset_map_entry *entry, lyc_error *err)
{
    const lyc_inventory_entry *e = &w->part->inventory->entries[index];
    const lyc_network_args *args = w->args;
    if (!e->has_weight || w->taken[index]) {
        return LYC_OK;
    }
    bool excluded;
    LYC_TRY(lyc_preset_list_matches(&excluded, &w->preset->exclude, e->path, w->options.strict_names, err));
    if (excluded) {
        return LYC_OK;
    }
    switch (e->target.kind) {
    case LYC_LAYER_LAYER_NORM:
    case LYC_LAYER_GROUP_NORM:
        return args->train_norm ? add_layer(w, e, lyc_adapter_algorithm_find("norm"), NULL, 1, 1, err) : LYC_OK;
    case LYC_LAYER_CONV2D:
        if (e->target.weight.dims[2] != 1) {
            const bool own = !is_zero(entry_value(entry, "rank"));
            const int64_t rank = w->preset->enable_conv ? args->conv_rank : 0;
            return rank > 0 || own ? add_layer(w, e, algorithm, entry, rank, args->conv_alpha, err) : LYC_OK;
        }
        break;
    case LYC_LAYER_LINEAR:
        break;
    }
    return add_layer(w, e, algorithm, entry, args->rank, args->alpha, err);
}

/* --- the walk ------------------------------------------------------------------------------------------------------
 */

static const lyc_adapter_algorithm *entry_algorithm(const lyc_preset_map_entry *entry,
                                                    const lyc_adapter_algorithm *otherwise)
{
    return entry != NULL && entry->algorithm != NULL ? entry->algorithm : otherwise;
}

/* Everything inside of a module, itself included. Modules nest a few levels deep. */
static lyc_status walk_inside(walk *w, size_t root, const lyc_adapter_algorithm *algorithm,
                              const lyc_preset_map_entry *entry, lyc_error *err)
{
    const lyc_inventory *inventory = w->part->inventory;
    for (size_t i = root; i < inventory->entries[root].end; i++) {
        const lyc_preset_map_entry *own =
            i != root ? lyc_preset_module_entry(w->preset, inventory->entries[i].class_name) : NULL;
        if (own != NULL) {
            LYC_TRY(walk_inside(w, i, entry_algorithm(own, algorithm), own, err));
        } else {
            LYC_TRY(add_module(w, i, algorithm, entry, err));
        }
    }
    return LYC_OK;
}

static lyc_status visit(walk *w, size_t index, lyc_error *err)
{
    const lyc_inventory_entry *e = &w->part->inventory->entries[index];
    const bool strict = w->options.strict_names;
    bool named;
    LYC_TRY(lyc_preset_list_matches(&named, w->names, e->path, strict, err));
    const lyc_preset_map_entry *by_name = NULL;
    const lyc_preset_map_entry *by_class = lyc_preset_module_entry(w->preset, e->class_name);
    if (named || w->options.wrapper) {
        LYC_TRY(lyc_preset_name_entry(&by_name, w->preset, e->path, strict, err));
    }
    /* In wrapper mode what a map names is a target too. */
    named = named || (w->options.wrapper && by_name != NULL);
    const bool class_chosen =
        lyc_preset_list_has(w->modules, e->class_name) || (w->options.wrapper && by_class != NULL);
    const lyc_adapter_algorithm *algorithm = w->args->algorithm;
    if (class_chosen && !named) {
        return walk_inside(w, index, entry_algorithm(by_class, algorithm), by_class, err);
    }
    if (named) {
        const lyc_preset_map_entry *entry = by_name != NULL ? by_name : by_class;
        return add_module(w, index, entry_algorithm(entry, algorithm), entry, err);
    }
    return LYC_OK;
}

static bool is_text(const lyc_inventory *inventory)
{
    return strncmp(inventory->component, "text_encoder", 12) == 0;
}

static lyc_status walk_part(lyc_selection *out, const lyc_selection_part *part, const lyc_preset *preset,
                            const lyc_network_args *args, const lyc_selection_options *options, lyc_error *err)
{
    const bool text = is_text(part->inventory);
    walk w = {.out = out,
              .preset = preset,
              .args = args,
              .options = *options,
              .part = part,
              .modules = text ? &preset->text_modules : &preset->unet_modules,
              .names = text ? &preset->text_names : &preset->unet_names,
              .taken = lyc_alloc_zero(part->inventory->count + 1, sizeof(bool))};
    if (w.taken == NULL) {
        return no_memory(err);
    }
    if (options->wrapper) {
        w.modules = preset->modules.count > 0 || preset->names.count > 0 ? &preset->modules : &leaf_classes;
        w.names = &preset->names;
    }
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < part->inventory->count && status == LYC_OK; i++) {
        status = visit(&w, i, err);
    }
    lyc_free(w.taken);
    return status;
}

/* --- complaints ----------------------------------------------------------------------------------------------------
 */

typedef enum part_kind { PART_UNET = 1, PART_TEXT = 2, PART_BOTH = 3 } part_kind;

static bool wanted(const lyc_selection_part *part, part_kind kinds)
{
    return (is_text(part->inventory) ? PART_TEXT : PART_UNET) & kinds;
}

static lyc_status check_name(const char *list, const lyc_preset_name *name, part_kind kinds,
                             const lyc_selection_part *parts, size_t part_count, bool strict, lyc_error *err)
{
    for (size_t p = 0; p < part_count; p++) {
        const lyc_inventory *inventory = parts[p].inventory;
        for (size_t i = 0; wanted(&parts[p], kinds) && i < inventory->count; i++) {
            bool matches;
            LYC_TRY(lyc_preset_name_matches(&matches, name, inventory->entries[i].path, strict, err));
            if (matches && inventory->entries[i].has_weight) {
                return LYC_OK;
            }
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "%s: '%s' matches no layer of the model", list, name->text);
}

static bool class_present(const char *class_name, const lyc_selection_part *parts, size_t part_count)
{
    for (size_t p = 0; p < part_count; p++) {
        for (size_t i = 0; i < parts[p].inventory->count; i++) {
            if (strcmp(parts[p].inventory->entries[i].class_name, class_name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static lyc_status check_class(const char *list, const char *class_name, const lyc_selection_part *parts,
                              size_t part_count, lyc_error *err)
{
    if (class_present(class_name, parts, part_count) || lyc_preset_class_known(class_name)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "%s: no network has a class '%s'", list, class_name);
}

static part_kind kinds_of(const lyc_selection_part *parts, size_t part_count)
{
    int kinds = 0;
    for (size_t p = 0; p < part_count; p++) {
        kinds |= is_text(parts[p].inventory) ? PART_TEXT : PART_UNET;
    }
    return (part_kind)kinds;
}

/* Of a preset that its user wrote, everything must mean something; LyCORIS' own lists are for all families. */
static lyc_status check_preset(const lyc_selection_part *parts, size_t part_count, const lyc_preset *preset,
                               const lyc_selection_options *options, lyc_error *err)
{
    const struct {
        const char *name;
        const lyc_preset_list *list;
        part_kind kinds;
        bool wrapper, classes;
    } lists[] = {
        {"unet_target_name", &preset->unet_names, PART_UNET, false, false},
        {"text_encoder_target_name", &preset->text_names, PART_TEXT, false, false},
        {"target_name", &preset->names, PART_BOTH, true, false},
        {"unet_target_module", &preset->unet_modules, PART_UNET, false, true},
        {"text_encoder_target_module", &preset->text_modules, PART_TEXT, false, true},
        {"target_module", &preset->modules, PART_BOTH, true, true},
    };
    const part_kind present = kinds_of(parts, part_count);
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        if (lists[k].wrapper != options->wrapper || (lists[k].kinds & present) == 0) {
            continue;
        }
        for (size_t i = 0; i < lists[k].list->count; i++) {
            const lyc_preset_name *name = &lists[k].list->names[i];
            LYC_TRY(lists[k].classes ? check_class(lists[k].name, name->text, parts, part_count, err)
                                     : check_name(lists[k].name, name, lists[k].kinds, parts, part_count,
                                                  options->strict_names, err));
        }
    }
    /* The maps serve U-Net and text encoders together: with one of them alone a part may have nothing to do. */
    for (size_t i = 0; present == PART_BOTH && i < preset->name_map.count; i++) {
        LYC_TRY(check_name("name_algo_map", &preset->name_map.entries[i].key, PART_BOTH, parts, part_count,
                           options->strict_names, err));
    }
    for (size_t i = 0; i < preset->module_map.count; i++) {
        LYC_TRY(check_class("module_algo_map", preset->module_map.entries[i].key.text, parts, part_count, err));
    }
    return LYC_OK;
}

static lyc_status make(lyc_selection *out, const lyc_selection_part *parts, size_t part_count, const lyc_preset *preset,
                       const lyc_network_args *args, const lyc_selection_options *options, lyc_error *err)
{
    if (!preset->built_in && check_preset(parts, part_count, preset, options, err) != LYC_OK) {
        return lyc_wrap(err, "preset '%s'", preset->name);
    }
    for (size_t i = 0; i < part_count; i++) {
        LYC_TRY(walk_part(out, &parts[i], preset, args, options, err));
    }
    if (out->count == 0 && !options->strict_names) {
        return lyc_fail(err, LYC_E_ARGUMENT, "preset '%s' chooses no layer of the model", preset->name);
    }
    return LYC_OK;
}

lyc_status lyc_selection_make(lyc_selection *out, const lyc_selection_part *parts, size_t part_count,
                              const lyc_preset *preset, const lyc_network_args *args,
                              const lyc_selection_options *options, lyc_error *err)
{
    *out = (lyc_selection){0};
    const lyc_selection_options standard = {0};
    lyc_error own;
    const lyc_status status = make(out, parts, part_count, preset, args, options != NULL ? options : &standard, &own);
    if (status != LYC_OK) {
        lyc_selection_clear(out);
        return lyc_fail(err, status, "%s", own.message);
    }
    return LYC_OK;
}

void lyc_selection_clear(lyc_selection *selection)
{
    lyc_free(selection->layers);
    lyc_arena_clear(&selection->arena);
    *selection = (lyc_selection){0};
}
