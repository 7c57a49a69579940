/* folder.c - a folder for the files of one test
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* nftw, scandir */
#include "support/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void test_folder_make(test_folder *folder)
{
    const char *place = getenv("TMPDIR");
    snprintf(folder->path, sizeof folder->path, "%s/lycoris-test-XXXXXX", place != NULL ? place : P_tmpdir);
    assert_non_null(mkdtemp(folder->path));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void test_folder_remove(const test_folder *folder)
{
    assert_int_equal(nftw(folder->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *test_folder_path(const test_folder *folder, const char *name)
{
    static char paths[8][512];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder->path, name);
    return paths[turn];
}

const char *test_folder_list(const test_folder *folder)
{
    static char list[4096];
    struct dirent **entries;
    const int count = scandir(folder->path, &entries, NULL, alphasort);
    size_t used = 0;
    list[0] = '\0';
    for (int i = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s ", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return list;
}

void test_file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(size > 0 ? fwrite(data, 1, size, file) : 0, size);
    assert_int_equal(fclose(file), 0);
}

char *test_file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    data[*size] = '\0';
    fclose(file);
    return data;
}
