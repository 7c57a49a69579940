/* append_file.c - files that grow while something runs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_call.h"
#include "base/memory.h"

enum { BUFFER = 64 << 10 };

struct lyc_append_file {
    int fd;
    uint64_t written;
    size_t gathered;
    char buffer[BUFFER];
    char path[];
};

static lyc_status fail(const lyc_append_file *file, lyc_error *err)
{
    return lyc_fail_errno(err, LYC_E_OUTPUT, errno, "cannot write %s", file->path);
}

lyc_status lyc_append_file_open(lyc_append_file **out, const char *path, lyc_error *err)
{
    struct stat info;
    const size_t length = strlen(path) + 1;
    lyc_append_file *file = lyc_alloc_zero(1, sizeof *file + length);
    if (file == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory to write %s", path);
    }
    memcpy(file->path, path, length);
    do {
        file->fd = lyc_call_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    } while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0 || lyc_call_fstat(file->fd, &info) != 0) {
        const lyc_status status = fail(file, err);
        if (file->fd >= 0) {
            lyc_call_close(file->fd);
        }
        lyc_free(file);
        return status;
    }
    file->written = (uint64_t)info.st_size;
    *out = file;
    return LYC_OK;
}

static lyc_status write_all(lyc_append_file *file, const char *data, size_t size, lyc_error *err)
{
    while (size > 0) {
        const ssize_t n = lyc_call_pwrite(file->fd, data, size, (off_t)file->written);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail(file, err);
        }
        data += n;
        size -= (size_t)n;
        file->written += (uint64_t)n;
    }
    return LYC_OK;
}

lyc_status lyc_append_file_flush(lyc_append_file *file, lyc_error *err)
{
    const size_t size = file->gathered;
    file->gathered = 0;
    return write_all(file, file->buffer, size, err);
}

lyc_status lyc_append_file_write(lyc_append_file *file, const void *data, size_t size, lyc_error *err)
{
    if (size > BUFFER - file->gathered) {
        LYC_TRY(lyc_append_file_flush(file, err));
    }
    if (size > BUFFER) {
        return write_all(file, data, size, err);
    }
    memcpy(file->buffer + file->gathered, data, size);
    file->gathered += size;
    return LYC_OK;
}

uint64_t lyc_append_file_size(const lyc_append_file *file)
{
    return file->written + file->gathered;
}

lyc_status lyc_append_file_cut(lyc_append_file *file, uint64_t size, lyc_error *err)
{
    LYC_TRY(lyc_append_file_flush(file, err));
    if (size < file->written && lyc_call_ftruncate(file->fd, (off_t)size) != 0) {
        return fail(file, err);
    }
    file->written = size < file->written ? size : file->written;
    return LYC_OK;
}

void lyc_append_file_close(lyc_append_file *file)
{
    if (file != NULL) {
        lyc_append_file_flush(file, NULL);
        lyc_call_close(file->fd);
        lyc_free(file);
    }
}
