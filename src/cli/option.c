/* option.c - the words of a command line, by tables of options
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/option.h"

#include <assert.h>
#include <string.h>

/* Where the words stand and where the operands are collected. */
typedef struct parser {
    const lyc_option_target *target;
    char **words;
    int count;
    int next;
    int operands;
} parser;

/* A row and the struct that it belongs to. */
typedef struct match {
    const lyc_option *option;
    void *config;
    bool global;
} match;

const char *lyc_option_metavar(const lyc_option *option)
{
    static const char *const words[LYC_OPTION_KIND_COUNT] = {
        [LYC_OPTION_BOOL] = "",       [LYC_OPTION_INT] = "N",     [LYC_OPTION_FLOAT] = "NUMBER",
        [LYC_OPTION_SIZE] = "SIZE",   [LYC_OPTION_TEXT] = "TEXT", [LYC_OPTION_PATH] = "FILE",
        [LYC_OPTION_ENUM] = "CHOICE", [LYC_OPTION_LIST] = "TEXT",
    };
    return option->metavar != NULL ? option->metavar : words[option->kind];
}

static char unified(char c)
{
    return c == '_' ? '-' : c;
}

static bool name_is(const lyc_option *option, const char *name, size_t length)
{
    size_t i = 0;
    while (i < length && option->name[i] != '\0' && unified(option->name[i]) == unified(name[i])) {
        i++;
    }
    return i == length && option->name[i] == '\0';
}

/* The row by its letter (name NULL) or by its name. */
static match find(const lyc_option_target *target, char letter, const char *name, size_t length)
{
    for (const lyc_option *option = target->options; option != NULL && option->name != NULL; option++) {
        if (name != NULL ? name_is(option, name, length) : option->letter == letter) {
            return (match){option, target->config, false};
        }
    }
    for (const lyc_option *option = lyc_global_options; option->name != NULL; option++) {
        if (name != NULL ? name_is(option, name, length) : option->letter == letter) {
            return (match){option, target->globals, true};
        }
    }
    return (match){0};
}

/* Keeps in *best the visible option of the table that resembles the name most. */
static void find_nearest(const lyc_option **best, int *best_distance, const lyc_option *options, const char *name,
                         const lyc_command *command)
{
    for (const lyc_option *option = options; option != NULL && option->name != NULL; option++) {
        int distance;
        const bool offered = !option->hidden && (options != lyc_global_options || lyc_global_applies(option, command));
        if (offered && lyc_text_resembles(&distance, name, option->name) &&
            (*best == NULL || distance < *best_distance)) {
            *best = option;
            *best_distance = distance;
        }
    }
}

static lyc_status fail_unknown(const lyc_option_target *target, const char *name, size_t length, lyc_error *err)
{
    char wrong[65];
    const lyc_option *best = NULL;
    int best_distance = 0;
    if (length < sizeof wrong) {
        memcpy(wrong, name, length);
        wrong[length] = '\0';
        find_nearest(&best, &best_distance, target->options, wrong, target->command);
        find_nearest(&best, &best_distance, lyc_global_options, wrong, target->command);
    }
    if (best != NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown option --%.*s; did you mean --%s?", (int)length, name,
                            best->name);
    }
    return lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown option --%.*s", (int)length, name);
}

/* Gives the option its value; shown is how the user wrote it. */
static lyc_status set(const parser *p, match found, const char *dashes, const char *shown, size_t shown_length,
                      const char *value, lyc_error *err)
{
    lyc_error own = {0};
    const bool is_kept = !found.global && p->target->set != NULL;
    const lyc_status status = is_kept ? p->target->set(found.config, found.option, value, &own)
                                      : lyc_option_set(found.config, found.option, value, &own);
    if (status != LYC_OK) {
        return lyc_cli_fail(err, own.status, "%s%.*s: %s", dashes, (int)shown_length, shown, own.message);
    }
    return LYC_OK;
}

/* The next word as the value of an option; NULL when there is none. */
static const char *take_value(parser *p)
{
    return p->next < p->count ? p->words[p->next++] : NULL;
}

/* Whether the next word is one more of a list: not where it could be an operand. */
static bool takes_more(const parser *p)
{
    const lyc_command *command = p->target->command;
    return command != NULL && command->max_operands == 0 && p->next < p->count && p->words[p->next][0] != '-';
}

/* --name, --name=value, --no-name. */
static lyc_status parse_long(parser *p, const char *word, lyc_error *err)
{
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    const size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    match found = find(p->target, 0, name, length);
    if (found.option == NULL && equals == NULL && strncmp(name, "no-", 3) == 0) {
        found = find(p->target, 0, name + 3, length - 3);
        if (found.option != NULL && found.option->kind == LYC_OPTION_BOOL) {
            return set(p, found, "--", name, length, "false", err);
        }
        found.option = NULL;
    }
    if (found.option == NULL) {
        return fail_unknown(p->target, name, length, err);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (value == NULL) {
        value = found.option->kind == LYC_OPTION_BOOL ? "true" : take_value(p);
    }
    if (value == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--%s needs a value: --%s %s", found.option->name, found.option->name,
                            lyc_option_metavar(found.option));
    }
    LYC_TRY(set(p, found, "--", name, length, value, err));
    while (found.option->kind == LYC_OPTION_LIST && equals == NULL && takes_more(p)) {
        LYC_TRY(set(p, found, "--", name, length, take_value(p), err));
    }
    return LYC_OK;
}

/* -q, -qv, -t 4, -t4. */
static lyc_status parse_letters(parser *p, const char *word, lyc_error *err)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const match found = find(p->target, *letter, NULL, 0);
        if (found.option == NULL) {
            const bool alone = letter == word + 1 && letter[1] == '\0';
            return alone ? lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown option -%c", *letter)
                         : lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown option -%c in %s", *letter, word);
        }
        if (found.option->kind == LYC_OPTION_BOOL) {
            const lyc_status status = set(p, found, "-", letter, 1, "true", err);
            if (status != LYC_OK) {
                return status;
            }
            continue;
        }
        const char *value = letter[1] != '\0' ? letter + 1 : take_value(p);
        if (value == NULL) {
            return lyc_cli_fail(err, LYC_E_ARGUMENT, "-%c needs a value: -%c %s", *letter, *letter,
                                lyc_option_metavar(found.option));
        }
        return set(p, found, "-", letter, 1, value, err);
    }
    return LYC_OK;
}

lyc_status lyc_option_parse(int *operand_count, int *used, const lyc_option_target *target, int count, char **words,
                            bool stop_at_operand, lyc_error *err)
{
    parser p = {.target = target, .words = words, .count = count};
    bool options_end = false;
    while (p.next < p.count) {
        char *word = p.words[p.next];
        lyc_status status = LYC_OK;
        if (options_end || word[0] != '-' || word[1] == '\0') {
            if (stop_at_operand) {
                break;
            }
            p.words[p.operands++] = word;
            p.next++;
            continue;
        }
        p.next++;
        if (strcmp(word, "--") == 0) {
            options_end = true;
        } else {
            status = word[1] == '-' ? parse_long(&p, word, err) : parse_letters(&p, word, err);
        }
        if (status != LYC_OK) {
            return status;
        }
    }
    *operand_count = p.operands;
    *used = p.next;
    return LYC_OK;
}
