/* dataset_file.c - data sets and subsets from a TOML or JSON file
 *
 *     [general] options     [[datasets]] options     [[datasets.subsets]] options
 *
 * An option is looked for in the subset, its data set, [general], on the command line; unknown keys and wrong types are
 * errors. Two names differ from the command line's: batch_size (--train_batch_size), num_repeats (--dataset_repeats).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "config/toml.h"
#include "data/data_internal.h"

/* A place in the file, and the values that hold there. */
typedef struct level {
    lyc_arena *arena;
    const char *section;
    lyc_dataset_options *dataset; /* NULL: its options are not for this place */
    lyc_subset_options *subset;
    bool is_subset;
} level;

static const struct {
    const char *file, *line;
} other_names[] = {{"batch_size", "train_batch_size"}, {"num_repeats", "dataset_repeats"}};

/* The command line's name of a key of the file; NULL for the command line's own where the file has another. */
static const char *table_name(const char *key)
{
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strcmp(key, other_names[i].file) == 0) {
            return other_names[i].line;
        }
        if (strcmp(key, other_names[i].line) == 0) {
            return NULL;
        }
    }
    return key;
}

static const char *file_name(const char *name)
{
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++) {
        if (strcmp(name, other_names[i].line) == 0) {
            return other_names[i].file;
        }
    }
    return name;
}

static const lyc_option *find_row(void **config, const level *l, const char *key)
{
    const struct {
        const lyc_option *table;
        void *config;
    } tables[] = {
        {lyc_dataset_option_table, l->dataset},
        {lyc_subset_option_table, l->subset},
        {lyc_subset_file_option_table, l->is_subset ? l->subset : NULL},
    };
    const char *name = table_name(key);
    for (size_t i = 0; name != NULL && i < sizeof tables / sizeof tables[0]; i++) {
        const lyc_option *row = tables[i].config != NULL ? lyc_option_find(tables[i].table, name) : NULL;
        if (row != NULL) {
            *config = tables[i].config;
            return row;
        }
    }
    return NULL;
}

static lyc_status unknown_key(const level *l, const char *key, lyc_error *err)
{
    const lyc_option *const tables[] = {lyc_dataset_option_table, lyc_subset_option_table,
                                        lyc_subset_file_option_table};
    const char *nearest = NULL, *place = "here";
    int least = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const lyc_option *row = tables[i]; row->name != NULL; row++) {
            int distance;
            if (strcmp(file_name(row->name), key) == 0) {
                place = i == 0 ? "in [general] or [[datasets]]" : "in [[datasets.subsets]]";
                return lyc_fail(err, LYC_E_FORMAT, "%s: '%s' can stand %s alone", l->section, key, place);
            }
            if (lyc_text_resembles(&distance, key, file_name(row->name)) && (nearest == NULL || distance < least)) {
                nearest = file_name(row->name);
                least = distance;
            }
        }
    }
    return nearest != NULL
               ? lyc_fail(err, LYC_E_FORMAT, "%s: unknown option '%s'; did you mean '%s'?", l->section, key, nearest)
               : lyc_fail(err, LYC_E_FORMAT, "%s: unknown option '%s'", l->section, key);
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {"a table", "a list", "a text", "a whole number", "a number", "true", "false"};
    const int type = json_typeof(value);
    return type <= JSON_FALSE ? names[type] : "null";
}

/* The value as the text that a command line would have; NULL: of a type that the option has not. */
static const char *value_text(const level *l, const lyc_option *row, const json_t *value)
{
    const bool takes_text =
        row->kind == LYC_OPTION_TEXT || row->kind == LYC_OPTION_PATH || row->kind == LYC_OPTION_ENUM;
    if (json_is_boolean(value)) {
        return row->kind == LYC_OPTION_BOOL ? (json_is_true(value) ? "true" : "false") : NULL;
    }
    if (json_is_string(value)) {
        return takes_text ? lyc_arena_text(l->arena, json_string_value(value)) : NULL;
    }
    if (json_is_integer(value) && (row->kind == LYC_OPTION_INT || row->kind == LYC_OPTION_FLOAT)) {
        return lyc_arena_format(l->arena, "%lld", (long long)json_integer_value(value));
    }
    char number[LYC_NUMBER];
    return json_is_real(value) && row->kind == LYC_OPTION_FLOAT
               ? lyc_arena_text(l->arena, lyc_number_format(number, json_real_value(value)))
               : NULL;
}

/* resolution is a number or [width, height] in files. */
static lyc_status set_resolution(const level *l, const json_t *value, lyc_error *err)
{
    const json_t *width = json_is_array(value) ? json_array_get(value, 0) : value;
    const json_t *height = json_is_array(value) ? json_array_get(value, 1) : value;
    if (json_is_string(value)) {
        l->dataset->resolution = lyc_arena_text(l->arena, json_string_value(value));
    } else if (json_is_integer(width) && json_is_integer(height) && json_array_size(value) <= 2) {
        l->dataset->resolution = lyc_arena_format(l->arena, "%lld,%lld", (long long)json_integer_value(width),
                                                  (long long)json_integer_value(height));
    } else {
        return lyc_fail(err, LYC_E_FORMAT, "%s: resolution is %s, expected a number or [width, height]", l->section,
                        type_name(value));
    }
    return l->dataset->resolution != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for options");
}

static lyc_status set_attributes(const level *l, const json_t *value, lyc_error *err)
{
    const json_t *preserve = json_object_get(value, "diff_output_preservation");
    if (!json_is_object(value) || (preserve != NULL && !json_is_boolean(preserve))) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: custom_attributes is no table with diff_output_preservation = true",
                        l->section);
    }
    l->subset->diff_output_preservation = json_is_true(preserve);
    return LYC_OK;
}

static lyc_status set(const level *l, const char *key, const json_t *value, lyc_error *err)
{
    void *config;
    if (strcmp(key, "custom_attributes") == 0) {
        return set_attributes(l, value, err);
    }
    if (strcmp(key, "face_crop_aug_range") == 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: face_crop_aug_range is not supported", l->section);
    }
    if (strcmp(key, "resolution") == 0 && l->dataset != NULL) {
        return set_resolution(l, value, err);
    }
    const lyc_option *row = find_row(&config, l, key);
    if (row == NULL) {
        return unknown_key(l, key, err);
    }
    const char *text = value_text(l, row, value);
    if (text == NULL) {
        static const char *const expected[LYC_OPTION_KIND_COUNT] = {
            [LYC_OPTION_BOOL] = "true or false", [LYC_OPTION_INT] = "a whole number", [LYC_OPTION_FLOAT] = "a number"};
        return lyc_fail(err, LYC_E_FORMAT, "%s: %s is %s, expected %s", l->section, key, type_name(value),
                        expected[row->kind] != NULL ? expected[row->kind] : "a text");
    }
    return lyc_option_set(config, row, text, err) == LYC_OK ? LYC_OK : lyc_wrap(err, "%s: %s", l->section, key);
}

static lyc_status set_all(const level *l, const json_t *table, const char *inner, lyc_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        if (inner == NULL || strcmp(key, inner) != 0) {
            LYC_TRY(set(l, key, value, err));
        }
    }
    return LYC_OK;
}

/* --- sections ------------------------------------------------------------------------------------------------------
 */

static lyc_status read_subset(lyc_data_reading *reading, const lyc_subset_options *o, const char *section,
                              lyc_error *err)
{
    lyc_data *data = reading->data;
    if (o->metadata_file != NULL) {
        return lyc_metadata_file_read(reading, o, err);
    }
    if (o->image_dir == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: image_dir or metadata_file is missing", section);
    }
    char *folder = lyc_arena_text(&data->arena, o->image_dir);
    if (folder == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for options");
    }
    for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/'; length--) {
        folder[length - 1] = '\0';
    }
    return lyc_image_folder_read(reading, o, lyc_path_name(folder).text, folder, o->num_repeats, err);
}

static lyc_status read_subsets(lyc_data_reading *reading, const json_t *subsets, const level *outer, size_t number,
                               lyc_error *err)
{
    lyc_data *data = reading->data;
    const json_t *subset;
    size_t index, lists = 0;
    if (!json_is_array(subsets) || json_array_size(subsets) == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: no [[datasets.subsets]]", outer->section);
    }
    json_array_foreach((json_t *)subsets, index, subset)
    {
        lyc_subset_options options = *outer->subset;
        const level inner = {
            .arena = &data->arena,
            .section = lyc_arena_format(&data->arena, "datasets[%zu].subsets[%zu]", number, index),
            .subset = &options,
            .is_subset = true,
        };
        if (inner.section == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for options");
        }
        LYC_TRY(set_all(&inner, subset, NULL, err));
        LYC_TRY(read_subset(reading, &options, inner.section, err));
        lists += options.metadata_file != NULL;
    }
    return lists == 0 || lists == json_array_size(subsets)
               ? LYC_OK
               : lyc_fail(err, LYC_E_FORMAT, "%s: some subsets have metadata_file and some have not", outer->section);
}

static lyc_status read_dataset(lyc_data_reading *reading, const json_t *table, const level *general, size_t number,
                               lyc_error *err)
{
    lyc_data *data = reading->data;
    lyc_dataset_options dataset = *general->dataset;
    lyc_subset_options subset = *general->subset;
    const level l = {.arena = &data->arena,
                     .section = lyc_arena_format(&data->arena, "datasets[%zu]", number),
                     .dataset = &dataset,
                     .subset = &subset};
    if (l.section == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for options");
    }
    LYC_TRY(set_all(&l, table, "subsets", err));
    if (lyc_data_add_dataset(data, &dataset, err) != LYC_OK) {
        return lyc_wrap(err, "%s", l.section);
    }
    return read_subsets(reading, json_object_get(table, "subsets"), &l, number, err);
}

static lyc_status read_root(lyc_data_reading *reading, const json_t *root, lyc_error *err)
{
    lyc_dataset_options dataset = reading->data->options.dataset;
    lyc_subset_options subset = reading->data->options.subset;
    const level general = {
        .arena = &reading->data->arena, .section = "general", .dataset = &dataset, .subset = &subset};
    const json_t *sets = json_object_get(root, "datasets");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)root, key, value)
    {
        if (strcmp(key, "general") != 0 && strcmp(key, "datasets") != 0) {
            return lyc_fail(err, LYC_E_FORMAT, "unknown section '%s', expected general and datasets", key);
        }
    }
    LYC_TRY(set_all(&general, json_object_get(root, "general"), NULL, err));
    if (!json_is_array(sets) || json_array_size(sets) == 0) {
        return lyc_fail(err, LYC_E_FORMAT, "no [[datasets]]");
    }
    for (size_t i = 0; i < json_array_size(sets); i++) {
        LYC_TRY(read_dataset(reading, json_array_get(sets, i), &general, i, err));
    }
    return LYC_OK;
}

static lyc_status load(json_t **root, const char *path, lyc_error *err)
{
    if (!lyc_span_ends_with(lyc_span_of(path), ".json")) {
        return lyc_toml_read(root, path, err);
    }
    lyc_strbuf text = {0};
    json_error_t problem = {0};
    const lyc_status status = lyc_file_read(&text, path, LYC_TOML_MAX_BYTES, err);
    *root = status == LYC_OK ? json_loadb(lyc_strbuf_text(&text), text.length, JSON_REJECT_DUPLICATES, &problem) : NULL;
    lyc_strbuf_clear(&text);
    if (status == LYC_OK && !json_is_object(*root)) {
        json_decref(*root);
        *root = NULL;
        return lyc_fail(err, LYC_E_FORMAT, "%s is no JSON object (line %d: %s)", path, problem.line, problem.text);
    }
    return status;
}

lyc_status lyc_dataset_file_read(lyc_data_reading *reading, const char *path, lyc_error *err)
{
    json_t *root;
    LYC_TRY(load(&root, path, err));
    const lyc_status status = read_root(reading, root, err);
    json_decref(root);
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "reading %s", path);
}
