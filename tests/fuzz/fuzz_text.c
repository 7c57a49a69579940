/* fuzz_text.c - printable text: whatever comes in, one harmless line comes out, within its bounds
 *
 * The first byte says how much room there is. __builtin_trap() is how a broken promise is reported: it stays in builds
 * without assertions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

static bool is_harmless(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return lyc_utf8_valid_prefix(text, length) == length;
}

/* The whole result, which the caller releases. */
static char *whole(size_t *length, const char *text, size_t size)
{
    *length = lyc_text_printable(NULL, 0, text, size);
    char *out = malloc(*length + 1);
    require(out != NULL && lyc_text_printable(out, *length + 1, text, size) == *length && strlen(out) == *length);
    require(is_harmless(out, *length));
    return out;
}

static void check_printable(const char *text, size_t size, size_t room)
{
    size_t length, again_length;
    char *out = whole(&length, text, size);
    char *again = whole(&again_length, out, length);
    require(again_length == length && memcmp(out, again, length) == 0);

    char *part = malloc(room);
    require(part != NULL && lyc_text_printable(part, room, text, size) == length);
    require(strlen(part) < room && strncmp(part, out, strlen(part)) == 0 && is_harmless(part, strlen(part)));
    free(part);
    free(again);
    free(out);
}

static void check_markup(const char *text, size_t size)
{
    const size_t length = lyc_text_markup(NULL, 0, text, size);
    char *out = malloc(length + 1);
    require(out != NULL && lyc_text_markup(out, length + 1, text, size) == length);
    require(is_harmless(out, length) && strpbrk(out, "<>\"'") == NULL);
    free(out);
}

/* A number that was read and written again is the same number. */
static void check_number(const char *text, size_t size)
{
    double value, back;
    char out[LYC_NUMBER];
    if (lyc_number_parse(&value, (lyc_span){text, size})) {
        require(lyc_number_parse(&back, lyc_span_of(lyc_number_format(out, value))) &&
                memcmp(&value, &back, sizeof value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        const char *text = (const char *)data + 1;
        check_printable(text, size - 1, 1 + (size_t)data[0]);
        check_markup(text, size - 1);
        check_number(text, size - 1);
    }
    return 0;
}
