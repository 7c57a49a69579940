/* folder.h - a folder for the files of one test
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

typedef struct test_folder {
    char path[128];
} test_folder;

/* Makes an empty folder below $TMPDIR (or the system's usual place); fails the test when it cannot. */
void test_folder_make(test_folder *folder);

/* Removes the folder and all that is in it. */
void test_folder_remove(const test_folder *folder);

/* "folder/name". Points to one of a few static texts, taken in turn. */
const char *test_folder_path(const test_folder *folder, const char *name);

/* The names in the folder, sorted, each followed by a blank. Points to static text. */
const char *test_folder_list(const test_folder *folder);

void test_file_write(const char *path, const void *data, size_t size);

/* Contents of a file and its size; to be released with free(). NULL when there is none. */
char *test_file_read(const char *path, size_t *size);

#endif
