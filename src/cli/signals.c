/* signals.c - Ctrl-C: once to stop after the step, twice to stop now
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "lycoris/file.h"

enum { EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t requests;

static void on_signal(int number)
{
    (void)number;
    requests = requests + 1;
    if (requests > 1) {
        lyc_file_remove_temporaries();
        _exit(EXIT_INTERRUPTED);
    }
}

void lyc_signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
            sigaction(numbers[i], &action, NULL);
        }
    }
}

bool lyc_signals_pending(void)
{
    return requests > 0;
}
