/* string.c - spans, growing text, UTF-8
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/string.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"

lyc_span lyc_span_of(const char *text)
{
    return (lyc_span){text, strlen(text)};
}

bool lyc_span_equal(lyc_span a, lyc_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

bool lyc_span_is(lyc_span span, const char *text)
{
    return lyc_span_equal(span, lyc_span_of(text));
}

bool lyc_span_starts_with(lyc_span span, const char *prefix)
{
    const size_t length = strlen(prefix);
    return span.length >= length && (length == 0 || memcmp(span.text, prefix, length) == 0);
}

bool lyc_span_ends_with(lyc_span span, const char *suffix)
{
    const size_t length = strlen(suffix);
    return span.length >= length && (length == 0 || memcmp(span.text + span.length - length, suffix, length) == 0);
}

int lyc_span_compare(lyc_span a, lyc_span b)
{
    const size_t shorter = a.length < b.length ? a.length : b.length;
    const int order = shorter > 0 ? memcmp(a.text, b.text, shorter) : 0;
    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

/* Table 3-7 of the Unicode standard: the second byte's range depends on the first, the others are 80..BF. */
int32_t lyc_utf8_decode(size_t *size, const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char first = s[0];
    *size = 1;
    if (first < 0x80) {
        return first;
    }
    size_t n;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    int32_t code;
    if (first >= 0xC2 && first <= 0xDF) {
        n = 2;
        code = first & 0x1F;
    } else if (first >= 0xE0 && first <= 0xEF) {
        n = 3;
        code = first & 0x0F;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (first >= 0xF0 && first <= 0xF4) {
        n = 4;
        code = first & 0x07;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    } else {
        return -1;
    }
    if (length < n || s[1] < low || s[1] > high) {
        return -1;
    }
    code = (code << 6) | (s[1] & 0x3F);
    for (size_t i = 2; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return -1;
        }
        code = (code << 6) | (s[i] & 0x3F);
    }
    *size = n;
    return code;
}

size_t lyc_utf8_valid_prefix(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        uint64_t eight;
        if (length - i >= sizeof eight) {
            memcpy(&eight, text + i, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t size;
        if (lyc_utf8_decode(&size, text + i, length - i) < 0) {
            return i;
        }
        i += size;
    }
    return length;
}

size_t lyc_utf8_encode(char out[4], uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    const size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[n] | code_point);
    return n;
}

/* Code points that are shown as an escape. The joiners U+200C and U+200D stay: several scripts and emoji need them. */
static bool must_escape(int32_t code)
{
    static const struct {
        int32_t first, last;
    } ranges[] = {
        {0x00, 0x1F},       /* C0 */
        {0x7F, 0x9F},       /* DEL, C1 */
        {0xAD, 0xAD},       /* soft hyphen */
        {0x061C, 0x061C},   /* Arabic letter mark */
        {0x180E, 0x180E},   /* Mongolian vowel separator */
        {0x200B, 0x200B},   /* zero width space */
        {0x200E, 0x200F},   /* left-to-right, right-to-left mark */
        {0x2028, 0x202E},   /* line, paragraph separator; bidirectional embeddings and overrides */
        {0x2060, 0x206F},   /* word joiner, invisible operators; bidirectional isolates; deprecated formatting */
        {0xFEFF, 0xFEFF},   /* byte order mark */
        {0xFFF9, 0xFFFB},   /* interlinear annotation */
        {0xE0000, 0xE0FFF}, /* tags, variation selectors of plane 14 */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && code >= ranges[i].first; i++) {
        if (code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Bytes written to piece (12 suffice) for the character or bad byte at text; its own size in *size. */
static size_t printable_piece(char piece[12], size_t *size, const char *text, size_t length)
{
    const int32_t code = lyc_utf8_decode(size, text, length);
    if (code >= 0 && !must_escape(code)) {
        memcpy(piece, text, *size);
        return *size;
    }
    if (code == '\n' || code == '\t' || code == '\r') {
        piece[0] = '\\';
        piece[1] = code == '\n' ? 'n' : code == '\t' ? 't' : 'r';
        return 2;
    }
    if (code < 0x80) { /* also -1: not UTF-8 */
        return (size_t)snprintf(piece, 12, "\\x%02x", (unsigned)(unsigned char)text[0]);
    }
    return (size_t)snprintf(piece, 12, code > 0xFFFF ? "\\U%08x" : "\\u%04x", (unsigned)code);
}

static const char *markup_reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static size_t write_text(char *out, size_t size, const char *text, size_t length, bool markup)
{
    size_t total = 0;
    size_t written = 0;
    bool room = size > 0;
    size_t i = 0;
    while (i < length) {
        char piece[12];
        size_t step;
        size_t n = printable_piece(piece, &step, text + i, length - i);
        const char *from = piece;
        if (markup && n == 1 && markup_reference(piece[0]) != NULL) {
            from = markup_reference(piece[0]);
            n = strlen(from);
        }
        room = room && n < size - written;
        if (room) {
            memcpy(out + written, from, n);
            written += n;
        }
        total += n;
        i += step;
    }
    if (size > 0) {
        out[written] = '\0';
    }
    return total;
}

size_t lyc_text_printable(char *out, size_t size, const char *text, size_t length)
{
    return write_text(out, size, text, length, false);
}

size_t lyc_text_markup(char *out, size_t size, const char *text, size_t length)
{
    return write_text(out, size, text, length, true);
}

const char *lyc_text_brief(char *out, size_t size, lyc_span text)
{
    static const char gap[] = "...";
    if (text.length < size && lyc_text_printable(out, size, text.text, text.length) < size) {
        return out;
    }
    /* A printable piece is at most 10 bytes for at most 4 of text, so the last quarter of the room in bytes of text
     * need not fit: shrink it until it does. */
    const size_t half = (size - sizeof gap) / 2;
    lyc_text_printable(out, half + 1, text.text, text.length < half ? text.length : half);
    const size_t head = strlen(out);
    memcpy(out + head, gap, sizeof gap);
    const size_t used = head + sizeof gap - 1;
    size_t tail = size - 1 - used;
    tail = tail < text.length ? tail : text.length;
    for (;; tail--) {
        const char *start = text.text + text.length - tail;
        const bool inside = tail > 0 && ((unsigned char)start[0] & 0xC0) == 0x80;
        if (!inside && lyc_text_printable(NULL, 0, start, tail) < size - used) {
            lyc_text_printable(out + used, size - used, start, tail);
            return out;
        }
        if (tail == 0) {
            return out;
        }
    }
}

/* Makes room for length more bytes and the NUL. */
static bool grow(lyc_strbuf *buffer, size_t length)
{
    size_t needed;
    if (buffer->failed) {
        return false;
    }
    if (!lyc_size_add(&needed, buffer->length, length) || !lyc_size_add(&needed, needed, 1)) {
        buffer->failed = true;
        return false;
    }
    if (needed <= buffer->capacity) {
        return true;
    }
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed && lyc_size_mul(&capacity, capacity, 2)) {
    }
    capacity = capacity < needed ? needed : capacity;
    char *text = lyc_realloc(buffer->text, capacity);
    if (text == NULL) {
        buffer->failed = true;
        return false;
    }
    text[buffer->length] = '\0';
    buffer->text = text;
    buffer->capacity = capacity;
    return true;
}

void lyc_strbuf_reserve(lyc_strbuf *buffer, size_t length)
{
    grow(buffer, length);
}

void lyc_strbuf_append_n(lyc_strbuf *buffer, const char *text, size_t length)
{
    if (!grow(buffer, length)) {
        return;
    }
    if (length > 0) {
        memcpy(buffer->text + buffer->length, text, length);
    }
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void lyc_strbuf_append(lyc_strbuf *buffer, const char *text)
{
    lyc_strbuf_append_n(buffer, text, strlen(text));
}

void lyc_strbuf_append_char(lyc_strbuf *buffer, char c)
{
    lyc_strbuf_append_n(buffer, &c, 1);
}

void lyc_strbuf_format(lyc_strbuf *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if (!grow(buffer, (size_t)length)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

void lyc_strbuf_append_printable(lyc_strbuf *buffer, lyc_span span)
{
    const size_t length = lyc_text_printable(NULL, 0, span.text, span.length);
    if (grow(buffer, length)) {
        lyc_text_printable(buffer->text + buffer->length, length + 1, span.text, span.length);
        buffer->length += length;
    }
}

const char *lyc_strbuf_text(const lyc_strbuf *buffer)
{
    return buffer->text != NULL ? buffer->text : "";
}

char *lyc_strbuf_take(lyc_strbuf *buffer)
{
    lyc_strbuf_append_n(buffer, "", 0);
    if (buffer->failed) {
        lyc_strbuf_clear(buffer);
        return NULL;
    }
    char *text = buffer->text;
    *buffer = (lyc_strbuf){0};
    return text;
}

lyc_status lyc_strbuf_check(const lyc_strbuf *buffer, const char *what, lyc_error *err)
{
    if (buffer->failed) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for %s", what);
    }
    return LYC_OK;
}

void lyc_strbuf_clear(lyc_strbuf *buffer)
{
    lyc_free(buffer->text);
    *buffer = (lyc_strbuf){0};
}
