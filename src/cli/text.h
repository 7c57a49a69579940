/* text.h - laying out text in columns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_TEXT_H
#define LYC_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LYC_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

/* Columns that UTF-8 text takes: its characters, without regard to wide ones. */
int lyc_text_columns(const char *text);

/* Prints text from the given column on, broken at blanks so that no line passes width, later lines starting at indent.
 * An empty line in the text separates paragraphs. Ends with a newline. */
void lyc_text_wrap(FILE *out, const char *text, int column, int indent, int width);

/* Growing text of limited length; what does not fit is cut. */
typedef struct lyc_line {
    char text[1024];
    size_t length;
} lyc_line;
void lyc_line_add(lyc_line *line, const char *format, ...) LYC_PRINTF(2, 3);

/* "24.5 KiB", "13 B". Returns text. */
const char *lyc_text_bytes(char *text, size_t size, uint64_t bytes);

/* "1,234,567". Returns text. */
const char *lyc_text_count(char *text, size_t size, uint64_t count);
enum { LYC_NUMBER_TEXT = 32 };

/* Escape sequences around text when `on`, nothing otherwise. */
typedef enum lyc_style {
    LYC_STYLE_PLAIN,
    LYC_STYLE_BOLD,
    LYC_STYLE_DIM,
    LYC_STYLE_RED,
    LYC_STYLE_YELLOW,
    LYC_STYLE_GREEN
} lyc_style;
const char *lyc_style_begin(bool on, lyc_style style);
const char *lyc_style_end(bool on);

/* Columns of the terminal that the stream is; 80 when it is none. */
int lyc_terminal_columns(FILE *stream);

#endif
