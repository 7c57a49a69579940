/* png_text.c - text chunks of PNG files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/png_text.h"

#include <stdint.h>
#include <string.h>

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

bool lyc_png_is(const unsigned char *data, size_t size)
{
    return size >= sizeof signature && memcmp(data, signature, sizeof signature) == 0;
}

static uint32_t read_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One character of Latin-1 as UTF-8. */
static void append_latin1(lyc_strbuf *text, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        lyc_strbuf_append_n(text, utf8, lyc_utf8_encode(utf8, p[i]));
    }
}

/* Behind the next NUL, or NULL. */
static const unsigned char *behind_nul(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *nul = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
    return nul != NULL ? nul + 1 : NULL;
}

/* The text of an iTXt chunk behind its keyword. */
static bool append_international(lyc_strbuf *text, const unsigned char *p, const unsigned char *end)
{
    if (end - p < 2 || p[0] != 0) { /* compressed */
        return false;
    }
    p = behind_nul(p + 2, end);
    p = p != NULL ? behind_nul(p, end) : NULL;
    if (p == NULL) {
        return false;
    }
    lyc_strbuf_append_n(text, (const char *)p, lyc_utf8_valid_prefix((const char *)p, (size_t)(end - p)));
    return true;
}

bool lyc_png_text_find(lyc_strbuf *text, const unsigned char *data, size_t size, const char *keyword)
{
    const size_t key_size = strlen(keyword) + 1;
    if (!lyc_png_is(data, size)) {
        return false;
    }
    for (size_t at = sizeof signature; size - at >= 12;) {
        const uint32_t length = read_be32(data + at);
        if (length > size - at - 12) {
            return false;
        }
        const unsigned char *type = data + at + 4;
        const unsigned char *body = data + at + 8;
        const unsigned char *end = body + length;
        if (length >= key_size && memcmp(body, keyword, key_size) == 0) {
            if (memcmp(type, "tEXt", 4) == 0) {
                append_latin1(text, body + key_size, length - key_size);
                return true;
            }
            if (memcmp(type, "iTXt", 4) == 0 && append_international(text, body + key_size, end)) {
                return true;
            }
        }
        at += (size_t)length + 12;
    }
    return false;
}

/* CRC-32 of PNG: reflected polynomial 0xedb88320, all bits inverted before and after. Texts are short: no table. */
static uint32_t crc32_of(const char *bytes, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static void append_be32(lyc_strbuf *out, uint32_t v)
{
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    lyc_strbuf_append_n(out, bytes, 4);
}

/* Appends the Latin-1 form of UTF-8; false at the first character that has none. */
static bool append_as_latin1(lyc_strbuf *out, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t size;
        const int32_t c = lyc_utf8_decode(&size, text + i, n - i);
        if (c < 0 || c > 0xff) {
            return false;
        }
        lyc_strbuf_append_char(out, (char)c);
        i += size;
    }
    return true;
}

void lyc_png_text_append(lyc_strbuf *chunk, const char *keyword, const char *text)
{
    lyc_strbuf body = {0}; /* type and data: what the checksum covers */
    lyc_strbuf_append(&body, "tEXt");
    lyc_strbuf_append_n(&body, keyword, strlen(keyword) + 1);
    if (!append_as_latin1(&body, text)) {
        lyc_strbuf_clear(&body);
        lyc_strbuf_append(&body, "iTXt");
        lyc_strbuf_append_n(&body, keyword, strlen(keyword) + 1);
        lyc_strbuf_append_n(&body, "\0\0\0\0", 4); /* not compressed, method 0, no language, no translation */
        lyc_strbuf_append(&body, text);
    }
    append_be32(chunk, (uint32_t)(body.length - 4));
    lyc_strbuf_append_n(chunk, lyc_strbuf_text(&body), body.length);
    append_be32(chunk, crc32_of(lyc_strbuf_text(&body), body.length));
    chunk->failed = chunk->failed || body.failed;
    lyc_strbuf_clear(&body);
}
