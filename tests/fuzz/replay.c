/* replay.c - runs a fuzz target on files: the main function where libFuzzer is not linked
 *
 *     fuzz_safetensors FILE_OR_FOLDER...
 *
 * Every input is in a block of memory of its own size, so that the address sanitizer sees one byte too far. No input at
 * all is a failure: a corpus that was moved would otherwise go unnoticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns 1 when the file was run, 0 (and says why) when it cannot be read. */
static int run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    int good = file != NULL && data != NULL && fread(data, 1, size, file) == size;
    if (good) {
        LLVMFuzzerTestOneInput(data, size);
    } else {
        fprintf(stderr, "replay: cannot read %s: %s\n", path, strerror(errno));
    }
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return good;
}

/* Runs a file, or every file below a folder; returns how many were run, -1 when something cannot be read. */
static long run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fprintf(stderr, "replay: cannot find %s\n", path);
        return -1;
    }
    if (!S_ISDIR(info.st_mode)) {
        return run_file(path, (size_t)info.st_size) ? 1 : -1;
    }
    long count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char inner[4096];
        if (entry->d_name[0] == '.' ||
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner) {
            continue;
        }
        const long inner_count = run_path(inner);
        if (inner_count < 0) {
            count = -1;
            break;
        }
        count += inner_count;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

int main(int argc, char **argv)
{
    long count = 0;
    for (int i = 1; i < argc; i++) {
        const long path_count = run_path(argv[i]);
        if (path_count < 0) {
            return 1;
        }
        count += path_count;
    }
    printf("%ld inputs\n", count);
    return count > 0 ? 0 : 1;
}
