/* config_read.c - JSON objects of configurations, read by a table of their fields
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/config_read.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/string.h"

lyc_status lyc_json_parse(json_t **out, const char *text, size_t length, lyc_error *err)
{
    json_error_t fault;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault);
    if (json == NULL && json_error_code(&fault) == json_error_out_of_memory) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a configuration");
    }
    if (json == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "no JSON: %s, line %d, column %d", fault.text, fault.line, fault.column);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return lyc_fail(err, LYC_E_FORMAT, "the JSON is no object");
    }
    *out = json;
    return LYC_OK;
}

lyc_status lyc_json_load(json_t **out, const char *path, size_t max_bytes, lyc_error *err)
{
    lyc_strbuf text = {0};
    lyc_status status = lyc_file_read(&text, path, max_bytes, err);
    if (status == LYC_OK) {
        status = lyc_json_parse(out, lyc_strbuf_text(&text), text.length, err);
        if (status != LYC_OK) {
            status = lyc_wrap(err, "reading %s", path);
        }
    }
    lyc_strbuf_clear(&text);
    return status;
}

lyc_status lyc_json_complain(const char *name, const json_t *value, const char *expected, lyc_error *err)
{
    char text[256];
    char brief[LYC_BRIEF];
    const size_t size = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_COMPACT);
    const lyc_span span = {text, size < sizeof text ? size : sizeof text};
    return lyc_fail(err, LYC_E_FORMAT, "'%s' is %s, expected %s", name, lyc_text_brief(brief, sizeof brief, span),
                    expected);
}

/* --- fields ------------------------------------------------------------------------------------------------------- */

static lyc_status complain_range(const lyc_field *field, const json_t *value, const char *kind, lyc_error *err)
{
    char text[128];
    char low[LYC_NUMBER];
    char high[LYC_NUMBER];
    snprintf(text, sizeof text, "%s from %s to %s", kind, lyc_number_format(low, field->min),
             lyc_number_format(high, field->max));
    return lyc_json_complain(field->name, value, text, err);
}

/* A whole number may be written as 4.0. */
static bool whole_number(double *out, const json_t *value)
{
    *out = json_number_value(value);
    return json_is_number(value) && isfinite(*out) && *out == floor(*out);
}

static lyc_status read_int(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    double number;
    if (!whole_number(&number, value) || number < field->min || number > field->max) {
        return complain_range(field, value, "a whole number", err);
    }
    *(int *)member = (int)number;
    return LYC_OK;
}

static lyc_status read_real(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= field->min && number <= field->max)) {
        return complain_range(field, value, "a number", err);
    }
    if (field->kind == LYC_FIELD_FLOAT) {
        *(float *)member = (float)number;
    } else {
        *(double *)member = number;
    }
    return LYC_OK;
}

static lyc_status read_bool(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    if (!json_is_boolean(value)) {
        return lyc_json_complain(field->name, value, "true or false", err);
    }
    *(bool *)member = json_is_true(value);
    return LYC_OK;
}

static lyc_status only_text(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    (void)member;
    const char *text = json_string_value(value);
    if (text == NULL || strcmp(text, field->text) != 0) {
        char expected[128];
        snprintf(expected, sizeof expected, "\"%s\": nothing else is supported", field->text);
        return lyc_json_complain(field->name, value, expected, err);
    }
    return LYC_OK;
}

static lyc_status only_number(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    (void)member;
    if (!json_is_number(value) || json_number_value(value) != field->number) {
        char expected[128];
        char number[LYC_NUMBER];
        snprintf(expected, sizeof expected, "%s: nothing else is supported", lyc_number_format(number, field->number));
        return lyc_json_complain(field->name, value, expected, err);
    }
    return LYC_OK;
}

static lyc_status only_false(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    (void)member;
    return json_is_false(value) ? LYC_OK
                                : lyc_json_complain(field->name, value, "false: nothing else is supported", err);
}

static lyc_status only_null(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    (void)member;
    return lyc_json_complain(field->name, value, "null: nothing else is supported", err);
}

static lyc_status leave(void *member, const lyc_field *field, const json_t *value, lyc_error *err)
{
    (void)member;
    (void)field;
    (void)value;
    (void)err;
    return LYC_OK;
}

typedef lyc_status (*field_reader)(void *member, const lyc_field *field, const json_t *value, lyc_error *err);

static const field_reader readers[] = {
    [LYC_FIELD_INT] = read_int,          [LYC_FIELD_FLOAT] = read_real,     [LYC_FIELD_DOUBLE] = read_real,
    [LYC_FIELD_BOOL] = read_bool,        [LYC_FIELD_ONLY_TEXT] = only_text, [LYC_FIELD_ONLY_NUMBER] = only_number,
    [LYC_FIELD_ONLY_FALSE] = only_false, [LYC_FIELD_ONLY_NULL] = only_null, [LYC_FIELD_ELSEWHERE] = leave,
    [LYC_FIELD_IGNORED] = leave,
};

static const lyc_field *find_field(const lyc_field *fields, const char *name)
{
    for (; fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) == 0) {
            return fields;
        }
    }
    return NULL;
}

lyc_status lyc_fields_read(void *config, const lyc_field *fields, const json_t *json, const char *file, lyc_error *err)
{
    for (void *i = json_object_iter((json_t *)json); i != NULL; i = json_object_iter_next((json_t *)json, i)) {
        const char *name = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        const lyc_field *field = find_field(fields, name);
        if (json_is_null(value)) {
            continue;
        }
        if (field != NULL) {
            LYC_TRY(readers[field->kind]((char *)config + field->offset, field, value, err));
        } else if (!json_is_false(value)) {
            char brief[LYC_BRIEF];
            lyc_log_write(LYC_LOG_WARN, LYC_LOG_FILES, "%s: the field '%s' is not known and ignored", file,
                          lyc_text_brief(brief, sizeof brief, lyc_span_of(name)));
        }
    }
    return LYC_OK;
}

lyc_status lyc_field_ints(int out[LYC_MAX_LEVELS], int *given, const json_t *json, const char *name, int min, int max,
                          lyc_error *err)
{
    const json_t *value = json_object_get(json, name);
    const lyc_field field = {.name = name, .min = min, .max = max};
    *given = 0;
    if (value == NULL || json_is_null(value)) {
        return LYC_OK;
    }
    if (!json_is_array(value)) {
        LYC_TRY(read_int(&out[0], &field, value, err));
        for (int i = 1; i < LYC_MAX_LEVELS; i++) {
            out[i] = out[0];
        }
        *given = -1;
        return LYC_OK;
    }
    const size_t count = json_array_size(value);
    if (count < 1 || count > LYC_MAX_LEVELS) {
        char expected[64];
        snprintf(expected, sizeof expected, "a list of 1 to %d whole numbers", LYC_MAX_LEVELS);
        return lyc_json_complain(name, value, expected, err);
    }
    for (size_t i = 0; i < count; i++) {
        LYC_TRY(read_int(&out[i], &field, json_array_get(value, i), err));
    }
    *given = (int)count;
    return LYC_OK;
}

lyc_status lyc_field_choice(int *out, const json_t *json, const char *name, const char *const choices[], lyc_error *err)
{
    const json_t *value = json_object_get(json, name);
    if (value == NULL || json_is_null(value)) {
        return LYC_OK;
    }
    char list[256] = "";
    size_t used = 0;
    for (int i = 0; choices[i] != NULL; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), choices[i]) == 0) {
            *out = i;
            return LYC_OK;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"", i == 0 ? "" : ", ", choices[i]);
        assert(used < sizeof list);
    }
    char expected[300];
    snprintf(expected, sizeof expected, "one of %s", list);
    return lyc_json_complain(name, value, expected, err);
}
