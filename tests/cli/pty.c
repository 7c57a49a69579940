/* pty.c - runs a command on a terminal of its own and shows what it wrote
 *
 *     pty [-c COLUMNS] [-i TEXT]... COMMAND [ARGUMENT]...
 *
 * Standard input, output and error of the command are the terminal, 24 lines high. When TEXT has been seen in the
 * output, Ctrl-C is typed; a second -i waits for its text behind the first. The exit status is the command's, or 128
 * and the number of the signal that ended it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_INTERRUPTS = 4, SEEN = 1 << 20 };

/* Writes all of it. */
static bool put(int fd, const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    }
    return true;
}

/* Copies the terminal's output until the command closes it (a read fails with EIO), and types Ctrl-C at the texts. */
static void watch(int terminal, const char *const *texts, int count)
{
    static char seen[SEEN + 1];
    size_t length = 0;
    int next = 0;
    for (;;) {
        char piece[4096];
        const ssize_t n = read(terminal, piece, sizeof piece);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || !put(STDOUT_FILENO, piece, (size_t)n)) {
            return;
        }
        if (length + (size_t)n > SEEN) {
            length = 0;
        }
        memcpy(seen + length, piece, (size_t)n);
        length += (size_t)n;
        const char *found = next < count ? memmem(seen, length, texts[next], strlen(texts[next])) : NULL;
        if (found != NULL) {
            length = 0;
            next++;
            put(terminal, "\003", 1);
        }
    }
}

int main(int argc, char **argv)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    const char *texts[MAX_INTERRUPTS];
    int count = 0;
    int option;
    while ((option = getopt(argc, argv, "+c:i:")) != -1) {
        if (option == 'c') {
            size.ws_col = (unsigned short)strtoul(optarg, NULL, 10);
        } else if (option == 'i' && count < MAX_INTERRUPTS) {
            texts[count++] = optarg;
        } else {
            return 1;
        }
    }
    int terminal;
    const pid_t child = forkpty(&terminal, NULL, NULL, &size);
    if (child < 0 || optind >= argc) {
        perror("pty");
        return 1;
    }
    if (child == 0) {
        execvp(argv[optind], argv + optind);
        perror(argv[optind]);
        _exit(127);
    }
    watch(terminal, texts, count);
    int status;
    if (waitpid(child, &status, 0) < 0) {
        perror("pty");
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
