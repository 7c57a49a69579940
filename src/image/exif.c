/* exif.c - the user comment of JPEG and WebP files
 *
 * Only two directories of a TIFF structure are looked at, each entry once, so that offsets that point in circles do no
 * harm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/exif.h"

#include <stdint.h>
#include <string.h>

enum { TAG_EXIF_DIRECTORY = 0x8769, TAG_USER_COMMENT = 0x9286, ENTRY_SIZE = 12, CODE_SIZE = 8 };

typedef struct tiff {
    const unsigned char *data; /* from the byte order on: offsets count from here */
    size_t size;
    bool big_endian;
} tiff;

static uint32_t read_number(const tiff *t, size_t at, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) {
        v = v << 8 | t->data[at + (size_t)(t->big_endian ? i : bytes - 1 - i)];
    }
    return v;
}

static bool open_tiff(tiff *t, const unsigned char *data, size_t size)
{
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0)) {
        return false;
    }
    *t = (tiff){.data = data, .size = size, .big_endian = data[0] == 'M'};
    return read_number(t, 2, 2) == 42;
}

/* The entry of a tag in the directory at an offset: count of its elements, and the place of its value field. */
static bool find_entry(uint32_t *count, size_t *value, const tiff *t, size_t directory, uint32_t tag)
{
    if (t->size < 2 || directory > t->size - 2) {
        return false;
    }
    const size_t entries = read_number(t, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        const size_t at = directory + 2 + i * ENTRY_SIZE; /* fits: i has 16 bits, directory 32 */
        if (at > t->size || t->size - at < ENTRY_SIZE) {
            return false;
        }
        if (read_number(t, at, 2) == tag) {
            *count = read_number(t, at + 4, 4);
            *value = at + 8;
            return true;
        }
    }
    return false;
}

/* UTF-16 to UTF-8; a surrogate without its partner becomes U+FFFD, a NUL ends the text. */
static void append_utf16(lyc_strbuf *text, const unsigned char *p, size_t size, bool big_endian)
{
    const tiff units = {.data = p, .size = size, .big_endian = big_endian};
    for (size_t i = 0; size - i >= 2; i += 2) {
        uint32_t c = read_number(&units, i, 2);
        if (c == 0) {
            return;
        }
        if (c >= 0xd800 && c <= 0xdfff) {
            const uint32_t low = size - i >= 4 ? read_number(&units, i + 2, 2) : 0;
            const bool pair = c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
            c = pair ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
            i += pair ? 2 : 0;
        }
        char utf8[4];
        lyc_strbuf_append_n(text, utf8, lyc_utf8_encode(utf8, c));
    }
}

/* Writers disagree about the byte order of the text: A1111 writes big-endian in files of either order. ASCII letters
 * tell: their zero byte comes first in big-endian. */
static bool looks_big_endian(const unsigned char *p, size_t size, bool standard)
{
    size_t first = 0;
    size_t second = 0;
    for (size_t i = 0; size - i >= 2; i += 2) {
        first += p[i] == 0 && p[i + 1] != 0;
        second += p[i] != 0 && p[i + 1] == 0;
    }
    return first == second ? standard : first > second;
}

bool lyc_exif_comment_find(lyc_strbuf *text, const unsigned char *data, size_t size)
{
    tiff t;
    uint32_t count;
    size_t value;
    if (!open_tiff(&t, data, size) || !find_entry(&count, &value, &t, read_number(&t, 4, 4), TAG_EXIF_DIRECTORY) ||
        !find_entry(&count, &value, &t, read_number(&t, value, 4), TAG_USER_COMMENT) || count < CODE_SIZE) {
        return false;
    }
    const size_t at = read_number(&t, value, 4); /* more than 4 bytes: the value field is an offset */
    if (at > t.size || count > t.size - at) {
        return false;
    }
    const unsigned char *p = t.data + at + CODE_SIZE;
    const size_t n = count - CODE_SIZE;
    if (memcmp(t.data + at, "UNICODE", CODE_SIZE) == 0) {
        append_utf16(text, p, n, looks_big_endian(p, n, t.big_endian));
    } else {
        lyc_strbuf_append_n(text, (const char *)p, lyc_utf8_valid_prefix((const char *)p, n));
    }
    return true;
}

static void append_number(lyc_strbuf *out, uint32_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        lyc_strbuf_append_char(out, (char)(v >> (8 * i))); /* fits: i < 4 */
    }
}

static void append_entry(lyc_strbuf *out, uint32_t tag, uint32_t type, uint32_t count, uint32_t value)
{
    append_number(out, 1, 2); /* a directory with one entry */
    append_number(out, tag, 2);
    append_number(out, type, 2);
    append_number(out, count, 4);
    append_number(out, value, 4);
    append_number(out, 0, 4); /* no further directory */
}

void lyc_exif_comment_append(lyc_strbuf *data, const char *text)
{
    enum { TYPE_LONG = 4, TYPE_UNDEFINED = 7, DIRECTORY = 2 + ENTRY_SIZE + 4, EXIF_AT = 8 + DIRECTORY };
    lyc_strbuf comment = {0};
    lyc_strbuf_append_n(&comment, "UNICODE", CODE_SIZE);
    const size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t size;
        const int32_t decoded = lyc_utf8_decode(&size, text + i, n - i);
        const uint32_t c = decoded < 0 ? 0xfffd : (uint32_t)decoded;
        i += size;
        if (c >= 0x10000) {
            append_number(&comment, 0xd800 + ((c - 0x10000) >> 10), 2);
            append_number(&comment, 0xdc00 + ((c - 0x10000) & 0x3ff), 2);
        } else {
            append_number(&comment, c, 2);
        }
    }
    lyc_strbuf_append_n(data, "Exif\0\0MM\0*", 10);
    append_number(data, 8, 4);
    append_entry(data, TAG_EXIF_DIRECTORY, TYPE_LONG, 1, EXIF_AT);
    append_entry(data, TAG_USER_COMMENT, TYPE_UNDEFINED, (uint32_t)comment.length, EXIF_AT + DIRECTORY);
    lyc_strbuf_append_n(data, lyc_strbuf_text(&comment), comment.length);
    data->failed = data->failed || comment.failed;
    lyc_strbuf_clear(&comment);
}
