/* manual.h - the forms in which commands and options are explained, all from the same entries
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_MANUAL_H
#define LYC_CLI_MANUAL_H

#include "cli/command.h"
#include "cli/text.h"

/* What is said about the program as a whole. */
extern const char lyc_manual_summary[];
extern const char lyc_manual_description[];

typedef struct lyc_manual_row {
    const char *name; /* NULL ends the table */
    const char *meaning;
} lyc_manual_row;
extern const lyc_manual_row lyc_manual_environment[];

/* The exit status of the program for a library status, and what each means. */
typedef struct lyc_exit_status {
    int code;
    const char *meaning; /* NULL ends the table */
} lyc_exit_status;
extern const lyc_exit_status lyc_exit_statuses[];
int lyc_exit_code(lyc_status status);

/* "-t, --threads N"; missing_letter stands for "-t, " where there is none. */
void lyc_manual_option_form(lyc_line *line, const lyc_option *option, const char *missing_letter);

/* What the option does, with its choices, standard value and limits. */
void lyc_manual_option_meaning(lyc_line *line, const lyc_option *option);

/* "lycoris inspect [OPTION]... FILE..." */
void lyc_manual_usage(lyc_line *line, const lyc_command *command);

/* Whether the help of the command (NULL: of the program) shows the option, a row of its table or of the global one. */
bool lyc_manual_shows(const lyc_option *option, const lyc_option *table, const lyc_command *command);

/* Whole documents; command NULL: the program. */
void lyc_manual_print_help(FILE *out, const lyc_command *command, int width, bool colour);
void lyc_manual_print_roff(FILE *out, const lyc_command *command);
void lyc_manual_print_markdown(FILE *out, const lyc_command *command);

#endif
