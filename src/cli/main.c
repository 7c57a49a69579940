/* main.c - finds the command, reads its options, runs it, and says once what went wrong
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <locale.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/manual.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/text.h"
#ifdef LYCORIS_WITH_DIFFUSION
#include "lycoris/diffusion.h"
#endif
#include "lycoris/log.h"
#include "lycoris/system.h"
#include "lycoris/version.h"

static bool use_colour(int when, bool is_terminal)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if (when != LYC_WHEN_AUTO) {
        return when == LYC_WHEN_ALWAYS;
    }
    return is_terminal && (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

/* Longer lines than 120 columns are hard to read, shorter ones than 40 hold nothing. */
static int text_width(void)
{
    const int columns = lyc_terminal_columns(stdout);
    return columns < 40 ? 40 : columns > 120 ? 120 : columns;
}

static void apply_globals(lyc_cli *cli, const lyc_globals *globals)
{
    cli->json = globals->json;
    cli->quiet = globals->quiet;
    cli->verbose = globals->verbose;
    cli->out_colour = use_colour(globals->colour, cli->out_is_terminal);
    cli->err_colour = use_colour(globals->colour, cli->err_is_terminal);
    if (globals->threads > 0) {
        lyc_thread_set_count((int)globals->threads);
    }
}

static lyc_status check_operands(const lyc_command *command, int count, char **operands, lyc_error *err)
{
    if (count < command->min_operands) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "%s is missing", command->operands);
    }
    if (command->max_operands >= 0 && count > command->max_operands) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "one argument too many: %s", operands[command->max_operands]);
    }
    return LYC_OK;
}

/* Reads the words behind the command's name and runs it. */
static lyc_status run_command(lyc_cli *cli, lyc_globals *globals, int count, char **words, lyc_error *err)
{
    const lyc_command *command = cli->command;
    assert(command->config_size <= LYC_CONFIG_SIZE);
    alignas(max_align_t) char config[LYC_CONFIG_SIZE] = {0};
    static const lyc_option no_options[] = {{0}};
    const lyc_option *options = command->options != NULL ? command->options : no_options;
    const lyc_option_target target = {options, config, globals, command->set, command};
    int operand_count = 0;
    int used;
    lyc_status status = command->set == NULL ? lyc_option_reset(config, options, err) : LYC_OK;
    if (status == LYC_OK) {
        status = lyc_option_parse(&operand_count, &used, &target, count, words, false, err);
    }
    apply_globals(cli, globals);
    if (status == LYC_OK && globals->version) {
        fprintf(cli->out, "lycoris %s\n", lyc_version());
    } else if (status == LYC_OK && globals->help) {
        lyc_manual_print_help(cli->out, command, cli->out_width, cli->out_colour);
    } else if (status == LYC_OK && globals->json && !command->has_json) {
        status = lyc_cli_fail(err, LYC_E_ARGUMENT, "--json is no option of this command");
    } else if (status == LYC_OK && (status = check_operands(command, operand_count, words, err)) == LYC_OK) {
        lyc_cli_listen(cli, globals->progress);
        status = command->run(cli, config, operand_count, words, err);
    }
    if (command->set == NULL) {
        lyc_option_clear(config, options);
    } else {
        command->clear(config);
    }
    return status;
}

static lyc_status find_command(lyc_cli *cli, const char *name, lyc_error *err)
{
    const lyc_status status = lyc_command_require(&cli->command, name, err);
    if (status != LYC_OK && access(name, F_OK) == 0) {
        lyc_cli_hint(cli, "to look at a file: lycoris inspect %s", name);
    }
    return status;
}

/* `lycoris` alone, --help, --version. */
static lyc_status run_without_command(lyc_cli *cli, const lyc_globals *globals, lyc_error *err)
{
    if (globals->version) {
        fprintf(cli->out, "lycoris %s\n", lyc_version());
    } else if (globals->help) {
        lyc_manual_print_help(cli->out, NULL, cli->out_width, cli->out_colour);
    } else {
        lyc_manual_print_help(stderr, NULL, cli->out_width, cli->err_colour);
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "which command?");
    }
    return LYC_OK;
}

static lyc_status run(lyc_cli *cli, int count, char **words, lyc_error *err)
{
    lyc_globals globals;
    const lyc_option_target target = {.globals = &globals};
    int operand_count;
    int used = 0;
    lyc_status status = lyc_option_reset(&globals, lyc_global_options, err);
    if (status == LYC_OK) {
        status = lyc_option_parse(&operand_count, &used, &target, count, words, true, err);
    }
    apply_globals(cli, &globals);
    if (status != LYC_OK) {
        return status;
    }
    if (used == count || globals.version) {
        return run_without_command(cli, &globals, err);
    }
    status = find_command(cli, words[used], err);
    return status == LYC_OK ? run_command(cli, &globals, count - used - 1, words + used + 1, err) : status;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    lyc_signals_catch();
#ifdef LYCORIS_WITH_DIFFUSION
    lyc_diffusion_start();
#endif
    lyc_cli cli = {
        .out = stdout,
        .out_is_terminal = isatty(STDOUT_FILENO),
        .err_is_terminal = isatty(STDERR_FILENO),
        .out_width = text_width(),
    };
    lyc_error err = {0};
    lyc_status status = run(&cli, argc - 1, argv + 1, &err);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == LYC_OK) {
        status = lyc_cli_fail(&err, LYC_E_OUTPUT, "writing standard output failed");
    }
    lyc_log_set_sink(NULL, NULL);
    lyc_cli_clear_bar(&cli);
    if (status != LYC_OK && !cli.reported) {
        lyc_cli_report(&cli, &err);
    }
    return lyc_exit_code(status);
}
