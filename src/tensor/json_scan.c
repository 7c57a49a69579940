/* json_scan.c - JSON read token by token
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tensor/json_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/string.h"

enum {
    PROGRESS_STEP = 1 << 20, /* bytes between two reports */
    RUN_MAX = 1 << 16        /* bytes copied at once: looked at and copied while they are in the cache */
};

lyc_status lyc_json_fail(const lyc_json_scan *scan, size_t position, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return lyc_fail(scan->err, LYC_E_FORMAT, "%s, at byte %" PRIu64, text, scan->origin + position);
}

char lyc_json_peek(lyc_json_scan *scan)
{
    for (; scan->position < scan->size; scan->position++) {
        const unsigned char c = scan->text[scan->position];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return (char)c;
        }
    }
    return '\0';
}

/* "expected x, found y"; the caller has peeked. */
static lyc_status fail_found(lyc_json_scan *scan, const char *expected)
{
    char found[16];
    if (scan->position >= scan->size) {
        return lyc_json_fail(scan, scan->position, "expected %s, found the end of the header", expected);
    }
    lyc_text_printable(found, sizeof found, (const char *)scan->text + scan->position, 1);
    return lyc_json_fail(scan, scan->position, "expected %s, found '%s'", expected, found);
}

static void report(lyc_json_scan *scan)
{
    if (scan->progress != NULL && scan->position - scan->reported >= PROGRESS_STEP) {
        scan->reported = scan->position;
        scan->progress(scan->context, scan->reported);
    }
}

lyc_status lyc_json_open(lyc_json_scan *scan, char bracket, const char *what)
{
    if (lyc_json_peek(scan) != bracket) {
        return fail_found(scan, what);
    }
    if (scan->depth >= scan->max_depth) {
        return lyc_json_fail(scan, scan->position, "more than %d levels of nesting", scan->max_depth);
    }
    scan->depth++;
    scan->position++;
    return LYC_OK;
}

lyc_status lyc_json_next(bool *more, lyc_json_scan *scan, char close, bool first)
{
    report(scan);
    const char c = lyc_json_peek(scan);
    *more = c != close;
    if (c == close) {
        scan->position++;
        scan->depth--;
        return LYC_OK;
    }
    if (first) {
        return LYC_OK;
    }
    if (c != ',') {
        return fail_found(scan, close == '}' ? "',' or '}'" : "',' or ']'");
    }
    scan->position++;
    return lyc_json_peek(scan) == close ? fail_found(scan, "another member") : LYC_OK;
}

lyc_status lyc_json_colon(lyc_json_scan *scan)
{
    if (lyc_json_peek(scan) != ':') {
        return fail_found(scan, "':'");
    }
    scan->position++;
    return LYC_OK;
}

/* fits: c is a byte, and comes to stand in each of eight */
#define EIGHT(c) (UINT64_C(0x0101010101010101) * (c))

/* Bytes at the start of text that stand for themselves in a string and are ASCII; looks at eight at a time. */
static size_t plain_run(const unsigned char *text, size_t size)
{
    size_t i = 0;
    for (uint64_t w; size - i >= sizeof w; i += sizeof w) {
        memcpy(&w, text + i, sizeof w);
        const uint64_t quote = w ^ EIGHT('"');
        const uint64_t backslash = w ^ EIGHT('\\');
        /* (x - 1) & ~x has the high bit of each zero byte, w - 0x20 that of each byte below 0x20, w that of each beyond
         * ASCII. A borrow can set more bits: then the bytes are looked at one by one. */
        const uint64_t special =
            ((quote - EIGHT(1)) & ~quote) | ((backslash - EIGHT(1)) & ~backslash) | (w - EIGHT(0x20)) | w;
        if ((special & EIGHT(0x80)) != 0) {
            break;
        }
    }
    while (i < size && text[i] >= 0x20 && text[i] < 0x80 && text[i] != '"' && text[i] != '\\') {
        i++;
    }
    return i;
}

/* The four digits after \u; -1 when they are none. */
static int32_t hex4(const unsigned char *text, size_t size)
{
    if (size < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned char c = text[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* The character of the \u escape at text (behind the u), a surrogate pair as one; -1 when it is wrong. */
static int32_t unicode_escape(size_t *taken, const unsigned char *text, size_t size)
{
    const int32_t first = hex4(text, size);
    *taken = 4;
    if (first < 0xD800 || first > 0xDFFF) {
        return first;
    }
    if (first > 0xDBFF || size < 10 || text[4] != '\\' || text[5] != 'u') {
        return -1;
    }
    const int32_t second = hex4(text + 6, size - 6);
    *taken = 10;
    if (second < 0xDC00 || second > 0xDFFF) {
        return -1;
    }
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

/* Decodes the escape at the position and appends it. */
static lyc_status take_escape(char *out, size_t *length, lyc_json_scan *scan)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const unsigned char *text = scan->text + scan->position;
    const size_t left = scan->size - scan->position;
    const char *known = left >= 2 && text[1] != '\0' ? strchr(from, text[1]) : NULL;
    if (known != NULL) {
        out[(*length)++] = to[known - from];
        scan->position += 2;
        return LYC_OK;
    }
    size_t taken = 0;
    const int32_t code = left >= 2 && text[1] == 'u' ? unicode_escape(&taken, text + 2, left - 2) : -1;
    if (code < 0) {
        return lyc_json_fail(scan, scan->position, "wrong escape in a string");
    }
    *length += lyc_utf8_encode(out + *length, (uint32_t)code);
    scan->position += 2 + taken;
    return LYC_OK;
}

lyc_status lyc_json_string(char *out, size_t *length, lyc_json_scan *scan)
{
    if (lyc_json_peek(scan) != '"') {
        return fail_found(scan, "a string");
    }
    const size_t start = scan->position++;
    *length = 0;
    while (scan->position < scan->size) {
        report(scan);
        const unsigned char *text = scan->text + scan->position;
        const size_t left = scan->size - scan->position;
        const size_t run = plain_run(text, left < RUN_MAX ? left : RUN_MAX);
        memcpy(out + *length, text, run);
        *length += run;
        scan->position += run;
        if (run == left || run == RUN_MAX) {
            continue;
        }
        const unsigned char c = text[run];
        if (c == '"') {
            scan->position++;
            out[*length] = '\0';
            return LYC_OK;
        }
        if (c == '\\') {
            LYC_TRY(take_escape(out, length, scan));
            continue;
        }
        if (c < 0x20) {
            return lyc_json_fail(scan, scan->position, "control character in a string");
        }
        size_t step;
        if (lyc_utf8_decode(&step, (const char *)text + run, left - run) < 0) {
            return lyc_json_fail(scan, scan->position, "header is not UTF-8");
        }
        memcpy(out + *length, text + run, step);
        *length += step;
        scan->position += step;
    }
    return lyc_json_fail(scan, start, "string without an end");
}

static bool is_digit(const lyc_json_scan *scan, size_t position)
{
    return position < scan->size && scan->text[position] >= '0' && scan->text[position] <= '9';
}

static size_t skip_digits(const lyc_json_scan *scan, size_t position)
{
    while (is_digit(scan, position)) {
        position++;
    }
    return position;
}

lyc_status lyc_json_read_unsigned(uint64_t *value, lyc_json_scan *scan, const char *what)
{
    lyc_json_peek(scan);
    const size_t start = scan->position;
    uint64_t number = 0;
    size_t i = start;
    for (; is_digit(scan, i); i++) {
        const unsigned digit = scan->text[i] - '0';
        if (number > (UINT64_MAX - digit) / 10) {
            return lyc_json_fail(scan, start, "%s above 2^64 - 1", what);
        }
        number = number * 10 + digit; /* fits: checked above */
    }
    const bool leading_zero = i - start > 1 && scan->text[start] == '0';
    const bool fraction = i < scan->size && (scan->text[i] == '.' || scan->text[i] == 'e' || scan->text[i] == 'E');
    if (i == start || leading_zero || fraction) {
        return lyc_json_fail(scan, start, "%s is no whole number", what);
    }
    scan->position = i;
    *value = number;
    return LYC_OK;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static lyc_status skip_number(lyc_json_scan *scan)
{
    const size_t start = scan->position;
    size_t i = start;
    i += scan->text[i] == '-';
    const size_t integer = i;
    i = skip_digits(scan, i);
    bool good = i > integer && (scan->text[integer] != '0' || i == integer + 1);
    if (good && i < scan->size && scan->text[i] == '.') {
        const size_t fraction = i + 1;
        i = skip_digits(scan, fraction);
        good = i > fraction;
    }
    if (good && i < scan->size && (scan->text[i] == 'e' || scan->text[i] == 'E')) {
        i++;
        i += i < scan->size && (scan->text[i] == '+' || scan->text[i] == '-');
        const size_t exponent = i;
        i = skip_digits(scan, exponent);
        good = i > exponent;
    }
    scan->position = i;
    return good ? LYC_OK : lyc_json_fail(scan, start, "malformed number");
}

static lyc_status skip_word(lyc_json_scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        const size_t length = strlen(words[i]);
        if (scan->size - scan->position >= length && memcmp(scan->text + scan->position, words[i], length) == 0) {
            scan->position += length;
            return LYC_OK;
        }
    }
    return fail_found(scan, "a value");
}

static lyc_status skip_members(lyc_json_scan *scan, char close, char *room);

lyc_status lyc_json_skip(lyc_json_scan *scan, char *room)
{
    size_t length;
    const char c = lyc_json_peek(scan);
    switch (c) {
    case '"':
        return lyc_json_string(room, &length, scan);
    case '{':
    case '[':
        LYC_TRY(lyc_json_open(scan, c, "a value"));
        return skip_members(scan, c == '{' ? '}' : ']', room);
    case '-':
        return skip_number(scan);
    default:
        return is_digit(scan, scan->position) ? skip_number(scan) : skip_word(scan);
    }
}

/* Recursion ends: lyc_json_open refuses to go deeper than max_depth. */
static lyc_status skip_members(lyc_json_scan *scan, char close, char *room)
{
    bool more;
    LYC_TRY(lyc_json_next(&more, scan, close, true));
    while (more) {
        if (close == '}') {
            size_t length;
            LYC_TRY(lyc_json_string(room, &length, scan));
            LYC_TRY(lyc_json_colon(scan));
        }
        LYC_TRY(lyc_json_skip(scan, room));
        LYC_TRY(lyc_json_next(&more, scan, close, false));
    }
    return LYC_OK;
}
