/* file.c - reading files: mapped, or whole
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* O_CLOEXEC with openat, GNU strerror_r */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file_call.h"
#include "base/map_guard.h"
#include "base/memory.h"

struct lyc_file_map {
    unsigned char *data;
    size_t size;
    int fd;    /* stays open: says whether the file was changed */
    int guard; /* of the mapping; -1 when it is empty */
    struct timespec modified;
    lyc_file_id id;
    char path[];
};

lyc_status lyc_fail_errno(lyc_error *err, lyc_status status, int error, const char *format, ...)
{
    char text[sizeof err->message];
    char buffer[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return lyc_fail(err, status, "%s: %s", text, strerror_r(error, buffer, sizeof buffer));
}

/* What a thing that is no regular file is called. */
static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISSOCK(mode)                 ? "a socket"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                            : "no regular file";
}

static int close_keeping_errno(int fd)
{
    const int error = errno;
    lyc_call_close(fd);
    errno = error;
    return -1;
}

/* A regular file opened for reading, its data in *info; -1 with the error set. O_NONBLOCK: opening a pipe for reading
 * would wait for a writer. */
static int open_regular(struct stat *info, const char *path, lyc_error *err)
{
    const int fd = lyc_call_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        lyc_fail_errno(err, LYC_E_IO, errno, "cannot open %s", path);
        return -1;
    }
    if (lyc_call_fstat(fd, info) != 0) {
        close_keeping_errno(fd);
        lyc_fail_errno(err, LYC_E_IO, errno, "cannot look at %s", path);
        return -1;
    }
    if (!S_ISREG(info->st_mode)) {
        lyc_fail(err, LYC_E_IO, "%s is %s, expected a file", path, kind_of(info->st_mode));
        return close_keeping_errno(fd);
    }
    return fd;
}

static lyc_status map_data(lyc_file_map *map, lyc_error *err)
{
    map->guard = -1;
    if (map->size == 0) {
        return LYC_OK;
    }
    void *data = lyc_call_map(map->fd, map->size);
    if (data == MAP_FAILED) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot map %s", map->path);
    }
    map->data = data;
    map->guard = lyc_map_guard_add(data, map->size);
    if (map->guard < 0) {
        munmap(data, map->size);
        return lyc_fail(err, LYC_E_UNSUPPORTED, "cannot map %s: %d files are mapped already", map->path,
                        LYC_MAP_GUARDS);
    }
    return LYC_OK;
}

lyc_status lyc_file_map_open(lyc_file_map **out, const char *path, lyc_error *err)
{
    struct stat info;
    const int fd = open_regular(&info, path, err);
    if (fd < 0) {
        return LYC_E_IO;
    }
    if ((uint64_t)info.st_size > SIZE_MAX / 2) {
        close_keeping_errno(fd);
        return lyc_fail(err, LYC_E_IO, "%s is too large for this machine", path);
    }
    const size_t path_size = strlen(path) + 1;
    lyc_file_map *map = lyc_alloc_zero(1, sizeof *map + path_size);
    if (map == NULL) {
        close_keeping_errno(fd);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to open %s", path);
    }
    map->size = (size_t)info.st_size;
    map->fd = fd;
    map->modified = info.st_mtim;
    map->id = (lyc_file_id){info.st_dev, info.st_ino};
    memcpy(map->path, path, path_size);
    const lyc_status status = map_data(map, err);
    if (status != LYC_OK) {
        close_keeping_errno(fd);
        lyc_free(map);
        return status;
    }
    *out = map;
    return LYC_OK;
}

void lyc_file_map_close(lyc_file_map *map)
{
    if (map == NULL) {
        return;
    }
    if (map->guard >= 0) {
        lyc_map_guard_remove(map->guard);
        munmap(map->data, map->size);
    }
    lyc_call_close(map->fd);
    lyc_free(map);
}

const unsigned char *lyc_file_map_data(const lyc_file_map *map)
{
    return map->data;
}

size_t lyc_file_map_size(const lyc_file_map *map)
{
    return map->size;
}

const char *lyc_file_map_path(const lyc_file_map *map)
{
    return map->path;
}

lyc_file_id lyc_file_map_id(const lyc_file_map *map)
{
    return map->id;
}

int lyc_file_map_descriptor(const lyc_file_map *map)
{
    return map->fd;
}

static lyc_status fail_damaged(const lyc_file_map *map, lyc_error *err)
{
    return lyc_fail(err, LYC_E_IO, "%s was shortened or could not be read while it was in use", map->path);
}

lyc_status lyc_file_map_copy(void *dst, const lyc_file_map *map, size_t offset, size_t size, lyc_error *err)
{
    assert(offset <= map->size && size <= map->size - offset);
    if (size == 0) {
        return LYC_OK;
    }
    memcpy(dst, map->data + offset, size);
    return lyc_file_map_is_damaged(map) ? fail_damaged(map, err) : LYC_OK;
}

bool lyc_file_map_is_damaged(const lyc_file_map *map)
{
    return map->guard >= 0 && lyc_map_guard_is_damaged(map->guard);
}

lyc_status lyc_file_map_check(const lyc_file_map *map, lyc_error *err)
{
    if (lyc_file_map_is_damaged(map)) {
        return fail_damaged(map, err);
    }
    struct stat info;
    if (lyc_call_fstat(map->fd, &info) != 0) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot look at %s", map->path);
    }
    if ((uint64_t)info.st_size != map->size) {
        return lyc_fail(err, LYC_E_IO, "%s changed while it was in use: it had %zu bytes, now it has %" PRIu64,
                        map->path, map->size, (uint64_t)info.st_size);
    }
    if (info.st_mtim.tv_sec != map->modified.tv_sec || info.st_mtim.tv_nsec != map->modified.tv_nsec) {
        return lyc_fail(err, LYC_E_IO, "%s was written to while it was in use", map->path);
    }
    return LYC_OK;
}

void lyc_file_map_advise(const lyc_file_map *map, size_t offset, size_t size, lyc_file_advice advice)
{
    static const int advices[] = {
        [LYC_FILE_SEQUENTIAL] = MADV_SEQUENTIAL, [LYC_FILE_NEEDED] = MADV_WILLNEED, [LYC_FILE_DONE] = MADV_DONTNEED};
    assert(offset <= map->size && size <= map->size - offset);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = offset / page * page;
    size_t last = offset + size;
    if (advice == LYC_FILE_DONE) { /* whole pages only: the neighbours may still be in use */
        first = (offset + page - 1) / page * page;
        last = last == map->size ? last : last / page * page;
    }
    if (first < last) {
        madvise(map->data + first, last - first, advices[advice]);
    }
}

lyc_status lyc_file_read(lyc_strbuf *out, const char *path, size_t max_bytes, lyc_error *err)
{
    const int fd = lyc_call_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    if (fd < 0) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot open %s", path);
    }
    lyc_status status = LYC_OK;
    size_t total = 0;
    char block[16384];
    for (;;) {
        const ssize_t n = lyc_call_read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = lyc_fail_errno(err, LYC_E_IO, errno, "cannot read %s", path);
            break;
        }
        if (n == 0) {
            break;
        }
        if ((size_t)n > max_bytes - total) {
            status = lyc_fail(err, LYC_E_FORMAT, "%s is longer than %zu bytes", path, max_bytes);
            break;
        }
        total += (size_t)n;
        lyc_strbuf_append_n(out, block, (size_t)n);
    }
    lyc_call_close(fd);
    return status != LYC_OK ? status : lyc_strbuf_check(out, path, err);
}

lyc_status lyc_file_id_of(lyc_file_id *id, const char *path, lyc_error *err)
{
    struct stat info;
    if (lyc_call_fstatat(AT_FDCWD, path, &info, 0) != 0) {
        return lyc_fail_errno(err, LYC_E_IO, errno, "cannot look at %s", path);
    }
    *id = (lyc_file_id){info.st_dev, info.st_ino};
    return LYC_OK;
}

bool lyc_file_id_equal(lyc_file_id a, lyc_file_id b)
{
    return a.device == b.device && a.inode == b.inode;
}
