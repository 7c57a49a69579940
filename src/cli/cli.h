/* cli.h - what a command is given, and how it speaks
 *
 * Results go to lyc_cli.out (standard output) and nothing else does; everything else goes to standard error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_CLI_H
#define LYC_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/text.h"
#include "lycoris/error.h"
#include "lycoris/progress.h"

struct lyc_command;

/* The global options and what follows from them. */
typedef struct lyc_cli {
    const struct lyc_command *command; /* NULL as long as it is not known */
    FILE *out;
    bool json;
    bool quiet;
    bool verbose;
    bool out_is_terminal;
    bool err_is_terminal;
    bool out_colour;
    bool err_colour;
    int out_width; /* columns to fill; 80 when standard output is not a terminal */
    char hint[512];
    bool reported; /* the error was printed: not again at the end */

    /* What is on standard error (progress.c). */
    struct {
        int form; /* one of LYC_PROGRESS_... */
        int columns;
        lyc_progress_style style;
        double last_s;
        bool bar_shown;
        bool lines_shown;
    } progress;
} lyc_cli;

/* Returns from the function when the call fails; for functions that have nothing to release. */
#define LYC_TRY(call)                                                                                                  \
    do {                                                                                                               \
        const lyc_status try_status = (call);                                                                          \
        if (try_status != LYC_OK) {                                                                                    \
            return try_status;                                                                                         \
        }                                                                                                              \
    } while (0)

/* Sets *err and returns status; the text is made printable. */
lyc_status lyc_cli_fail(lyc_error *err, lyc_status status, const char *format, ...) LYC_PRINTF(3, 4);

/* Says what to do about the error that the command is going to return. */
void lyc_cli_hint(lyc_cli *cli, const char *format, ...) LYC_PRINTF(2, 3);

/* A line on standard error, "lycoris inspect: warning: ..."; nothing with --quiet. */
void lyc_cli_warn(lyc_cli *cli, const char *format, ...) LYC_PRINTF(2, 3);

/* Prints the error and the hint on standard error. */
void lyc_cli_report(lyc_cli *cli, const lyc_error *err);

/* "lycoris inspect: " on standard error: how every message begins. */
void lyc_cli_print_origin(const lyc_cli *cli, lyc_style style);

/* Erases the bar, if one is shown, so that something else can be written on the terminal; the next report of progress
 * draws it again. */
void lyc_cli_clear_bar(lyc_cli *cli);

#endif
