/* table.c - cases in text files, one a line
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void test_table_open(test_table *table, const char *path)
{
    table->file = fopen(path, "r");
    table->path = path;
    table->number = 0;
    if (table->file == NULL) {
        fail_msg("cannot open %s", path);
    }
}

bool test_table_next(test_table *table)
{
    while (fgets(table->line, sizeof table->line, table->file) != NULL) {
        table->number++;
        const size_t length = strcspn(table->line, "\n");
        assert_true(table->line[length] == '\n'); /* neither cut nor unfinished */
        table->line[length] = '\0';
        if (length > 0 && table->line[0] != '#') {
            return true;
        }
    }
    return false;
}

void test_table_close(test_table *table, int min_lines)
{
    fclose(table->file);
    assert_true(table->number >= min_lines);
}

size_t test_unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            const char digits[3] = {from[1], from[2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    return (size_t)(to - text);
}

size_t test_table_split(char *parts[], size_t max, char *line)
{
    size_t n = 0;
    for (char *part = line; part != NULL && n < max;) {
        char *bar = strstr(part, "|");
        if (bar != NULL) {
            *bar = '\0';
        }
        while (*part == ' ') {
            part++;
        }
        for (size_t length = strlen(part); length > 0 && part[length - 1] == ' '; length--) {
            part[length - 1] = '\0';
        }
        parts[n++] = part;
        part = bar != NULL ? bar + 1 : NULL;
    }
    return n;
}
