/* temporary.c - temporary files of this process, known to its signal handlers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* kill, fdopendir */
#include "base/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file_call.h"

typedef enum slot_state { FREE, CLAIMED, ACTIVE } slot_state;

/* Never released, so that a signal handler finds it whole at any moment. */
static struct {
    atomic_int state;
    int folder;
    char name[LYC_FILE_NAME];
} slots[LYC_TEMPORARIES];

static const char mark[] = ".tmp-";

void lyc_temporary_name(char name[LYC_FILE_NAME], lyc_span output, int k)
{
    char end[64];
    int end_length = snprintf(end, sizeof end, "%s%ld", mark, (long)getpid());
    if (k > 0) {
        end_length += snprintf(end + end_length, sizeof end - (size_t)end_length, "-%d", k);
    }
    const size_t room = LYC_FILE_NAME - 1 - (size_t)end_length;
    const size_t length = output.length < room ? output.length : room;
    memcpy(name, output.text, length);
    memcpy(name + length, end, (size_t)end_length + 1);
}

int lyc_temporary_add(int folder, const char *name)
{
    for (int i = 0; i < LYC_TEMPORARIES; i++) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&slots[i].state, &expected, CLAIMED)) {
            slots[i].folder = folder;
            snprintf(slots[i].name, sizeof slots[i].name, "%s", name);
            atomic_store(&slots[i].state, ACTIVE);
            return i;
        }
    }
    return -1;
}

void lyc_temporary_remove(int temporary)
{
    atomic_store(&slots[temporary].state, FREE);
}

void lyc_file_remove_temporaries(void)
{
    const int error = errno;
    for (int i = 0; i < LYC_TEMPORARIES; i++) {
        if (atomic_load(&slots[i].state) == ACTIVE) {
            unlinkat(slots[i].folder, slots[i].name, 0);
        }
    }
    errno = error;
}

static bool is_ours(const char *name)
{
    for (int i = 0; i < LYC_TEMPORARIES; i++) {
        if (atomic_load(&slots[i].state) == ACTIVE && strcmp(slots[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The process in a name of the form `<output>.tmp-<process>[-<k>]`; 0 when it has another form. */
static long process_of(const char *name, lyc_span output)
{
    if (strncmp(name, output.text, output.length) != 0 || strncmp(name + output.length, mark, strlen(mark)) != 0) {
        return 0;
    }
    const char *digits = name + output.length + strlen(mark);
    if (strspn(digits, "0123456789-") != strlen(digits)) {
        return 0;
    }
    return strtol(digits, NULL, 10);
}

static bool is_alive(long process)
{
    return process != getpid() && (kill((pid_t)process, 0) == 0 || errno != ESRCH);
}

static void remove_if_abandoned(int folder, const char *name)
{
    const int fd = lyc_call_openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        lyc_call_unlinkat(folder, name);
    }
    lyc_call_close(fd);
}

void lyc_temporary_clean(int folder, lyc_span output)
{
    const int copy = lyc_call_openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (entries == NULL) {
        if (copy >= 0) {
            lyc_call_close(copy);
        }
        return; /* an old file stays; nothing is lost */
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const long process = process_of(entry->d_name, output);
        if (process > 0 && !is_alive(process) && !is_ours(entry->d_name)) {
            remove_if_abandoned(folder, entry->d_name);
        }
    }
    closedir(entries);
}
