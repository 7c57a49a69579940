/* map_guard.c - the SIGBUS handler behind file mappings
 *
 * The handler may run in any thread at any moment, so the table is an array of atomics. It calls mmap, which POSIX does
 * not list as async-signal-safe but which is a bare system call on Linux.
 *
 * Why not a jump out of the access (sigsetjmp around each copy): weights are read by kernels deep inside parallel
 * loops, where there is no place to jump to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "base/map_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef enum guard_state { FREE, CLAIMED, ACTIVE } guard_state;

static struct {
    atomic_int state;
    _Atomic uintptr_t first;
    _Atomic uintptr_t end; /* of the last page */
    atomic_bool damaged;
} guards[LYC_MAP_GUARDS];

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction previous;
static uintptr_t page_size;

/* Puts zero pages from the faulting one to the end of its mapping; false when the address is in none. */
static bool repair(uintptr_t address)
{
    for (int i = 0; i < LYC_MAP_GUARDS; i++) {
        if (atomic_load(&guards[i].state) != ACTIVE) {
            continue;
        }
        const uintptr_t end = atomic_load(&guards[i].end);
        if (address < atomic_load(&guards[i].first) || address >= end) {
            continue;
        }
        const uintptr_t page = address / page_size * page_size;
        void *zero = mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        atomic_store(&guards[i].damaged, true);
        return zero != MAP_FAILED;
    }
    return false;
}

/* What would have happened without this handler. */
static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal_number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else if (previous.sa_handler == SIG_DFL || info->si_code > 0) { /* a fault cannot be ignored */
        struct sigaction standard;
        memset(&standard, 0, sizeof standard);
        standard.sa_handler = SIG_DFL;
        sigaction(signal_number, &standard, NULL);
        pthread_kill(pthread_self(), signal_number); /* delivered when the handler returns */
    }
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    const int error = errno;
    if (info->si_code <= 0 || !repair((uintptr_t)info->si_addr)) { /* <= 0: sent by kill() */
        pass_on(signal_number, info, context);
    }
    errno = error;
}

void lyc_map_guard_install(void)
{
    struct sigaction action;
    struct sigaction found;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, NULL, &found);
    if ((found.sa_flags & SA_SIGINFO) == 0 || found.sa_sigaction != on_bus_error) {
        previous = found; /* before a fault can ask for it */
        sigaction(SIGBUS, &action, NULL);
    }
}

int lyc_map_guard_add(const void *data, size_t size)
{
    pthread_once(&installed, lyc_map_guard_install);
    for (int i = 0; i < LYC_MAP_GUARDS; i++) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&guards[i].state, &expected, CLAIMED)) {
            atomic_store(&guards[i].first, (uintptr_t)data);
            atomic_store(&guards[i].end, ((uintptr_t)data + size + page_size - 1) / page_size * page_size);
            atomic_store(&guards[i].damaged, false);
            atomic_store(&guards[i].state, ACTIVE);
            return i;
        }
    }
    return -1;
}

void lyc_map_guard_remove(int guard)
{
    atomic_store(&guards[guard].state, FREE);
}

bool lyc_map_guard_is_damaged(int guard)
{
    return atomic_load(&guards[guard].damaged);
}
