/* unicode.c - text as code points, normalised and classified (utf8proc)
 *
 * utf8proc can do all of this in one call, but allocates by itself; taking it apart into decomposition and composition
 * keeps the memory ours. Lower case is that of single characters, as in the reference: the final sigma stays what it
 * is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/unicode.h"

#include <utf8proc.h>

#include "base/memory.h"

enum {
    CAPITAL_I_DOT = 0x130, /* its lower case is two characters, the only one of that kind (SpecialCasing.txt) */
    COMBINING_DOT = 0x307,
    NEXT_LINE = 0x85
};

static lyc_status check_utf8(lyc_span text, lyc_error *err)
{
    const size_t valid = lyc_utf8_valid_prefix(text.text, text.length);
    if (valid < text.length) {
        return lyc_fail(err, LYC_E_FORMAT, "the text is not UTF-8 at byte %zu", valid);
    }
    return LYC_OK;
}

/* NFC. A decomposition is never shorter than what is composed or lower-cased from it, so its size bounds all three. */
static lyc_status compose(lyc_code_points *out, lyc_span text, lyc_error *err)
{
    const utf8proc_option_t options = (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text.text;
    const utf8proc_ssize_t length = (utf8proc_ssize_t)text.length;
    const utf8proc_ssize_t count = utf8proc_decompose(bytes, length, NULL, 0, options);
    if (count < 0) {
        return lyc_fail(err, LYC_E_FORMAT, "the text cannot be normalised: %s", utf8proc_errmsg(count));
    }
    /* fits: the text itself is in memory, and each of its bytes becomes at most one code point of 4 bytes and a few */
    out->points = lyc_alloc(((size_t)count + 1) * sizeof *out->points);
    if (out->points == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a text of %zu bytes", text.length);
    }
    utf8proc_decompose(bytes, length, out->points, count, options);
    const utf8proc_ssize_t composed = utf8proc_normalize_utf32(out->points, count, options);
    out->count = composed > 0 ? (size_t)composed : 0;
    return LYC_OK;
}

/* Lower case in place. Goes backwards, because one character becomes two; there is room (see compose). */
static void lower(lyc_code_points *text)
{
    size_t extra = 0;
    for (size_t i = 0; i < text->count; i++) {
        extra += text->points[i] == CAPITAL_I_DOT;
    }
    size_t to = text->count + extra;
    for (size_t from = text->count; from-- > 0;) {
        const int32_t point = text->points[from];
        if (point == CAPITAL_I_DOT) {
            text->points[--to] = COMBINING_DOT;
            text->points[--to] = 'i';
        } else {
            text->points[--to] = utf8proc_tolower(point);
        }
    }
    text->count += extra;
}

lyc_status lyc_unicode_normalise(lyc_code_points *out, lyc_span text, lyc_error *err)
{
    *out = (lyc_code_points){0};
    if (text.length == 0) {
        return LYC_OK;
    }
    LYC_TRY(check_utf8(text, err));
    LYC_TRY(compose(out, text, err));
    lower(out);
    return LYC_OK;
}

void lyc_code_points_clear(lyc_code_points *points)
{
    lyc_free(points->points);
    *points = (lyc_code_points){0};
}

lyc_unicode_class lyc_unicode_class_of(int32_t point)
{
    if ((point >= '\t' && point <= '\r') || point == NEXT_LINE) {
        return LYC_UNICODE_SPACE;
    }
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LYC_UNICODE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return LYC_UNICODE_NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return LYC_UNICODE_SPACE;
    default:
        return LYC_UNICODE_OTHER;
    }
}
