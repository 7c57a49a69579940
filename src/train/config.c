/* config.c - options as they were given
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/string.h"
#include "train/lr_schedule.h"
#include "train/optimizer.h"

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the options of a training");
}

lyc_status lyc_train_config_new(lyc_train_config **out, lyc_error *err)
{
    lyc_train_config *config = lyc_alloc_zero(1, sizeof *config);
    if (config == NULL) {
        return no_memory(err);
    }
    while (lyc_train_option_rows[config->rows].name != NULL) {
        config->rows++;
    }
    config->sources = lyc_alloc_zero(config->rows, sizeof *config->sources);
    const lyc_status status =
        config->sources != NULL ? lyc_option_reset(&config->options, lyc_train_option_rows, err) : no_memory(err);
    if (status != LYC_OK) {
        lyc_train_config_free(config);
        return status;
    }
    *out = config;
    return LYC_OK;
}

void lyc_train_config_free(lyc_train_config *config)
{
    if (config != NULL) {
        lyc_option_clear(&config->options, lyc_train_option_rows);
        lyc_arena_clear(&config->arena);
        lyc_free(config->sources);
        lyc_free(config->notices.items);
        lyc_free(config->choices.items);
        lyc_free(config);
    }
}

/* --- notices -------------------------------------------------------------------------------------------------------
 */

static lyc_status add_text(lyc_train_config *config, struct lyc_train_texts *texts, lyc_error *err, const char *format,
                           va_list arguments)
{
    char text[sizeof err->message];
    vsnprintf(text, sizeof text, format, arguments);
    if (texts->count == texts->capacity) {
        const size_t wanted = texts->capacity * 2 + 16; /* fits: one for each option at most */
        const char **larger = lyc_realloc(texts->items, wanted * sizeof *larger);
        if (larger == NULL) {
            return no_memory(err);
        }
        texts->items = larger;
        texts->capacity = wanted;
    }
    texts->items[texts->count] = lyc_arena_text(&config->arena, text);
    return texts->items[texts->count++] != NULL ? LYC_OK : no_memory(err);
}

lyc_status lyc_train_config_note(lyc_train_config *config, lyc_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const lyc_status status = add_text(config, &config->notices, err, format, arguments);
    va_end(arguments);
    return status;
}

lyc_status lyc_train_config_chose(lyc_train_config *config, lyc_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const lyc_status status = add_text(config, &config->choices, err, format, arguments);
    va_end(arguments);
    return status;
}

const char *lyc_train_config_notice(const lyc_train_config *config, size_t index)
{
    return index < config->notices.count ? config->notices.items[index] : NULL;
}

const char *lyc_train_config_choice(const lyc_train_config *config, size_t index)
{
    return index < config->choices.count ? config->choices.items[index] : NULL;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && (*a == *b || (strchr("-_", *a) != NULL && *b != '\0' && strchr("-_", *b) != NULL))) {
        a++;
        b++;
    }
    return *a == *b;
}

const lyc_option *lyc_train_option_find(const char *name)
{
    for (const lyc_option *row = lyc_train_option_rows; row->name != NULL; row++) {
        if (same_name(name, row->name)) {
            return row;
        }
    }
    return NULL;
}

const char *lyc_train_option_nearest(const char *name)
{
    const char *best = NULL;
    int nearest = 0, distance;
    for (const lyc_option *row = lyc_train_option_rows; row->name != NULL; row++) {
        if (!row->hidden && lyc_text_resembles(&distance, name, row->name) && (best == NULL || distance < nearest)) {
            best = row->name;
            nearest = distance;
        }
    }
    return best;
}

/* --- values --------------------------------------------------------------------------------------------------------
 */

/* Rows of other names for the same thing have the same place. */
static lyc_option_source source_of(const lyc_train_config *config, const lyc_option *row)
{
    lyc_option_source source = LYC_FROM_STANDARD;
    for (size_t i = 0; i < config->rows; i++) {
        if (lyc_train_option_rows[i].offset == row->offset && config->sources[i] > source) {
            source = config->sources[i];
        }
    }
    return source;
}

lyc_option_source lyc_train_config_source(const lyc_train_config *config, const char *name)
{
    const lyc_option *row = lyc_train_option_find(name);
    return row != NULL ? source_of(config, row) : LYC_FROM_STANDARD;
}

bool lyc_train_config_said(const lyc_train_config *config, const char *name)
{
    const lyc_option *row = lyc_train_option_find(name);
    return row != NULL && config->sources[row - lyc_train_option_rows] == LYC_FROM_USER;
}

static bool is_off(const lyc_option *row, const char *value)
{
    static const char *const words[] = {"false", "no", "off", "0", "", "none", "None"};
    for (size_t i = 0; row->kind == LYC_OPTION_TEXT && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Says why a known option of sd-scripts is not used, or refuses it. */
static lyc_status judge_foreign(lyc_train_config *config, const lyc_option *row, const char *value, lyc_error *err)
{
    const lyc_foreign_option foreign = lyc_train_foreign_option(row->name);
    const bool off = row->kind == LYC_OPTION_BOOL ? !config->options.foreign_flag : is_off(row, value);
    if (foreign.kind == LYC_FOREIGN_NONE || off) {
        return LYC_OK;
    }
    if (foreign.kind == LYC_FOREIGN_NOT_POSSIBLE) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "not possible here: %s", foreign.reason);
    }
    return lyc_train_config_note(config, err, "%s has no effect: %s", row->name, foreign.reason);
}

lyc_status lyc_train_config_give(lyc_train_config *config, const lyc_option *row, const char *value,
                                 lyc_option_source source, lyc_error *err)
{
    const lyc_option_source before = source_of(config, row);
    const bool foreign = lyc_train_foreign_option(row->name).kind != LYC_FOREIGN_NONE;
    if (before > source && !foreign) {
        return LYC_OK;
    }
    const char *copy = lyc_arena_text(&config->arena, value);
    if (copy == NULL) {
        return no_memory(err);
    }
    if (row->kind == LYC_OPTION_LIST && before < source) {
        ((lyc_option_list *)(void *)((char *)&config->options + row->offset))->count = 0;
    }
    LYC_TRY(lyc_option_set(&config->options, row, copy, err));
    config->sources[row - lyc_train_option_rows] = (unsigned char)source;
    return foreign ? judge_foreign(config, row, copy, err) : LYC_OK;
}

lyc_status lyc_train_config_set(lyc_train_config *config, const char *name, const char *value, lyc_error *err)
{
    const lyc_option *row = lyc_train_option_find(name);
    const char *nearest = row == NULL ? lyc_train_option_nearest(name) : NULL;
    if (row == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "no option is called '%s'%s%s%s", name,
                        nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "?" : "");
    }
    return lyc_train_config_give(config, row, value, LYC_FROM_USER, err);
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

const char *lyc_train_config_text(const lyc_train_config *config, const char *name)
{
    const lyc_option *row = lyc_train_option_find(name);
    const bool is_text = row != NULL && (row->kind == LYC_OPTION_TEXT || row->kind == LYC_OPTION_PATH);
    return is_text ? *(const char *const *)(const void *)((const char *)&config->options + row->offset) : NULL;
}

double lyc_train_config_number(const lyc_train_config *config, const char *name)
{
    const lyc_option *row = lyc_train_option_find(name);
    const void *member = row != NULL ? (const char *)&config->options + row->offset : NULL;
    switch (row != NULL ? row->kind : LYC_OPTION_KIND_COUNT) {
    case LYC_OPTION_BOOL:
        return *(const bool *)member ? 1 : 0;
    case LYC_OPTION_INT:
        return (double)*(const int64_t *)member;
    case LYC_OPTION_FLOAT:
        return *(const double *)member;
    case LYC_OPTION_SIZE:
        return (double)*(const uint64_t *)member;
    default:
        return 0;
    }
}

/* --- what there is to choose from ----------------------------------------------------------------------------------
 */

const char *lyc_train_optimizer_at(size_t index, const char **summary)
{
    const char *name = lyc_optimizer_name_at(index);
    *summary = name != NULL ? lyc_optimizer_summary(lyc_optimizer_find(name)) : NULL;
    return name;
}

const char *lyc_train_schedule_at(size_t index, const char **summary)
{
    *summary = lyc_lr_schedule_summary_at(index);
    return lyc_lr_schedule_name_at(index);
}
