/* json_write.c - pieces of JSON appended to a text
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/json_write.h"

#include <math.h>

#include "base/number.h"

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void write_escape(lyc_strbuf *out, unsigned char c)
{
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    const char letter = c < 0x20 ? letters[c] : (char)c; /* quote and backslash stand for themselves */
    if (letter != 0) {
        lyc_strbuf_append_n(out, (const char[]){'\\', letter}, 2);
    } else {
        lyc_strbuf_format(out, "\\u%04x", c);
    }
}

void lyc_json_write_string(lyc_strbuf *out, lyc_span text)
{
    lyc_strbuf_append_char(out, '"');
    size_t i = 0;
    while (i < text.length) {
        const size_t first = i;
        while (i < text.length && is_plain((unsigned char)text.text[i])) {
            i++;
        }
        lyc_strbuf_append_n(out, text.text + first, i - first);
        if (i < text.length) {
            write_escape(out, (unsigned char)text.text[i++]);
        }
    }
    lyc_strbuf_append_char(out, '"');
}

void lyc_json_write_number(lyc_strbuf *out, double value)
{
    char text[LYC_NUMBER];
    lyc_strbuf_append(out, isfinite(value) ? lyc_number_format(text, value) : "null");
}
