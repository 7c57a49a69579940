/* prompt.c - a prompt taken apart
 *
 * The word AND separates conditions; each may end in " : number", its weight (A1111's modules/prompt_parser.py). There
 * a prompt without AND may end in a weight too, which turns the time "12:30" into a weight of 30; here that is text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/prompt.h"

#include <string.h>

#include "base/number.h"

static const char and_word[] = "AND";

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts the text up to the next AND off; false when nothing is left. */
static bool next_condition(lyc_span *condition, lyc_span *text)
{
    const size_t length = strlen(and_word);
    if (text->text == NULL) {
        return false;
    }
    for (size_t i = 0; i + length <= text->length; i++) {
        const bool starts = i == 0 || !is_word_byte(text->text[i - 1]);
        const bool ends = i + length == text->length || !is_word_byte(text->text[i + length]);
        if (starts && ends && memcmp(text->text + i, and_word, length) == 0) {
            *condition = (lyc_span){text->text, i};
            *text = (lyc_span){text->text + i + length, text->length - i - length};
            return true;
        }
    }
    *condition = *text;
    *text = (lyc_span){0};
    return true;
}

static size_t count_conditions(lyc_span text)
{
    lyc_span condition;
    size_t count = 0;
    while (next_condition(&condition, &text)) {
        count++;
    }
    return count;
}

static lyc_span trim_end(lyc_span text)
{
    while (text.length > 0 && is_blank(text.text[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* Cuts ": number" off the end of a condition. */
static void take_weight(double *weight, lyc_span *condition)
{
    const lyc_span text = trim_end(*condition);
    size_t start = text.length;
    while (start > 0 && strchr("0123456789.+-", text.text[start - 1]) != NULL && text.text[start - 1] != '\0') {
        start--;
    }
    const bool plus = start < text.length && text.text[start] == '+';
    const lyc_span number = {text.text + start + plus, text.length - start - plus};
    const lyc_span before = trim_end((lyc_span){text.text, start});
    if (before.length > 0 && before.text[before.length - 1] == ':' && lyc_number_parse(weight, number)) {
        *condition = trim_end((lyc_span){before.text, before.length - 1});
    }
}

static lyc_status parse_condition(lyc_prompt *prompt, lyc_span text, const lyc_prompt_options *options, bool alone,
                                  lyc_error *err)
{
    lyc_prompt_condition *condition = &prompt->conditions[prompt->condition_count++];
    condition->weight = 1;
    if (!alone) {
        take_weight(&condition->weight, &text);
    }
    return options->weights ? lyc_prompt_weight_parse(&condition->items, &prompt->arena, text, options->breaks, err)
                            : lyc_prompt_weight_plain(&condition->items, &prompt->arena, text, err);
}

static lyc_status parse(lyc_prompt *prompt, lyc_span text, const lyc_prompt_options *options, lyc_error *err)
{
    if (options->networks) {
        LYC_TRY(lyc_prompt_network_extract(&text, &prompt->networks, &prompt->arena, text, err));
    }
    const size_t count = options->conditions ? count_conditions(text) : 1;
    if (count > LYC_PROMPT_MAX_CONDITIONS) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a prompt with %zu conditions (AND); the limit is %d", count,
                        LYC_PROMPT_MAX_CONDITIONS);
    }
    prompt->conditions = lyc_arena_alloc(&prompt->arena, count, sizeof *prompt->conditions);
    if (prompt->conditions == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a prompt");
    }
    if (count == 1) {
        return parse_condition(prompt, text, options, true, err);
    }
    for (lyc_span condition; next_condition(&condition, &text);) {
        LYC_TRY(parse_condition(prompt, condition, options, false, err));
    }
    return LYC_OK;
}

lyc_status lyc_prompt_parse(lyc_prompt *out, lyc_span text, const lyc_prompt_options *options, lyc_error *err)
{
    static const lyc_prompt_options plain = {0};
    *out = (lyc_prompt){0};
    text.text = text.text != NULL ? text.text : "";
    if (text.length > LYC_PROMPT_MAX_TEXT) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a prompt of %zu bytes; the limit is %d", text.length,
                        LYC_PROMPT_MAX_TEXT);
    }
    const size_t valid = lyc_utf8_valid_prefix(text.text, text.length);
    if (valid < text.length) {
        return lyc_fail(err, LYC_E_FORMAT, "the prompt is not UTF-8 at byte %zu", valid);
    }
    const lyc_status status = parse(out, text, options != NULL ? options : &plain, err);
    if (status != LYC_OK) {
        lyc_prompt_clear(out);
    }
    return status;
}

void lyc_prompt_clear(lyc_prompt *prompt)
{
    lyc_arena_clear(&prompt->arena);
    *prompt = (lyc_prompt){0};
}
