/* file_writer.c - outputs that appear whole or not at all
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* sync_file_range */
#include "base/file_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file_call.h"
#include "base/memory.h"
#include "base/temporary.h"

enum {
    BUFFER_SIZE = 256 << 10,
    WRITE_MAX = 1 << 30,      /* Linux writes at most 2 GiB - 4 KiB in one call */
    TEMPORARY_NAMES = 100,    /* tried when names are taken */
    COPY_INSIDE_MIN = 1 << 20 /* shorter ranges are gathered in the buffer */
};

struct lyc_file_writer {
    int folder; /* descriptors; -1: not open */
    int fd;
    int temporary; /* handle; -1: none */
    bool force;
    atomic_bool copy_inside; /* copy_file_range has not been refused */
    uint64_t reserved;
    uint64_t position;    /* where the buffer begins */
    _Atomic uint64_t end; /* of all that was written */
    size_t buffered;
    unsigned char *buffer;
    char name[LYC_FILE_NAME]; /* in the folder */
    char temporary_name[LYC_FILE_NAME];
    char path[]; /* as given */
};

static lyc_status fail(const lyc_file_writer *w, lyc_error *err)
{
    return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot write %s", w->path);
}

/* Splits the path; opens the folder. */
static lyc_status open_folder(lyc_file_writer *w, lyc_error *err)
{
    char folder[PATH_MAX];
    const lyc_span name = lyc_span_of(strrchr(w->path, '/') != NULL ? strrchr(w->path, '/') + 1 : w->path);
    const size_t folder_length = (size_t)(name.text - w->path);
    if (name.length == 0 || lyc_span_is(name, ".") || lyc_span_is(name, "..")) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write '%s': it names no file", w->path);
    }
    if (name.length > NAME_MAX || folder_length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return fail(w, err);
    }
    snprintf(w->name, sizeof w->name, "%s", name.text);
    snprintf(folder, sizeof folder, "%.*s", folder_length > 0 ? (int)folder_length : 1,
             folder_length > 0 ? w->path : ".");
    w->folder = lyc_call_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (w->folder < 0) {
        return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot write %s: folder %s", w->path, folder);
    }
    return LYC_OK;
}

/* Looks at what is at the output's place; *mode gets the permissions of a file that will be replaced. */
static lyc_status check_place(mode_t *mode, const lyc_file_writer *w, const lyc_file_writer_options *options,
                              lyc_error *err)
{
    struct stat info;
    if (lyc_call_fstatat(w->folder, w->name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? LYC_OK : fail(w, err);
    }
    if (S_ISLNK(info.st_mode)) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it is a symbolic link, give the path of the file itself",
                        w->path);
    }
    if (!S_ISREG(info.st_mode)) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it is no regular file", w->path);
    }
    const lyc_file_id id = {info.st_dev, info.st_ino};
    for (size_t i = 0; i < options->input_count; i++) {
        if (lyc_file_id_equal(id, options->inputs[i])) {
            return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it is one of the inputs", w->path);
        }
    }
    if (!options->force) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it exists", w->path);
    }
    *mode = info.st_mode & 0777;
    return LYC_OK;
}

/* Creates the temporary file under the first free name, entered before it exists so that a signal finds it. */
static lyc_status create_temporary(lyc_file_writer *w, lyc_error *err)
{
    for (int k = 0; k < TEMPORARY_NAMES; k++) {
        lyc_temporary_name(w->temporary_name, lyc_span_of(w->name), k);
        w->temporary = lyc_temporary_add(w->folder, w->temporary_name);
        if (w->temporary < 0) {
            return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: %d outputs are being written already", w->path,
                            LYC_TEMPORARIES);
        }
        w->fd = lyc_call_openat(w->folder, w->temporary_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (w->fd >= 0) {
            return LYC_OK;
        }
        lyc_temporary_remove(w->temporary);
        w->temporary = -1;
        if (errno != EEXIST) {
            break;
        }
    }
    return fail(w, err);
}

/* Finds out now that the disk is too small. File systems without fallocate say how much is free, roughly. */
static lyc_status reserve(lyc_file_writer *w, lyc_error *err)
{
    if (w->reserved == 0) {
        return LYC_OK;
    }
    if (w->reserved > INT64_MAX) {
        errno = EFBIG;
        return fail(w, err);
    }
    int result;
    do {
        result = lyc_call_fallocate(w->fd, (off_t)w->reserved);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return LYC_OK;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return fail(w, err);
    }
    struct statvfs disk;
    if (fstatvfs(w->fd, &disk) == 0 && w->reserved / disk.f_frsize > disk.f_bavail) {
        errno = ENOSPC;
        return fail(w, err);
    }
    return LYC_OK;
}

static lyc_status prepare(lyc_file_writer *w, const lyc_file_writer_options *options, lyc_error *err)
{
    mode_t mode = 0;
    LYC_TRY(open_folder(w, err));
    LYC_TRY(check_place(&mode, w, options, err));
    lyc_temporary_clean(w->folder, lyc_span_of(w->name));
    LYC_TRY(create_temporary(w, err));
    flock(w->fd,
          LOCK_EX | LOCK_NB); /* says that the file has a living owner; where that does not work, its name does */
    if (mode != 0) {
        fchmod(w->fd, mode); /* the permissions of the file that is replaced, if possible */
    }
    return reserve(w, err);
}

lyc_status lyc_file_writer_open(lyc_file_writer **out, const char *path, const lyc_file_writer_options *options,
                                lyc_error *err)
{
    static const lyc_file_writer_options defaults = {0};
    options = options != NULL ? options : &defaults;
    const size_t path_size = strlen(path) + 1;
    lyc_file_writer *w = lyc_alloc_zero(1, sizeof *w + path_size);
    unsigned char *buffer = lyc_alloc(BUFFER_SIZE);
    if (w == NULL || buffer == NULL) {
        lyc_free(w);
        lyc_free(buffer);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to write %s", path);
    }
    memcpy(w->path, path, path_size);
    w->folder = w->fd = w->temporary = -1;
    w->force = options->force;
    w->reserved = options->size_bytes;
    w->buffer = buffer;
    w->copy_inside = true;
    const lyc_status status = prepare(w, options, err);
    if (status != LYC_OK) {
        lyc_file_writer_close(w);
        return status;
    }
    *out = w;
    return LYC_OK;
}

/* What open finds out by making the temporary file. */
static lyc_status check_folder(const lyc_file_writer *w, lyc_error *err)
{
    struct statvfs disk;
    if (faccessat(w->folder, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return fail(w, err);
    }
    if (fstatvfs(w->folder, &disk) == 0 && w->reserved / disk.f_frsize > disk.f_bavail) {
        errno = ENOSPC;
        return fail(w, err);
    }
    return LYC_OK;
}

lyc_status lyc_file_writer_check(const char *path, const lyc_file_writer_options *options, lyc_error *err)
{
    mode_t mode = 0;
    const size_t path_size = strlen(path) + 1;
    lyc_file_writer *w = lyc_alloc_zero(1, sizeof *w + path_size);
    if (w == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to write %s", path);
    }
    memcpy(w->path, path, path_size);
    w->fd = w->folder = w->temporary = -1;
    w->reserved = options->size_bytes;
    lyc_status status = open_folder(w, err);
    status = status != LYC_OK ? status : check_place(&mode, w, options, err);
    status = status != LYC_OK ? status : check_folder(w, err);
    lyc_file_writer_close(w);
    return status;
}

static void extend(lyc_file_writer *w, uint64_t end)
{
    uint64_t known = atomic_load(&w->end);
    while (known < end && !atomic_compare_exchange_weak(&w->end, &known, end)) {
    }
}

lyc_status lyc_file_writer_write_at(lyc_file_writer *w, uint64_t offset, const void *data, size_t size, lyc_error *err)
{
    if (offset > INT64_MAX || size > INT64_MAX - offset) {
        errno = EFBIG;
        return fail(w, err);
    }
    const unsigned char *from = data;
    size_t done = 0;
    while (done < size) {
        const size_t part = size - done < WRITE_MAX ? size - done : WRITE_MAX;
        const ssize_t n = lyc_call_pwrite(w->fd, from + done, part, (off_t)(offset + done));
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0) {
            errno = EIO; /* nothing written, no reason given: do not try for ever */
            return fail(w, err);
        } else if (errno != EINTR) {
            return fail(w, err);
        }
    }
    extend(w, offset + size);
    return LYC_OK;
}

static lyc_status flush(lyc_file_writer *w, lyc_error *err)
{
    const size_t size = w->buffered;
    w->buffered = 0;
    w->position += size;
    return lyc_file_writer_write_at(w, w->position - size, w->buffer, size, err);
}

lyc_status lyc_file_writer_append(lyc_file_writer *w, const void *data, size_t size, lyc_error *err)
{
    if (size > BUFFER_SIZE - w->buffered) {
        LYC_TRY(flush(w, err));
    }
    if (size >= BUFFER_SIZE) {
        w->position += size;
        return lyc_file_writer_write_at(w, w->position - size, data, size, err);
    }
    if (size > 0) {
        memcpy(w->buffer + w->buffered, data, size);
        w->buffered += size;
    }
    return LYC_OK;
}

lyc_status lyc_file_writer_rewrite(lyc_file_writer *w, uint64_t offset, const void *data, size_t size, lyc_error *err)
{
    LYC_TRY(flush(w, err));
    assert(offset <= w->position && size <= w->position - offset);
    return lyc_file_writer_write_at(w, offset, data, size, err);
}

/* Copies inside the system as long as that works; *done bytes. Anything that copy_file_range does not do on these files
 * is left to the caller, who meets a real error again. */
static void copy_inside(uint64_t *done, lyc_file_writer *w, uint64_t place, const lyc_file_map *map, size_t offset,
                        size_t size)
{
    *done = 0;
    while (w->copy_inside && *done < size) {
        off_t from = (off_t)(offset + *done);
        off_t to = (off_t)(place + *done);
        const ssize_t n = lyc_call_copy_file_range(lyc_file_map_descriptor(map), &from, w->fd, &to, size - *done);
        if (n > 0) {
            *done += (uint64_t)n;
        } else if (n == 0 || errno != EINTR) {
            w->copy_inside = false;
        }
    }
}

static lyc_status append_range(lyc_file_writer *w, const lyc_file_map *map, size_t offset, size_t size, lyc_error *err)
{
    uint64_t done = 0;
    if (size >= COPY_INSIDE_MIN) {
        LYC_TRY(flush(w, err));
        copy_inside(&done, w, w->position, map, offset, size);
        w->position += done;
        extend(w, w->position);
    }
    if (done == size) {
        return LYC_OK;
    }
    return lyc_file_writer_append(w, lyc_file_map_data(map) + offset + done, size - (size_t)done, err);
}

/* The input's fault is told first: the kernel refuses to write (EFAULT) what a shortened input does not have. */
static lyc_status blame(lyc_status status, const lyc_file_map *map, lyc_error *err)
{
    if (lyc_file_map_is_damaged(map) || (status != LYC_OK && lyc_file_map_check(map, NULL) != LYC_OK)) {
        return lyc_file_map_check(map, err);
    }
    return status;
}

lyc_status lyc_file_writer_copy_at(lyc_file_writer *w, uint64_t place, const lyc_file_map *map, size_t offset,
                                   size_t size, lyc_error *err)
{
    uint64_t done = 0;
    assert(offset <= lyc_file_map_size(map) && size <= lyc_file_map_size(map) - offset);
    if (size >= COPY_INSIDE_MIN && place <= INT64_MAX && size <= INT64_MAX - place) {
        copy_inside(&done, w, place, map, offset, size);
        extend(w, place + done);
    }
    return blame(
        lyc_file_writer_write_at(w, place + done, lyc_file_map_data(map) + offset + done, size - (size_t)done, err),
        map, err);
}

lyc_status lyc_file_writer_append_map(lyc_file_writer *w, const lyc_file_map *map, size_t offset, size_t size,
                                      lyc_error *err)
{
    assert(offset <= lyc_file_map_size(map) && size <= lyc_file_map_size(map) - offset);
    return blame(append_range(w, map, offset, size, err), map, err);
}

uint64_t lyc_file_writer_position(const lyc_file_writer *w)
{
    return w->position + w->buffered;
}

/* Renames without replacing anything, unless told to. */
static lyc_status rename_into_place(lyc_file_writer *w, lyc_error *err)
{
    const int result = lyc_call_rename(w->folder, w->temporary_name, w->name, w->force);
    if (result != 0 && errno == EEXIST) {
        return lyc_fail(err, LYC_E_OUTPUT, "cannot write %s: it exists", w->path);
    }
    return result != 0 ? fail(w, err) : LYC_OK;
}

static int sync_retrying(int fd)
{
    int result;
    do {
        result = lyc_call_fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}

lyc_status lyc_file_writer_commit(lyc_file_writer *w, lyc_error *err)
{
    assert(w->temporary >= 0);
    LYC_TRY(flush(w, err));
    const uint64_t end = atomic_load(&w->end);
    if (w->reserved > end && lyc_call_ftruncate(w->fd, (off_t)end) != 0) {
        return fail(w, err);
    }
    if (sync_retrying(w->fd) != 0) {
        return fail(w, err);
    }
    const int closed = lyc_call_close(w->fd);
    w->fd = -1;
    if (closed != 0 && errno != EINTR) { /* network file systems report a full disk here */
        return fail(w, err);
    }
    LYC_TRY(rename_into_place(w, err));
    lyc_temporary_remove(w->temporary);
    w->temporary = -1;
    if (sync_retrying(w->folder) != 0 && errno != EINVAL && errno != ENOTSUP) {
        return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "%s is written, but its folder cannot be synchronised",
                              w->path);
    }
    return LYC_OK;
}

void lyc_file_writer_close(lyc_file_writer *w)
{
    if (w == NULL) {
        return;
    }
    if (w->fd >= 0) {
        lyc_call_close(w->fd);
    }
    if (w->temporary >= 0) {
        lyc_call_unlinkat(w->folder, w->temporary_name);
        lyc_temporary_remove(w->temporary);
    }
    if (w->folder >= 0) {
        lyc_call_close(w->folder);
    }
    lyc_free(w->buffer);
    lyc_free(w);
}
