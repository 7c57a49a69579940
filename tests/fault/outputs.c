/* outputs.c - outputs are whole or not there: commands that are killed, that write the same file at once, that lack
 * room
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

enum { STATUS_OUTPUT = 5 };

/* --- killed ------------------------------------------------------------------------------------------------------- */

/* Whether each line of what is in a folder is a file that was there before, one that the command makes, or a temporary
 * one. */
static bool is_between(const char *folder, const fault_command *c, const fault_result *good)
{
    fault_result before = {0};
    for (const char *line = folder; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const size_t size = (size_t)(end - line) + 1;
        char copy[1024];
        snprintf(copy, sizeof copy, "%.*s", (int)size, line);
        before.folder = copy;
        const bool old = c->n_files == 1 && fault_folder_untouched(&before, c);
        if (!old && strstr(good->folder, copy) == NULL && strstr(copy, ".tmp-") == NULL) {
            return false;
        }
        line = end + 1;
    }
    return true;
}

/* Killed, and started again in the same folder: in the end there is what there is undisturbed, and nothing else. */
static int kill_once(const fault_command *c, const fault_result *good, double after)
{
    char folder[512];
    fault_result killed, again;
    fault_folder_make(folder, sizeof folder, c);
    fault_run(&killed, c, &(fault_plan){.folder = folder, .kill_s = after});
    fault_run(&again, c, &(fault_plan){.folder = folder});
    const bool done = killed.folder != NULL && strcmp(killed.folder, good->folder) == 0; /* it may exist then */
    int failures = 0;
    if (!is_between(killed.folder, c, good)) {
        fault_complain(&killed, c, "killed", "old or new files");
        failures++;
    }
    if (strcmp(again.folder, good->folder) != 0 || !(again.status == 0 || (done && again.status == STATUS_OUTPUT))) {
        fault_complain(&again, c, "started again after it was killed", "0, and the files of an undisturbed run");
        failures++;
    }
    fault_folder_remove(folder);
    fault_result_clear(&killed);
    fault_result_clear(&again);
    return failures;
}

int fault_kill(const fault_command *c, const fault_result *good)
{
    enum { MOST = 60, LEAST = 5 };
    int failures = 0, tries = (int)(fault_seconds() / (2.0 * good->seconds + 1e-3));
    tries = tries > MOST ? MOST : tries < LEAST ? LEAST : tries;
    for (int i = 0; i < tries && failures < 5; i++) {
        failures += kill_once(c, good, 1.1 * good->seconds * ((double)i + 0.5) / (double)tries);
    }
    printf("%s: killed at %d moments\n", c->name, tries);
    return failures;
}

/* --- together ----------------------------------------------------------------------------------------------------- */

enum { PROCESSES = 4 };

/* A process that runs the command and ends as it does. */
static pid_t start(const fault_command *c, const char *folder)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        fault_result r;
        fault_run(&r, c, &(fault_plan){.folder = folder});
        _exit(r.status);
    }
    return child;
}

/* One of them wins, the others say that the file exists; where it may be replaced all of them may. Whoever it was, the
 * file is whole. */
static int run_together(const fault_command *c, const fault_result *good)
{
    char folder[512];
    pid_t children[PROCESSES];
    int winners = 0, losers = 0, state;
    fault_folder_make(folder, sizeof folder, c);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = start(c, folder);
    }
    for (int i = 0; i < PROCESSES; i++) {
        const bool ended = children[i] > 0 && waitpid(children[i], &state, 0) == children[i] && WIFEXITED(state);
        winners += ended && WEXITSTATUS(state) == 0;
        losers += ended && WEXITSTATUS(state) == STATUS_OUTPUT;
    }
    char *left = fault_folder_describe(folder);
    const bool ok = winners + losers == PROCESSES && (c->n_files > 0 ? winners > 0 : winners == 1) &&
                    strcmp(left, good->folder) == 0;
    if (!ok) {
        printf("FAIL %s, %d at once: %d wrote it, %d could not\n  folder: %s\n", c->name, PROCESSES, winners, losers,
               left);
    }
    free(left);
    fault_folder_remove(folder);
    return !ok;
}

int fault_together(const fault_command *c, const fault_result *good)
{
    enum { MOST = 25, LEAST = 2 };
    int failures = 0, rounds = (int)(fault_seconds() / (PROCESSES * good->seconds + 1e-3));
    rounds = rounds > MOST ? MOST : rounds < LEAST ? LEAST : rounds;
    for (int i = 0; i < rounds && failures < 5; i++) {
        failures += run_together(c, good);
    }
    printf("%s: %d at once, %d times\n", c->name, PROCESSES, rounds);
    return failures;
}

/* --- little room -------------------------------------------------------------------------------------------------- */

/* Bytes of all files of a folder. */
static uint64_t bytes_of(const char *folder)
{
    uint64_t sum = 0;
    for (const char *line = folder; line != NULL && *line != '\0';) {
        const char *size = strchr(line, ' ');
        sum += size != NULL ? strtoull(size, NULL, 10) : 0;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return sum;
}

int fault_little_room(const fault_command *c, const fault_result *good)
{
    static const double parts[] = {0.01, 0.3, 0.6, 0.9};
    enum { PAGE = 4096 };
    int failures = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        fault_result r;
        const uint64_t room = (uint64_t)(parts[i] * (double)bytes_of(good->folder)) / PAGE * PAGE;
        fault_run(&r, c, &(fault_plan){.room = (uint64_t)c->n_files * PAGE + (room > 0 ? room : PAGE)});
        if (r.status == FAULT_NO_DISK) {
            printf("%s: no disks can be mounted here, not tried\n", c->name);
            fault_result_clear(&r);
            return 0;
        }
        if (r.status != STATUS_OUTPUT || !fault_says_one_thing(&r) || !fault_folder_untouched(&r, c)) {
            fault_complain(&r, c, "a disk that is too small", "5 and the files as before");
            failures++;
        }
        fault_result_clear(&r);
    }
    printf("%s: on disks that are too small\n", c->name);
    return failures;
}
