/* folder.c - what is in a folder
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/file_call.h"
#include "base/file_writer.h"
#include "base/memory.h"
#include "base/path.h"

enum { PIECE = 16 << 20 };

typedef struct entry {
    const char *name;
    bool is_folder;
} entry;

typedef struct listing {
    entry *entries;
    size_t count, capacity;
    lyc_arena arena;
} listing;

static int compare(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static lyc_status add(listing *list, const char *name, bool is_folder, lyc_error *err)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        entry *entries = lyc_realloc(list->entries, capacity * sizeof *entries); /* fits: names of files that exist */
        if (entries == NULL) {
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the names in a folder");
        }
        list->entries = entries;
        list->capacity = capacity;
    }
    const char *copy = lyc_arena_text(&list->arena, name);
    if (copy == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the names in a folder");
    }
    list->entries[list->count++] = (entry){.name = copy, .is_folder = is_folder};
    return LYC_OK;
}

static lyc_status read_all(listing *list, DIR *open_folder, const char *folder, lyc_error *err)
{
    for (;;) {
        struct stat info;
        errno = 0;
        const struct dirent *found = readdir(open_folder);
        if (found == NULL) {
            return errno == 0 ? LYC_OK : lyc_fail_errno(err, LYC_E_IO, errno, "cannot read the folder %s", folder);
        }
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        const bool is_folder = fstatat(dirfd(open_folder), found->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
        LYC_TRY(add(list, found->d_name, is_folder, err));
    }
}

void lyc_folder_remove_empty(const char *path)
{
    rmdir(path);
}

lyc_status lyc_folder_list(const char *folder, lyc_folder_visitor visit, void *context, lyc_error *err)
{
    listing list = {0};
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot open the folder %s", folder);
    }
    lyc_status status = read_all(&list, open_folder, folder, err);
    closedir(open_folder);
    if (status == LYC_OK && list.count > 0) {
        qsort(list.entries, list.count, sizeof *list.entries, compare);
    }
    for (size_t i = 0; i < list.count && status == LYC_OK; i++) {
        status = visit(context, list.entries[i].name, list.entries[i].is_folder, err);
    }
    lyc_free(list.entries);
    lyc_arena_clear(&list.arena);
    return status;
}

lyc_status lyc_file_remove(const char *path, lyc_error *err)
{
    if (lyc_call_unlinkat(AT_FDCWD, path) == 0 || errno == ENOENT) {
        return LYC_OK;
    }
    return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot remove %s", path);
}

static lyc_status remove_entry(void *context, const char *name, bool is_folder, lyc_error *err)
{
    char path[4096];
    (void)err;
    if (snprintf(path, sizeof path, "%s/%s", (const char *)context, name) < (int)sizeof path) {
        if (is_folder) {
            lyc_folder_remove_all(path);
        } else {
            lyc_call_unlinkat(AT_FDCWD, path);
        }
    }
    return LYC_OK;
}

void lyc_folder_remove_all(const char *path)
{
    lyc_error ignored;
    if (lyc_folder_list(path, remove_entry, (void *)path, &ignored) == LYC_OK) {
        rmdir(path);
    }
}

lyc_status lyc_folder_temporary(char *out, size_t size, const char *output, lyc_error *err)
{
    size_t length = strlen(output);
    while (length > 1 && output[length - 1] == '/') {
        length--;
    }
    const int n = snprintf(out, size, "%.*s.tmp-%ld", (int)length, output, (long)getpid());
    if (n < 0 || (size_t)n >= size) {
        return lyc_fail(err, LYC_E_ARGUMENT, "the name of a folder is too long");
    }
    lyc_folder_remove_all(out);
    return lyc_path_make_folder(out, err);
}

lyc_status lyc_folder_rename(const char *from, const char *to, lyc_error *err)
{
    return rename(from, to) == 0 ? LYC_OK
                                 : lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot call the folder %s %s", from, to);
}

static lyc_status move_files(const lyc_file_names *names, size_t count, bool force, lyc_error *err)
{
    size_t moved = 0;
    while (moved < count && lyc_call_rename(AT_FDCWD, names[moved].from, names[moved].to, force) == 0) {
        moved++;
    }
    if (moved == count) {
        return LYC_OK;
    }
    const int error = errno;
    for (size_t i = 0; i < moved && !force; i++) {
        lyc_call_unlinkat(AT_FDCWD, names[i].to);
    }
    return error == EEXIST ? lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it exists", names[moved].to)
                           : lyc_fail_errno(err, LYC_E_OUTPUT, error, "cannot write %s", names[moved].to);
}

static lyc_status sync_folder(int folder, const char *path, lyc_error *err)
{
    int result;
    do {
        result = lyc_call_fsync(folder);
    } while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOTSUP
               ? LYC_OK
               : lyc_fail_errno(err, LYC_E_OUTPUT, errno,
                                "what was asked for is written, but the folder %s cannot be synchronised", path);
}

lyc_status lyc_files_move(const char *folder, const lyc_file_names *names, size_t count, bool force, lyc_error *err)
{
    const int open_folder = lyc_call_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (open_folder < 0) {
        return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot open the folder %s", folder);
    }
    lyc_status status = move_files(names, count, force, err);
    status = status == LYC_OK ? sync_folder(open_folder, folder, err) : status;
    lyc_call_close(open_folder);
    return status;
}

lyc_status lyc_file_copy(const char *from, const char *to, lyc_error *err)
{
    lyc_file_map *map = NULL;
    lyc_file_writer *writer = NULL;
    LYC_TRY(lyc_file_map_open(&map, from, err));
    lyc_status status = lyc_file_writer_open(&writer, to, NULL, err);
    for (size_t at = 0, size = lyc_file_map_size(map); status == LYC_OK && at < size; at += PIECE) {
        const size_t count = size - at < PIECE ? size - at : PIECE;
        status = lyc_file_writer_append_map(writer, map, at, count, err);
    }
    status = status == LYC_OK ? lyc_file_map_check(map, err) : status;
    status = status == LYC_OK ? lyc_file_writer_commit(writer, err) : status;
    lyc_file_writer_close(writer);
    lyc_file_map_close(map);
    return status;
}

lyc_status lyc_folder_make_for(const char *folder, const char *relative, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_status status = LYC_OK;
    for (const char *slash = strchr(relative, '/'); status == LYC_OK && slash != NULL; slash = strchr(slash + 1, '/')) {
        const char *path = lyc_path_join(&arena, folder, (lyc_span){relative, (size_t)(slash - relative)});
        status = path != NULL ? lyc_path_make_folder(path, err)
                              : lyc_fail(err, LYC_E_MEMORY, "no memory for the name of a folder");
    }
    lyc_arena_clear(&arena);
    return status;
}
