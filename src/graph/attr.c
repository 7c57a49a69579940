/* attr.c - attributes of operations as text
 *
 * "groups=4", "silu=1", "activation=gelu", "pad=1x1x0x1". A list may be written short: what is left out has its
 * default. Floats are written with the fewest digits that give the same number when read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "graph/op.h"

static int count_of(const lyc_attr_field *field)
{
    return field->count == 0 ? 1 : field->count;
}

static size_t element_size(const lyc_attr_field *field)
{
    switch (field->kind) {
    case LYC_ATTR_FLOAT:
        return sizeof(float);
    case LYC_ATTR_BOOL:
        return sizeof(bool);
    case LYC_ATTR_INT:
    case LYC_ATTR_ENUM:
        break;
    }
    return sizeof(int);
}

static double load(const lyc_attr_field *field, const void *attr, int index)
{
    const char *element = (const char *)attr + field->offset + (size_t)index * element_size(field);
    switch (field->kind) {
    case LYC_ATTR_FLOAT:
        return (double)*(const float *)element;
    case LYC_ATTR_BOOL:
        return *(const bool *)element;
    case LYC_ATTR_INT:
    case LYC_ATTR_ENUM:
        break;
    }
    return *(const int *)element;
}

static void store(const lyc_attr_field *field, void *attr, int index, double value)
{
    char *element = (char *)attr + field->offset + (size_t)index * element_size(field);
    switch (field->kind) {
    case LYC_ATTR_FLOAT:
        *(float *)element = (float)value;
        break;
    case LYC_ATTR_BOOL:
        *(bool *)element = value != 0.0;
        break;
    case LYC_ATTR_INT:
    case LYC_ATTR_ENUM:
        *(int *)element = (int)value;
        break;
    }
}

void lyc_attr_defaults(const lyc_op *op, void *attr)
{
    memset(attr, 0, op->attr_size); /* the padding too */
    for (const lyc_attr_field *field = op->attrs; field != NULL && field->name != NULL; field++) {
        for (int i = 0; i < count_of(field); i++) {
            store(field, attr, i, field->fallback);
        }
    }
}

/* The field that "name=value" names, and where the value begins. */
static const lyc_attr_field *find(const char **value, const lyc_op *op, const char *text)
{
    size_t length = strcspn(text, "=");
    if (text[length] != '=') {
        return NULL;
    }
    for (const lyc_attr_field *field = op->attrs; field != NULL && field->name != NULL; field++) {
        if (strlen(field->name) == length && memcmp(field->name, text, length) == 0) {
            *value = text + length + 1;
            return field;
        }
    }
    return NULL;
}

static const char *expectation(lyc_attr_kind kind)
{
    switch (kind) {
    case LYC_ATTR_FLOAT:
        return "a number";
    case LYC_ATTR_BOOL:
        return "0 or 1";
    case LYC_ATTR_INT:
    case LYC_ATTR_ENUM:
        break;
    }
    return "a whole number";
}

/* One element of a list: the text up to an x or the end, and nothing else in it. */
static bool parse_element(double *value, const lyc_attr_field *field, const char *text)
{
    const lyc_span word = {text, strcspn(text, "x")};
    float number;
    if (field->kind == LYC_ATTR_FLOAT) {
        const bool found = lyc_number_parse_f32(&number, word);
        *value = found ? (double)number : 0.0;
        return found;
    }
    const double least = field->kind == LYC_ATTR_BOOL ? 0.0 : INT_MIN;
    const double most = field->kind == LYC_ATTR_BOOL ? 1.0 : INT_MAX;
    return lyc_number_parse(value, word) && *value == floor(*value) && *value >= least && *value <= most;
}

static lyc_status parse_enum(const lyc_attr_field *field, void *attr, const char *value, lyc_error *err)
{
    char names[256] = "";
    for (int i = 0; field->names[i] != NULL; i++) {
        if (strcmp(field->names[i], value) == 0) {
            store(field, attr, 0, i);
            return LYC_OK;
        }
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i > 0 ? ", " : "", field->names[i]);
    }
    return lyc_fail(err, LYC_E_FORMAT, "%s=%s, expected one of %s", field->name, value, names);
}

static lyc_status parse_list(const lyc_attr_field *field, void *attr, const char *value, lyc_error *err)
{
    const char *at = value;
    const int count = count_of(field);
    for (int i = 0; i < count; i++) {
        store(field, attr, i, field->fallback);
    }
    for (int i = 0; i < count; i++) {
        double number;
        if (!parse_element(&number, field, at)) {
            return lyc_fail(err, LYC_E_FORMAT, "%s=%s, expected %s", field->name, value, expectation(field->kind));
        }
        store(field, attr, i, number);
        at += strcspn(at, "x");
        if (*at == '\0') {
            return LYC_OK;
        }
        at++;
    }
    return lyc_fail(err, LYC_E_FORMAT, "%s=%s has too many values, expected %d at most", field->name, value, count);
}

static lyc_status unknown(const lyc_op *op, const char *text, lyc_error *err)
{
    char names[256] = "";
    for (const lyc_attr_field *field = op->attrs; field != NULL && field->name != NULL; field++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", field != op->attrs ? ", " : "", field->name);
    }
    return lyc_fail(err, LYC_E_FORMAT, "%s: %s has the attributes %s, as name=value", text, op->name,
                    names[0] != '\0' ? names : "(none)");
}

lyc_status lyc_attr_parse(const lyc_op *op, void *attr, const char *text, lyc_error *err)
{
    const char *value;
    const lyc_attr_field *field = find(&value, op, text);
    if (field == NULL) {
        return unknown(op, text, err);
    }
    return field->kind == LYC_ATTR_ENUM ? parse_enum(field, attr, value, err) : parse_list(field, attr, value, err);
}

static void print_number(lyc_strbuf *text, const lyc_attr_field *field, double value)
{
    char number[LYC_NUMBER];
    if (field->kind == LYC_ATTR_FLOAT) {
        lyc_strbuf_append(text, lyc_number_format_f32(number, (float)value));
    } else {
        lyc_strbuf_format(text, "%d", (int)value);
    }
}

/* An enumeration without a name for the value (a builder was given nonsense) shows as a number. */
static void print_element(lyc_strbuf *text, const lyc_attr_field *field, double value)
{
    if (field->kind == LYC_ATTR_ENUM) {
        for (int i = 0; field->names[i] != NULL; i++) {
            if (i == (int)value) {
                lyc_strbuf_append(text, field->names[i]);
                return;
            }
        }
    }
    print_number(text, field, value);
}

void lyc_attr_print(lyc_strbuf *text, const lyc_op *op, const void *attr)
{
    for (const lyc_attr_field *field = op->attrs; field != NULL && field->name != NULL; field++) {
        int count = count_of(field);
        while (count > 0 && load(field, attr, count - 1) == field->fallback) {
            count--; /* a list is written up to its last element that is not the default */
        }
        for (int i = 0; i < count; i++) {
            if (i == 0) {
                lyc_strbuf_format(text, " %s=", field->name);
            } else {
                lyc_strbuf_append_char(text, 'x');
            }
            print_element(text, field, load(field, attr, i));
        }
    }
}
