/* table.h - cases in text files, one a line
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_SUPPORT_TABLE_H
#define TESTS_SUPPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Lines of a file without comments (# at the start) and empty lines. Fails the test when the file cannot be opened. */
typedef struct test_table {
    FILE *file;
    const char *path;
    int number;      /* of the current line */
    char line[8192]; /* without its newline */
} test_table;

void test_table_open(test_table *table, const char *path);
bool test_table_next(test_table *table);

/* Also fails the test when there were fewer lines than expected. */
void test_table_close(test_table *table, int min_lines);

/* The parts of a line "a | b | c", without blanks around, in place; returns their number. */
size_t test_table_split(char *parts[], size_t max, char *line);

/* Replaces %XX by its byte in place; returns the length. */
size_t test_unescape(char *text);

#endif
