/* config_file.c - options from TOML files, and as text again
 *
 * Files of sd-scripts say "not set" in several ways: "" and false where a text or a number is meant. Sections are for
 * readers; a key in two sections is an error, since one of them would be lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_writer.h"
#include "base/hashmap.h"
#include "base/memory.h"
#include "base/string.h"
#include "config/toml.h"
#include "train/config.h"

/* 3500, not 3.5e+03. */
static void add_number(lyc_strbuf *out, double value)
{
    char number[LYC_NUMBER];
    if (fabs(value) < 1e15 && floor(value) >= value) {
        lyc_strbuf_format(out, "%.0f", value);
    } else {
        lyc_strbuf_append(out, lyc_number_format(number, value));
    }
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

typedef struct reader {
    lyc_train_config *config;
    const char *path;
    lyc_hashmap seen; /* rows */
} reader;

/* One value as text; false: it is none, or stands for "not set". */
static bool value_text(lyc_strbuf *out, const json_t *value, lyc_option_kind kind)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        lyc_strbuf_append(out, json_string_value(value));
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        lyc_strbuf_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL:
        add_number(out, json_real_value(value));
        return true;
    case JSON_TRUE:
        lyc_strbuf_append(out, "true");
        return true;
    case JSON_FALSE:
        lyc_strbuf_append(out, "false");
        return kind == LYC_OPTION_BOOL;
    default:
        return false;
    }
}

static lyc_status give(reader *r, const lyc_option *row, const char *value, lyc_error *err)
{
    const lyc_status status = lyc_train_config_give(r->config, row, value, LYC_FROM_FILE, err);
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "%s: %s", r->path, row->name);
}

static lyc_status give_value(reader *r, const lyc_option *row, const json_t *value, lyc_error *err)
{
    lyc_strbuf text = {0};
    const bool set = value_text(&text, value, row->kind);
    lyc_status status = lyc_strbuf_check(&text, "the value of an option", err);
    if (status == LYC_OK && set) {
        status = give(r, row, lyc_strbuf_text(&text), err);
    }
    lyc_strbuf_clear(&text);
    return status;
}

/* A list, or a resolution as [512, 768]. */
static lyc_status give_array(reader *r, const lyc_option *row, const json_t *array, lyc_error *err)
{
    lyc_strbuf joined = {0};
    lyc_status status = LYC_OK;
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value)
    {
        if (json_is_object(value) || json_is_array(value)) {
            status = lyc_fail(err, LYC_E_FORMAT, "%s: %s: a list of lists or tables", r->path, row->name);
        } else if (row->kind == LYC_OPTION_LIST) {
            status = give_value(r, row, value, err);
        } else {
            lyc_strbuf_append(&joined, i > 0 ? "," : "");
            value_text(&joined, value, row->kind);
        }
        if (status != LYC_OK) {
            break;
        }
    }
    status = status == LYC_OK ? lyc_strbuf_check(&joined, "the value of an option", err) : status;
    if (status == LYC_OK && joined.length > 0) {
        status = give(r, row, lyc_strbuf_text(&joined), err);
    }
    lyc_strbuf_clear(&joined);
    return status;
}

static lyc_status note_unknown(reader *r, const char *key, lyc_error *err)
{
    char shown[LYC_BRIEF];
    const char *nearest = lyc_train_option_nearest(key);
    lyc_text_brief(shown, sizeof shown, lyc_span_of(key));
    return lyc_train_config_note(r->config, err, "%s: the key '%s' is unknown and passed over%s%s%s", r->path, shown,
                                 nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                                 nearest != NULL ? "?" : "");
}

static lyc_status read_key(reader *r, const char *key, const json_t *value, lyc_error *err)
{
    const lyc_option *row = lyc_train_option_find(key);
    if (row == NULL) {
        return note_unknown(r, key, err);
    }
    if (lyc_hashmap_get(&r->seen, lyc_span_of(row->name)) != NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: %s is there twice", r->path, row->name);
    }
    if (!lyc_hashmap_put(&r->seen, lyc_span_of(row->name), (void *)row)) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the options of a training");
    }
    return json_is_array(value) ? give_array(r, row, value, err) : give_value(r, row, value, err);
}

static lyc_status read_table(reader *r, const json_t *table, lyc_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        LYC_TRY(json_is_object(value) ? read_table(r, value, err) : read_key(r, key, value, err));
    }
    return LYC_OK;
}

lyc_status lyc_train_config_read(lyc_train_config *config, const char *path, lyc_error *err)
{
    json_t *tree = NULL;
    reader r = {.config = config, .path = path};
    LYC_TRY(lyc_toml_read(&tree, path, err));
    const lyc_status status = read_table(&r, tree, err);
    lyc_hashmap_clear(&r.seen);
    json_decref(tree);
    return status;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

/* How one text is quoted. */
static void add_quoted(lyc_strbuf *out, const char *text, lyc_train_form form)
{
    if (form == LYC_TRAIN_COMMAND) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
        if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
            lyc_strbuf_append(out, text);
            return;
        }
        lyc_strbuf_append(out, "'");
        for (const char *c = text; *c != '\0'; c++) {
            lyc_strbuf_append_n(out, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
        }
        lyc_strbuf_append(out, "'");
        return;
    }
    lyc_strbuf_append(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            lyc_strbuf_format(out, "\\%c", *c);
        } else if ((unsigned char)*c < ' ' || *c == 0x7f) {
            lyc_strbuf_format(out, "\\u%04X", (unsigned)*c);
        } else {
            lyc_strbuf_append_char(out, *c);
        }
    }
    lyc_strbuf_append(out, "\"");
}

static void add_list(lyc_strbuf *out, const lyc_option_list *list, lyc_train_form form)
{
    lyc_strbuf_append(out, form == LYC_TRAIN_TOML ? "[" : "");
    for (size_t i = 0; i < list->count; i++) {
        lyc_strbuf_append(out, i == 0 ? "" : form == LYC_TRAIN_TOML ? ", " : " ");
        add_quoted(out, list->items[i], form);
    }
    lyc_strbuf_append(out, form == LYC_TRAIN_TOML ? "]" : "");
}

static void add_value(lyc_strbuf *out, const lyc_train_options *options, const lyc_option *row, lyc_train_form form)
{
    const void *member = (const char *)options + row->offset;
    switch (row->kind) {
    case LYC_OPTION_BOOL:
        lyc_strbuf_append(out, *(const bool *)member ? "true" : "false");
        break;
    case LYC_OPTION_INT:
        lyc_strbuf_format(out, "%" PRId64, *(const int64_t *)member);
        break;
    case LYC_OPTION_FLOAT:
        add_number(out, *(const double *)member);
        break;
    case LYC_OPTION_SIZE:
        lyc_strbuf_format(out, "%" PRIu64, *(const uint64_t *)member);
        break;
    case LYC_OPTION_ENUM:
        add_quoted(out, row->choices[*(const int *)member].name, form);
        break;
    case LYC_OPTION_LIST:
        add_list(out, member, form);
        break;
    case LYC_OPTION_TEXT:
    case LYC_OPTION_PATH:
        add_quoted(out, *(const char *const *)member, form);
        break;
    case LYC_OPTION_KIND_COUNT:
        break;
    }
}

static bool is_unset(const lyc_train_options *options, const lyc_option *row)
{
    const void *member = (const char *)options + row->offset;
    return row->kind == LYC_OPTION_LIST   ? ((const lyc_option_list *)member)->count == 0
           : row->kind == LYC_OPTION_TEXT ? *(const char *const *)member == NULL
           : row->kind == LYC_OPTION_PATH ? *(const char *const *)member == NULL
                                          : false;
}

/* Of several names the last that is shown; options that say what to do now are none of a configuration. */
static bool is_written(const lyc_option *row)
{
    static const char *const others[] = {"config_file", "output_config", "plan",   "model",
                                         "images",      "algo",          "preset", "minutes"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(row->name, others[i]) == 0) {
            return false;
        }
    }
    for (const lyc_option *later = row + 1; later->name != NULL; later++) {
        if (later->offset == row->offset && !later->hidden) {
            return false;
        }
    }
    return !row->hidden;
}

static void add_row(lyc_strbuf *out, const lyc_train_config *config, const lyc_option *row, lyc_train_form form)
{
    const bool is_flag = row->kind == LYC_OPTION_BOOL && form == LYC_TRAIN_COMMAND;
    if (is_flag) {
        lyc_strbuf_format(out, " --%s%s", *(const bool *)((const char *)&config->options + row->offset) ? "" : "no-",
                          row->name);
        return;
    }
    lyc_strbuf_format(out, form == LYC_TRAIN_TOML ? "%s = " : " --%s ", row->name);
    add_value(out, &config->options, row, form);
    lyc_strbuf_append(out, form == LYC_TRAIN_TOML ? "\n" : "");
}

/* Whether the value is the one that it would have anyway. */
static bool is_standard(const lyc_train_config *config, const lyc_option *row, lyc_train_form form)
{
    lyc_error ignored;
    lyc_strbuf now = {0}, standard = {0};
    lyc_train_options plain = {0};
    const lyc_option rows[] = {*row, {0}};
    if (lyc_option_reset(&plain, rows, &ignored) != LYC_OK || is_unset(&plain, row)) {
        return is_unset(&config->options, row);
    }
    add_value(&now, &config->options, row, form);
    add_value(&standard, &plain, row, form);
    const bool same = strcmp(lyc_strbuf_text(&now), lyc_strbuf_text(&standard)) == 0;
    lyc_strbuf_clear(&now);
    lyc_strbuf_clear(&standard);
    return same;
}

lyc_status lyc_train_config_write(char **out, const lyc_train_config *config, lyc_train_form form, lyc_error *err)
{
    lyc_strbuf text = {0};
    lyc_strbuf_append(&text, form == LYC_TRAIN_COMMAND ? "lycoris train" : "# lycoris train\n");
    for (const lyc_option *row = lyc_train_option_rows; row->name != NULL; row++) {
        if (is_written(row) && !is_unset(&config->options, row) && !is_standard(config, row, form)) {
            add_row(&text, config, row, form);
        }
    }
    const lyc_status status = lyc_strbuf_check(&text, "the options of a training", err);
    *out = status == LYC_OK ? lyc_strbuf_take(&text) : NULL;
    lyc_strbuf_clear(&text);
    return status != LYC_OK || *out != NULL ? status : lyc_fail(err, LYC_E_MEMORY, "no memory for a text");
}

void lyc_train_text_free(char *text)
{
    lyc_free(text);
}

lyc_status lyc_train_config_save(const lyc_train_config *config, const char *path, lyc_error *err)
{
    char *text = NULL;
    lyc_file_writer *writer = NULL;
    LYC_TRY(lyc_train_config_write(&text, config, LYC_TRAIN_TOML, err));
    lyc_status status = lyc_file_writer_open(&writer, path, NULL, err);
    status = status == LYC_OK ? lyc_file_writer_append(writer, text, strlen(text), err) : status;
    status = status == LYC_OK ? lyc_file_writer_commit(writer, err) : status;
    lyc_file_writer_close(writer);
    lyc_train_text_free(text);
    return status;
}
