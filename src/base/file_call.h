/* file_call.h - the system calls on files, with a switch that makes them fail
 *
 * What reads and writes files in base goes through these, so that a test can let the n-th call of a kind fail with any
 * errno, or transfer one byte only, and see that nothing is lost (as base/memory.h does for allocations).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_FILE_CALL_H
#define LYC_BASE_FILE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef enum lyc_file_call {
    LYC_CALL_OPEN,
    LYC_CALL_STAT,
    LYC_CALL_MAP,
    LYC_CALL_READ,
    LYC_CALL_WRITE,
    LYC_CALL_RESERVE, /* fallocate, ftruncate */
    LYC_CALL_SYNC,
    LYC_CALL_CLOSE,
    LYC_CALL_RENAME,
    LYC_CALL_UNLINK,
    LYC_CALL_COPY, /* copy_file_range */
    LYC_CALL_COUNT
} lyc_file_call;

/* For tests. The n-th call of the kind from now (n = 1: the next one) fails with the given errno, and all later ones
 * when `all`; error 0: it reads or writes a single byte. n = 0 switches off. */
void lyc_file_fail_after(lyc_file_call call, uint64_t n, int error, bool all);

/* Calls of the kind since the start of the process. */
uint64_t lyc_file_calls(lyc_file_call call);

/* Each does what the system call does, and sets errno. */
int lyc_call_openat(int folder, const char *path, int flags, mode_t mode);
int lyc_call_fstat(int fd, struct stat *info);
int lyc_call_fstatat(int folder, const char *path, struct stat *info, int flags);
void *lyc_call_map(int fd, size_t size);
ssize_t lyc_call_read(int fd, void *data, size_t size);
ssize_t lyc_call_pwrite(int fd, const void *data, size_t size, off_t offset);
int lyc_call_fallocate(int fd, off_t size);
int lyc_call_ftruncate(int fd, off_t size);
int lyc_call_fsync(int fd);
int lyc_call_close(int fd); /* closes even when it fails */
int lyc_call_renameat(int folder, const char *from, const char *to, unsigned flags);

/* Renames; without `replace` it fails with EEXIST where there is something, on file systems that cannot do that at once
 * too. */
int lyc_call_rename(int folder, const char *from, const char *to, bool replace);
int lyc_call_unlinkat(int folder, const char *path);
ssize_t lyc_call_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t size);

#endif
