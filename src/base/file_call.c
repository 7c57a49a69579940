/* file_call.c - the system calls on files, with a switch that makes them fail
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* renameat2, fallocate, copy_file_range */
#include "base/file_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Test hooks and counters: the exception to "no mutable globals". */
static struct {
    _Atomic uint64_t count;
    _Atomic uint64_t fail_number; /* the call that fails; 0: none */
    atomic_bool fail_later;
    atomic_int error;
} calls[LYC_CALL_COUNT];

typedef enum verdict { PASS, FAIL, SHORT } verdict;

/* Counts a call and says what becomes of it; sets errno for FAIL. */
static verdict judge(lyc_file_call call)
{
    const uint64_t number = atomic_fetch_add_explicit(&calls[call].count, 1, memory_order_relaxed) + 1;
    const uint64_t failing = atomic_load_explicit(&calls[call].fail_number, memory_order_relaxed);
    if (failing == 0 || number < failing || (number > failing && !atomic_load(&calls[call].fail_later))) {
        return PASS;
    }
    const int error = atomic_load(&calls[call].error);
    if (error == 0) {
        return SHORT;
    }
    errno = error;
    return FAIL;
}

void lyc_file_fail_after(lyc_file_call call, uint64_t n, int error, bool all)
{
    atomic_store(&calls[call].error, error);
    atomic_store(&calls[call].fail_later, all);
    atomic_store(&calls[call].fail_number, n == 0 ? 0 : atomic_load(&calls[call].count) + n);
}

uint64_t lyc_file_calls(lyc_file_call call)
{
    return atomic_load(&calls[call].count);
}

int lyc_call_openat(int folder, const char *path, int flags, mode_t mode)
{
    return judge(LYC_CALL_OPEN) == FAIL ? -1 : openat(folder, path, flags, mode);
}

int lyc_call_fstat(int fd, struct stat *info)
{
    return judge(LYC_CALL_STAT) == FAIL ? -1 : fstat(fd, info);
}

int lyc_call_fstatat(int folder, const char *path, struct stat *info, int flags)
{
    return judge(LYC_CALL_STAT) == FAIL ? -1 : fstatat(folder, path, info, flags);
}

void *lyc_call_map(int fd, size_t size)
{
    return judge(LYC_CALL_MAP) == FAIL ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
}

ssize_t lyc_call_read(int fd, void *data, size_t size)
{
    const verdict v = judge(LYC_CALL_READ);
    return v == FAIL ? -1 : read(fd, data, v == SHORT && size > 1 ? 1 : size);
}

ssize_t lyc_call_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    const verdict v = judge(LYC_CALL_WRITE);
    return v == FAIL ? -1 : pwrite(fd, data, v == SHORT && size > 1 ? 1 : size, offset);
}

int lyc_call_fallocate(int fd, off_t size)
{
    return judge(LYC_CALL_RESERVE) == FAIL ? -1 : fallocate(fd, 0, 0, size);
}

int lyc_call_ftruncate(int fd, off_t size)
{
    return judge(LYC_CALL_RESERVE) == FAIL ? -1 : ftruncate(fd, size);
}

int lyc_call_fsync(int fd)
{
    return judge(LYC_CALL_SYNC) == FAIL ? -1 : fsync(fd);
}

int lyc_call_close(int fd)
{
    const verdict v = judge(LYC_CALL_CLOSE);
    const int error = errno;
    const int result = close(fd);
    if (v == FAIL) {
        errno = error;
        return -1;
    }
    return result;
}

int lyc_call_renameat(int folder, const char *from, const char *to, unsigned flags)
{
    if (judge(LYC_CALL_RENAME) == FAIL) {
        return -1;
    }
    return flags == 0 ? renameat(folder, from, folder, to) : renameat2(folder, from, folder, to, flags);
}

int lyc_call_rename(int folder, const char *from, const char *to, bool replace)
{
    const int result = lyc_call_renameat(folder, from, to, replace ? 0 : RENAME_NOREPLACE);
    if (result == 0 || replace || (errno != EINVAL && errno != ENOSYS)) {
        return result;
    }
    struct stat info;
    if (lyc_call_fstatat(folder, to, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
    }
    return errno == ENOENT ? lyc_call_renameat(folder, from, to, 0) : -1;
}

int lyc_call_unlinkat(int folder, const char *path)
{
    return judge(LYC_CALL_UNLINK) == FAIL ? -1 : unlinkat(folder, path, 0);
}

ssize_t lyc_call_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t size)
{
    const verdict v = judge(LYC_CALL_COPY);
    return v == FAIL ? -1 : copy_file_range(from, from_offset, to, to_offset, v == SHORT && size > 1 ? 1 : size, 0);
}
