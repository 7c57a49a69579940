/* text.c - laying out text in columns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

static int columns_of(const char *text, size_t length)
{
    int columns = 0;
    for (size_t i = 0; i < length; i++) {
        columns += starts_character(text[i]);
    }
    return columns;
}

int lyc_text_columns(const char *text)
{
    return columns_of(text, strlen(text));
}

void lyc_text_wrap(FILE *out, const char *text, int column, int indent, int width)
{
    bool line_is_empty = true;
    while (*text != '\0') {
        const size_t breaks = strspn(text, "\n");
        if (breaks > 0 && text[breaks] != '\0') {
            fprintf(out, breaks > 1 ? "\n\n%*s" : "\n%*s", indent, "");
            column = indent;
            line_is_empty = true;
        }
        text += breaks + strspn(text + breaks, " ");
        const size_t length = strcspn(text, " \n");
        const int columns = columns_of(text, length);
        if (!line_is_empty && column + 1 + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            line_is_empty = true;
        }
        if (!line_is_empty && length > 0) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, length, out);
        column += columns;
        line_is_empty = line_is_empty && length == 0;
        text += length;
    }
    fputc('\n', out);
}

void lyc_line_add(lyc_line *line, const char *format, ...)
{
    const size_t room = sizeof line->text - line->length;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        line->length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

const char *lyc_text_bytes(char *text, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < sizeof units / sizeof units[0]) { /* three digits at most */
        value /= 1024;
        unit++;
    }
    const bool whole = value >= 100 || value == (double)(int)value;
    snprintf(text, size, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *lyc_text_count(char *text, size_t size, uint64_t count)
{
    char digits[LYC_NUMBER_TEXT];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *lyc_style_begin(bool on, lyc_style style)
{
    static const char *const sequences[] = {
        [LYC_STYLE_PLAIN] = "",         [LYC_STYLE_BOLD] = "\033[1m",    [LYC_STYLE_DIM] = "\033[2m",
        [LYC_STYLE_RED] = "\033[1;31m", [LYC_STYLE_YELLOW] = "\033[33m", [LYC_STYLE_GREEN] = "\033[32m",
    };
    return on ? sequences[style] : "";
}

const char *lyc_style_end(bool on)
{
    return on ? "\033[0m" : "";
}

int lyc_terminal_columns(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
