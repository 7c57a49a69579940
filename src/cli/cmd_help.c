/* cmd_help.c - lycoris help: the pages of a command, for people, for man, for the manual
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "cli/command.h"
#include "cli/manual.h"

typedef struct help_config {
    bool man;
    bool markdown;
} help_config;

static const lyc_option options[] = {
    {.name = "man",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(help_config, man),
     .help = "print the manual page, in the form that man reads"},
    {.name = "markdown",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(help_config, markdown),
     .help = "print usage and options as a Markdown table"},
    {0},
};

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const help_config *help = config;
    const lyc_command *command = NULL;
    if (operand_count > 0) {
        const lyc_status status = lyc_command_require(&command, operands[0], err);
        if (status != LYC_OK) {
            lyc_cli_hint(cli, "`lycoris help` lists the commands");
            return status;
        }
    }
    if (help->man && help->markdown) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--man and --markdown exclude each other");
    }
    if (help->man) {
        lyc_manual_print_roff(cli->out, command);
    } else if (help->markdown) {
        lyc_manual_print_markdown(cli->out, command);
    } else {
        lyc_manual_print_help(cli->out, command, cli->out_width, cli->out_colour);
    }
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris help inspect", "what `lycoris inspect --help` shows"},
    {"lycoris help --man inspect | man -l -", "the manual page, before it is installed"},
    {NULL, NULL},
};

const lyc_command lyc_command_help = {
    .name = "help",
    .summary = "explain a command",
    .operands = "[COMMAND]",
    .description =
        "Explains a command, or lists the commands when none is named. Help, manual pages, shell completion and "
        "the option tables of the manual are all made from the same descriptions.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_COMMAND,
    .max_operands = 1,
    .config_size = sizeof(help_config),
    .run = run,
};
