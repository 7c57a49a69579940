/* parameters.c - the text that says how a picture was made
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/parameters.h"

#include <string.h>

#include "base/memory.h"

static const char negative_prompt[] = "Negative prompt: ";
enum { LEAST_PAIRS = 3, MAX_KEY = 64 };

static char *copy_span(lyc_span span)
{
    char *copy = lyc_alloc(span.length + 1);
    if (copy != NULL) {
        memcpy(copy, span.text, span.length);
        copy[span.length] = '\0';
    }
    return copy;
}

/* Takes value, also when it fails. */
static lyc_status add_item(lyc_parameters *p, lyc_span key, char *value, lyc_error *err)
{
    lyc_parameter *items =
        lyc_realloc(p->items, (p->count + 1) * sizeof *items); /* fits: an item has more bytes of text */
    char *key_copy = copy_span(key);
    p->items = items != NULL ? items : p->items;
    if (items == NULL || key_copy == NULL || value == NULL) {
        lyc_free(key_copy);
        lyc_free(value);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the parameters of a picture");
    }
    items[p->count++] = (lyc_parameter){.key = key_copy, .value = value};
    return LYC_OK;
}

lyc_status lyc_parameters_add(lyc_parameters *p, const char *key, const char *value, lyc_error *err)
{
    return add_item(p, lyc_span_of(key), copy_span(lyc_span_of(value)), err);
}

lyc_status lyc_parameters_prompts(lyc_parameters *p, const char *prompt, const char *negative, lyc_error *err)
{
    lyc_free(p->prompt);
    lyc_free(p->negative);
    p->prompt = copy_span(lyc_span_of(prompt != NULL ? prompt : ""));
    p->negative = copy_span(lyc_span_of(negative != NULL ? negative : ""));
    if (p->prompt == NULL || p->negative == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the parameters of a picture");
    }
    return LYC_OK;
}

const char *lyc_parameters_get(const lyc_parameters *p, const char *key)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].key, key) == 0) {
            return p->items[i].value;
        }
    }
    return NULL;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static void append_quoted(lyc_strbuf *text, const char *value)
{
    lyc_strbuf_append_char(text, '"');
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            lyc_strbuf_append_char(text, '\\');
            lyc_strbuf_append_char(text, *c);
        } else if ((unsigned char)*c < 0x20) {
            *c == '\n' ? lyc_strbuf_append(text, "\\n") : lyc_strbuf_format(text, "\\u%04x", (unsigned)*c);
        } else {
            lyc_strbuf_append_char(text, *c);
        }
    }
    lyc_strbuf_append_char(text, '"');
}

void lyc_parameters_write(lyc_strbuf *text, const lyc_parameters *p)
{
    lyc_strbuf_append(text, p->prompt != NULL ? p->prompt : "");
    if (p->negative != NULL && p->negative[0] != '\0') {
        lyc_strbuf_format(text, "\n%s%s", negative_prompt, p->negative);
    }
    for (size_t i = 0; i < p->count; i++) {
        const char *value = p->items[i].value;
        lyc_strbuf_format(text, "%s%s: ", i == 0 ? "\n" : ", ", p->items[i].key);
        if (value[strcspn(value, ",:\n")] != '\0') {
            append_quoted(text, value);
        } else {
            lyc_strbuf_append(text, value);
        }
    }
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ' ' ||
           c == '-' || c == '/';
}

static lyc_span trim(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t' || *from == '\r')) {
        from++;
    }
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r')) {
        to--;
    }
    return (lyc_span){.text = from, .length = (size_t)(to - from)};
}

/* The end of a JSON string that starts at p (behind its closing quote); NULL when it does not end. */
static const char *string_end(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '"') {
            return p + 1;
        }
    }
    return NULL;
}

/* The next pair of a line; *p moves behind it and its comma. False when no pair starts here. */
static bool next_pair(lyc_span *key, lyc_span *value, const char **p, const char *end)
{
    const char *start = *p;
    const char *c = start;
    while (c < end && is_key_character(*c)) {
        c++;
    }
    *key = trim(start, c);
    if (c == end || *c != ':' || key->length == 0 || key->length > MAX_KEY) {
        return false;
    }
    for (c++; c < end && *c == ' '; c++) {
    }
    const char *quoted = c < end && *c == '"' ? string_end(c, end) : NULL;
    if (quoted != NULL && (quoted == end || *quoted == ',')) {
        *value = (lyc_span){.text = c, .length = (size_t)(quoted - c)};
        c = quoted;
    } else {
        const char *from = c;
        while (c < end && *c != ',') {
            c++;
        }
        *value = trim(from, c);
    }
    *p = c < end ? c + 1 : c;
    return true;
}

static int count_pairs(const char *p, const char *end)
{
    int count = 0;
    lyc_span key;
    lyc_span value;
    while (p < end && next_pair(&key, &value, &p, end)) {
        count++;
    }
    return p == end ? count : 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \uXXXX at p (behind the u), or -1. Surrogates, which only come in pairs, become U+FFFD. */
static int32_t unicode_escape(const char *p, const char *end)
{
    int32_t c = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = p + i < end ? hex_digit(p[i]) : -1;
        if (digit < 0) {
            return -1;
        }
        c = c * 16 + digit; /* fits: 4 digits */
    }
    return (c >= 0xd800 && c <= 0xdfff) || c == 0 ? 0xfffd : c;
}

/* What a JSON string says. */
static char *unquote(lyc_span quoted)
{
    static const char escapes[][2] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'b', '\b'}, {'f', '\f'}};
    lyc_strbuf text = {0};
    lyc_strbuf_append(&text, "");
    const char *end = quoted.text + quoted.length - 1;
    for (const char *p = quoted.text + 1; p < end; p++) {
        if (*p != '\\' || p + 1 >= end) {
            lyc_strbuf_append_char(&text, *p);
            continue;
        }
        char c = *++p;
        const int32_t code = c == 'u' ? unicode_escape(p + 1, end) : -1;
        if (code >= 0) {
            char utf8[4];
            lyc_strbuf_append_n(&text, utf8, lyc_utf8_encode(utf8, (uint32_t)code));
            p += 4;
            continue;
        }
        for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
            c = c == escapes[i][0] ? escapes[i][1] : c;
        }
        lyc_strbuf_append_char(&text, c);
    }
    return lyc_strbuf_take(&text);
}

static lyc_status read_pairs(lyc_parameters *p, const char *line, const char *end, lyc_error *err)
{
    lyc_span key;
    lyc_span value;
    while (line < end && next_pair(&key, &value, &line, end)) {
        const bool quoted = value.length >= 2 && value.text[0] == '"' && value.text[value.length - 1] == '"';
        LYC_TRY(add_item(p, key, quoted ? unquote(value) : copy_span(value), err));
    }
    return LYC_OK;
}

/* The last line with enough pairs; an empty span at the end of the text when there is none. */
static lyc_span find_parameter_line(const char *text)
{
    const char *end = text + strlen(text);
    lyc_span found = {.text = end, .length = 0};
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline != NULL ? newline : end;
        const lyc_span trimmed = trim(line, stop);
        if (count_pairs(trimmed.text, trimmed.text + trimmed.length) >= LEAST_PAIRS) {
            found = (lyc_span){.text = line, .length = (size_t)(stop - line)};
        }
        line = newline != NULL ? newline + 1 : end;
    }
    return found;
}

/* "Negative prompt: " at the start of a line before end, or end. */
static const char *find_negative(const char *text, const char *end)
{
    const size_t n = sizeof negative_prompt - 2; /* the blank may be missing */
    for (const char *line = text; line < end;) {
        if ((size_t)(end - line) >= n && memcmp(line, negative_prompt, n) == 0) {
            return line;
        }
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline != NULL ? newline + 1 : end;
    }
    return end;
}

static lyc_span without_newlines(const char *from, const char *to)
{
    while (to > from && (to[-1] == '\n' || to[-1] == '\r')) {
        to--;
    }
    return trim(from, to);
}

lyc_status lyc_parameters_read(lyc_parameters *p, const char *text, lyc_error *err)
{
    *p = (lyc_parameters){0};
    const lyc_span line = find_parameter_line(text);
    const char *negative = find_negative(text, line.text);
    p->prompt = copy_span(without_newlines(text, negative));
    const char *behind = negative < line.text ? negative + sizeof negative_prompt - 2 : negative;
    p->negative = copy_span(without_newlines(behind, line.text));
    lyc_status status = LYC_OK;
    if (p->prompt == NULL || p->negative == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for the parameters of a picture");
    } else {
        const lyc_span trimmed = trim(line.text, line.text + line.length);
        status = read_pairs(p, trimmed.text, trimmed.text + trimmed.length, err);
    }
    if (status != LYC_OK) {
        lyc_parameters_clear(p);
    }
    return status;
}

void lyc_parameters_clear(lyc_parameters *p)
{
    for (size_t i = 0; i < p->count; i++) {
        lyc_free(p->items[i].key);
        lyc_free(p->items[i].value);
    }
    lyc_free(p->items);
    lyc_free(p->prompt);
    lyc_free(p->negative);
    *p = (lyc_parameters){0};
}
