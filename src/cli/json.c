/* json.c - writes JSON, indented, member by member
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lycoris/text.h"

/* Bytes of the character at text by its first byte; 1 for what cannot start one. */
static size_t character_length(unsigned char first)
{
    return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
}

static void write_escape(FILE *out, uint32_t code_point)
{
    if (code_point >= 0x10000) {
        code_point -= 0x10000;
        fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xD800 + (code_point >> 10), 0xDC00 + (code_point & 0x3FF));
    } else {
        fprintf(out, "\\u%04" PRIx32, code_point);
    }
}

static uint32_t decode(const char *text, size_t length)
{
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code_point = (unsigned char)text[0] & masks[length];
    for (size_t i = 1; i < length; i++) {
        code_point = (code_point << 6) | ((unsigned char)text[i] & 0x3F);
    }
    return code_point;
}

/* A character that is not ASCII. The library says whether it is one and whether a terminal may see it: it shows what
 * must not be seen as \u..., and bytes that are no character as \x... */
static size_t write_wide(FILE *out, const char *text, size_t length)
{
    char shown[16];
    const size_t size = character_length((unsigned char)text[0]);
    if (size == 1 || size > length) {
        fputs("\xEF\xBF\xBD", out);
        return 1;
    }
    const size_t shown_length = lyc_text_printable(shown, sizeof shown, text, size);
    if (shown_length == size && memcmp(shown, text, size) == 0) {
        fwrite(text, 1, size, out);
        return size;
    }
    if (strncmp(shown, "\\x", 2) == 0) {
        fputs("\xEF\xBF\xBD", out);
        return 1;
    }
    write_escape(out, decode(text, size));
    return size;
}

static void write_quoted(FILE *out, const char *text, size_t length)
{
    fputc('"', out);
    for (size_t i = 0; i < length;) {
        const unsigned char c = (unsigned char)text[i];
        if (c >= 0x80) {
            i += write_wide(out, text + i, length - i);
            continue;
        }
        if (c == '"' || c == '\\') {
            fputc('\\', out);
        }
        if (c == '\n') {
            fputs("\\n", out);
        } else if (c < 0x20 || c == 0x7F) {
            write_escape(out, c);
        } else {
            fputc(c, out);
        }
        i++;
    }
    fputc('"', out);
}

/* Comma, line break, indentation, key: all that stands before a value. */
static void begin_member(lyc_json *json, const char *key, size_t key_length)
{
    if (json->depth > 0) {
        fputs(json->has_members ? (json->on_one_line ? ", " : ",") : "", json->out);
        if (!json->on_one_line) {
            fprintf(json->out, "\n%*s", 2 * json->depth, "");
        }
    }
    if (key != NULL) {
        write_quoted(json->out, key, key_length);
        fputs(": ", json->out);
    }
    json->has_members = true;
}

static void begin_value(lyc_json *json, const char *key)
{
    begin_member(json, key, key != NULL ? strlen(key) : 0);
}

static void begin(lyc_json *json, const char *key, char opening, char closing)
{
    assert(json->depth < (int)sizeof json->closing);
    begin_value(json, key);
    fputc(opening, json->out);
    json->closing[json->depth++] = closing;
    json->has_members = false;
}

void lyc_json_begin_object(lyc_json *json, const char *key)
{
    begin(json, key, '{', '}');
}

void lyc_json_begin_array(lyc_json *json, const char *key)
{
    begin(json, key, '[', ']');
}

void lyc_json_end(lyc_json *json)
{
    assert(json->depth > 0);
    json->depth--;
    if (json->has_members && !json->on_one_line) {
        fprintf(json->out, "\n%*s", 2 * json->depth, "");
    }
    fputc(json->closing[json->depth], json->out);
    if (json->depth == 0) {
        fputc('\n', json->out);
    }
    json->has_members = true;
}

void lyc_json_text(lyc_json *json, const char *key, const char *text)
{
    begin_value(json, key);
    if (text == NULL) {
        fputs("null", json->out);
    } else {
        write_quoted(json->out, text, strlen(text));
    }
}

void lyc_json_text_n(lyc_json *json, const char *key, size_t key_length, const char *text, size_t length)
{
    begin_member(json, key, key_length);
    write_quoted(json->out, text, length);
}

void lyc_json_unsigned(lyc_json *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void lyc_json_integer(lyc_json *json, const char *key, int64_t value)
{
    begin_value(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void lyc_json_bool(lyc_json *json, const char *key, bool value)
{
    begin_value(json, key);
    fputs(value ? "true" : "false", json->out);
}

void lyc_json_number(lyc_json *json, const char *key, double value)
{
    begin_value(json, key);
    if (!isfinite(value)) {
        fputs("null", json->out);
        return;
    }
    char text[LYC_NUMBER];
    fputs(lyc_number_format(text, value), json->out);
}
