/* command.h - the entry of a subcommand, and what a subcommand is given
 *
 * A subcommand is one file cmd_<name>.c that ends in its entry, and one line in list.def. Parsing, range checks,
 * `--help`, the manual page, shell completion and the option table of docs/manual come from the entry.
 *
 * A command fails by returning a status with a message in *err; main prints it, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_COMMAND_H
#define LYC_CLI_COMMAND_H

#include <stdbool.h>

#include "cli/cli.h"
#include "lycoris/option.h"

enum { LYC_CONFIG_SIZE = 1024 }; /* bytes that a command's options may take */

/* What operands are, for shell completion. */
typedef enum lyc_operand_kind {
    LYC_OPERAND_NONE,
    LYC_OPERAND_FILE,
    LYC_OPERAND_COMMAND,
    LYC_OPERAND_CHOICE
} lyc_operand_kind;

typedef struct lyc_example {
    const char *command; /* what to type; NULL ends the list */
    const char *meaning;
} lyc_example;

typedef struct lyc_command lyc_command;

struct lyc_command {
    const char *name;
    const char *summary;       /* a few words, lower case, without a full stop */
    const char *operands;      /* "FILE..."; NULL: none */
    const char *description;   /* paragraphs, with an empty line between them */
    const lyc_option *options; /* its own; NULL: none */
    const lyc_example *examples;
    lyc_operand_kind operand_kind;
    const lyc_option_choice *operand_choices; /* of LYC_OPERAND_CHOICE */
    int min_operands, max_operands;           /* max -1: any number */
    bool has_json;                            /* --json is a form of its results */
    size_t config_size;

    /* Instead of the struct of options: keeps each option as it comes, for values that only mean something with others.
     * The config is zeros at first. `clear` releases what it holds. Both or neither. */
    lyc_status (*set)(void *config, const lyc_option *option, const char *value, lyc_error *err);
    void (*clear)(void *config);

    /* config is the struct that the options fill; operands are the operand_count words that are no options. */
    lyc_status (*run)(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err);
};

/* The commands in the order of list.def, NULL at the end. */
extern const lyc_command *const lyc_commands[];

/* The command of that name, or NULL. */
const lyc_command *lyc_command_find(const char *name);

/* The same; an error that names the command that was perhaps meant when there is none of that name. */
lyc_status lyc_command_require(const lyc_command **command, const char *name, lyc_error *err);

/* Options of every command. */
typedef struct lyc_globals {
    bool help;
    bool version;
    bool quiet;
    bool verbose;
    bool json;
    int64_t threads; /* 0: as many as there are processors */
    int colour;
    int progress;
} lyc_globals;
enum { LYC_WHEN_AUTO, LYC_WHEN_ALWAYS, LYC_WHEN_NEVER };
enum { LYC_PROGRESS_AUTO, LYC_PROGRESS_BAR, LYC_PROGRESS_LINES, LYC_PROGRESS_JSON, LYC_PROGRESS_NONE };
extern const lyc_option lyc_global_options[];

/* Whether a global option is offered by the command (--json is not by all; command NULL: the program itself). */
bool lyc_global_applies(const lyc_option *option, const lyc_command *command);

#endif
