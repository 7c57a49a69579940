/* string.h - spans, growing text, UTF-8
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_STRING_H
#define LYC_BASE_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lycoris/text.h"

/* Text that is part of something else: not NUL-terminated, may hold any byte. */
typedef struct lyc_span {
    const char *text;
    size_t length;
} lyc_span;

/* The span of a NUL-terminated text. */
lyc_span lyc_span_of(const char *text);
bool lyc_span_equal(lyc_span a, lyc_span b);
bool lyc_span_is(lyc_span span, const char *text);
bool lyc_span_starts_with(lyc_span span, const char *prefix);
bool lyc_span_ends_with(lyc_span span, const char *suffix);

/* <0, 0, >0 in byte order, the shorter one first when one begins with the other. */
int lyc_span_compare(lyc_span a, lyc_span b);

/* The code point that starts at text (length > 0) and in *size its bytes; -1 and 1 when no UTF-8 character starts
 * there. Overlong forms, surrogates and values above U+10FFFF are no characters. */
int32_t lyc_utf8_decode(size_t *size, const char *text, size_t length);

/* Bytes of UTF-8 at the start of text; length when all of it is. Fast over ASCII. */
size_t lyc_utf8_valid_prefix(const char *text, size_t length);

/* Writes the UTF-8 form of a code point (1 to 4 bytes) and returns its length; code_point is a Unicode scalar value. */
size_t lyc_utf8_encode(char out[4], uint32_t code_point);

/* Printable form for a message, at most size - 1 bytes (size >= 16): a long text keeps its start and its end around
 * "...". Returns out. */
const char *lyc_text_brief(char *out, size_t size, lyc_span text);
enum { LYC_BRIEF = 128 };

/* Growing text. {0} is empty. Lack of memory is remembered in `failed`, later appends do nothing, and the caller
 * checks once at the end. */
typedef struct lyc_strbuf {
    char *text; /* NUL-terminated; NULL until something was appended */
    size_t length;
    size_t capacity;
    bool failed;
} lyc_strbuf;

void lyc_strbuf_append(lyc_strbuf *buffer, const char *text);
void lyc_strbuf_append_n(lyc_strbuf *buffer, const char *text, size_t length);
void lyc_strbuf_append_char(lyc_strbuf *buffer, char c);
void lyc_strbuf_format(lyc_strbuf *buffer, const char *format, ...) LYC_PRINTF(2, 3);

/* Appends lyc_text_printable of the span. */
void lyc_strbuf_append_printable(lyc_strbuf *buffer, lyc_span span);

/* Room for length more bytes (and the NUL) without another allocation. */
void lyc_strbuf_reserve(lyc_strbuf *buffer, size_t length);

/* The text so far, "" when there is none; borrowed. */
const char *lyc_strbuf_text(const lyc_strbuf *buffer);

/* Hands the text to the caller, who releases it with lyc_free, and empties the buffer; NULL when memory ran out. */
char *lyc_strbuf_take(lyc_strbuf *buffer);

/* LYC_E_MEMORY when an append failed, naming what was being built. */
lyc_status lyc_strbuf_check(const lyc_strbuf *buffer, const char *what, lyc_error *err);

void lyc_strbuf_clear(lyc_strbuf *buffer);

#endif
