/* option.c - values from text, checked against the option's row
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/option.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "base/string.h"

/* "at least 1", "from 1 to 1024". */
static const char *range_text(char *text, size_t size, const lyc_option *option)
{
    if (option->max == LYC_OPTION_UNLIMITED) {
        snprintf(text, size, "at least %.15g", option->min);
    } else if (option->min == -LYC_OPTION_UNLIMITED) {
        snprintf(text, size, "at most %.15g", option->max);
    } else {
        snprintf(text, size, "from %.15g to %.15g", option->min, option->max);
    }
    return text;
}

static lyc_status check_range(const lyc_option *option, double value, const char *text, lyc_error *err)
{
    char range[80];
    if (option->min != option->max && (value < option->min || value > option->max)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is out of range: expected %s", text,
                        range_text(range, sizeof range, option));
    }
    return LYC_OK;
}

static lyc_status set_bool(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    (void)option;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (int truth = 0; truth < 2; truth++) {
            if (strcasecmp(value, words[i][truth]) == 0) {
                *(bool *)member = truth;
                return LYC_OK;
            }
        }
    }
    return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is neither true nor false", value);
}

static lyc_status set_int(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    char *end = NULL;
    errno = 0;
    const long long read = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || strspn(value, "+-0123456789") != strlen(value)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is not a whole number", value);
    }
    if (errno == ERANGE) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is beyond 64 bits", value);
    }
    LYC_TRY(check_range(option, (double)read, value, err));
    *(int64_t *)member = read;
    return LYC_OK;
}

static lyc_status set_float(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    double read;
    if (!lyc_number_parse(&read, lyc_span_of(value))) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is not a number", value);
    }
    LYC_TRY(check_range(option, read, value, err));
    *(double *)member = read;
    return LYC_OK;
}

/* The factor of a unit: 1 for "" and "B"; 0 when there is no such unit. */
static double unit_factor(const char *unit)
{
    static const char letters[] = "KMGTP";
    if (unit[0] == '\0' || strcasecmp(unit, "B") == 0) {
        return 1;
    }
    const char upper = unit[0] >= 'a' ? (char)(unit[0] - 'a' + 'A') : unit[0];
    const char *letter = strchr(letters, upper);
    if (letter == NULL) {
        return 0;
    }
    const int power = (int)(letter - letters) + 1;
    if (unit[1] == '\0' || strcasecmp(unit + 1, "iB") == 0) {
        return pow(1024, power);
    }
    return strcasecmp(unit + 1, "B") == 0 ? pow(1000, power) : 0;
}

static lyc_status set_size(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    const size_t digits = strspn(value, "0123456789.");
    double number = 0;
    const bool starts = lyc_number_parse(&number, (lyc_span){value, digits});
    const double factor = starts ? unit_factor(value + digits + strspn(value + digits, " ")) : 0;
    if (factor == 0) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is not a size: expected bytes such as 4096, 512M or 2.4G", value);
    }
    if (number * factor >= 0x1p63) {
        return lyc_fail(err, LYC_E_ARGUMENT, "'%s' is beyond 2^63 bytes", value);
    }
    LYC_TRY(check_range(option, number * factor, value, err));
    *(uint64_t *)member = (uint64_t)(number * factor);
    return LYC_OK;
}

static lyc_status set_text(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    (void)option;
    (void)err;
    *(const char **)member = value;
    return LYC_OK;
}

static lyc_status set_path(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    if (value[0] == '\0') {
        return lyc_fail(err, LYC_E_ARGUMENT, "an empty text is no file name");
    }
    return set_text(member, option, value, err);
}

/* "auto, always or never". */
static void append_choices(lyc_strbuf *text, const lyc_option_choice *choices)
{
    for (size_t i = 0; choices[i].name != NULL; i++) {
        const char *separator = i == 0 ? "" : choices[i + 1].name != NULL ? ", " : " or ";
        lyc_strbuf_format(text, "%s%s", separator, choices[i].name);
    }
}

static lyc_status fail_choice(const lyc_option *option, const char *value, lyc_error *err)
{
    const char *nearest = NULL;
    int best = 0;
    for (const lyc_option_choice *choice = option->choices; choice->name != NULL; choice++) {
        int distance;
        if (lyc_text_resembles(&distance, value, choice->name) && (nearest == NULL || distance < best)) {
            nearest = choice->name;
            best = distance;
        }
    }
    lyc_strbuf text = {0};
    append_choices(&text, option->choices);
    const lyc_status status = nearest != NULL
                                  ? lyc_fail(err, LYC_E_ARGUMENT, "'%s' is none of %s; did you mean %s?", value,
                                             lyc_strbuf_text(&text), nearest)
                                  : lyc_fail(err, LYC_E_ARGUMENT, "'%s' is none of %s", value, lyc_strbuf_text(&text));
    lyc_strbuf_clear(&text);
    return status;
}

static lyc_status set_enum(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    for (int i = 0; option->choices[i].name != NULL; i++) {
        if (strcmp(value, option->choices[i].name) == 0) {
            *(int *)member = i;
            return LYC_OK;
        }
    }
    return fail_choice(option, value, err);
}

static lyc_status add_to_list(void *member, const lyc_option *option, const char *value, lyc_error *err)
{
    (void)option;
    lyc_option_list *list = member;
    size_t bytes;
    if (!lyc_size_mul(&bytes, list->count + 1, sizeof *list->items)) {
        return lyc_fail(err, LYC_E_MEMORY, "a list of %zu texts", list->count);
    }
    const char **items = lyc_realloc(list->items, bytes);
    if (items == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "a list of %zu texts", list->count + 1);
    }
    items[list->count] = value;
    list->items = items;
    list->count++;
    return LYC_OK;
}

typedef lyc_status (*set_function)(void *member, const lyc_option *option, const char *value, lyc_error *err);

static const struct {
    set_function set;
    size_t size;
} kinds[LYC_OPTION_KIND_COUNT] = {
    [LYC_OPTION_BOOL] = {set_bool, sizeof(bool)},         [LYC_OPTION_INT] = {set_int, sizeof(int64_t)},
    [LYC_OPTION_FLOAT] = {set_float, sizeof(double)},     [LYC_OPTION_SIZE] = {set_size, sizeof(uint64_t)},
    [LYC_OPTION_TEXT] = {set_text, sizeof(const char *)}, [LYC_OPTION_PATH] = {set_path, sizeof(const char *)},
    [LYC_OPTION_ENUM] = {set_enum, sizeof(int)},          [LYC_OPTION_LIST] = {add_to_list, sizeof(lyc_option_list)},
};

lyc_status lyc_option_set(void *config, const lyc_option *option, const char *value, lyc_error *err)
{
    assert((unsigned)option->kind < LYC_OPTION_KIND_COUNT);
    return kinds[option->kind].set((char *)config + option->offset, option, value, err);
}

lyc_status lyc_option_reset(void *config, const lyc_option *options, lyc_error *err)
{
    lyc_error own;
    for (const lyc_option *option = options; option->name != NULL; option++) {
        memset((char *)config + option->offset, 0, kinds[option->kind].size);
        if (option->standard != NULL && lyc_option_set(config, option, option->standard, &own) != LYC_OK) {
            return lyc_fail(err, own.status, "%s: %s", option->name, own.message);
        }
    }
    return LYC_OK;
}

void lyc_option_clear(void *config, const lyc_option *options)
{
    for (const lyc_option *option = options; option->name != NULL; option++) {
        if (option->kind == LYC_OPTION_LIST) {
            lyc_option_list *list = (void *)((char *)config + option->offset);
            lyc_free(list->items);
            *list = (lyc_option_list){0};
        }
    }
}

const lyc_option *lyc_option_find(const lyc_option *options, const char *name)
{
    for (const lyc_option *option = options; option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}
