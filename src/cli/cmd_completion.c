/* cmd_completion.c - lycoris completion: scripts that complete commands, options and values in a shell
 *
 * All three scripts are made from the tables of commands and options. What cannot be completed from them is a file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "cli/command.h"
#include "cli/manual.h"

/* Calls visit for each option of the table (which may be NULL) that the command's help shows. */
typedef void (*option_visitor)(FILE *out, const lyc_option *option, const lyc_command *command);

static void visit_table(FILE *out, const lyc_option *table, const lyc_command *command, option_visitor visit)
{
    for (const lyc_option *option = table; option != NULL && option->name != NULL; option++) {
        if (lyc_manual_shows(option, table, command)) {
            visit(out, option, command);
        }
    }
}

/* The command's own options and the global ones. */
static void visit_options(FILE *out, const lyc_command *command, option_visitor visit)
{
    visit_table(out, command != NULL ? command->options : NULL, command, visit);
    visit_table(out, lyc_global_options, command, visit);
}

static void print_choices(FILE *out, const lyc_option_choice *choices)
{
    for (const lyc_option_choice *choice = choices; choice->name != NULL; choice++) {
        fprintf(out, "%s%s", choice == choices ? "" : " ", choice->name);
    }
}

static void print_commands(FILE *out, const char *separator)
{
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        fprintf(out, "%s%s", command == lyc_commands ? "" : separator, (*command)->name);
    }
}

/* Text inside single quotes of a shell, which end at a quote; the other characters are those that the caller's syntax
 * needs a backslash for. */
static void print_quoted(FILE *out, const char *text, const char *special, const char *escaped_quote)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs(escaped_quote, out);
            continue;
        }
        if (strchr(special, *c) != NULL) {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
}

/* --- bash --------------------------------------------------------------------------------------------------------- */

static void bash_word(FILE *out, const lyc_option *option, const lyc_command *command)
{
    (void)command;
    fprintf(out, " --%s", option->name);
}

/* A pattern of the case statement over "command option". */
static void bash_pattern(FILE *out, const lyc_command *command, const char *dashes, const char *name)
{
    if (command != NULL) {
        fprintf(out, "\"%s %s%s\"", command->name, dashes, name);
    } else {
        fprintf(out, "*\" %s%s\"", dashes, name);
    }
}

/* A line of that statement, for options that take a value. */
static void bash_value(FILE *out, const lyc_option *option, const lyc_command *command)
{
    if (option->kind == LYC_OPTION_BOOL) {
        return;
    }
    fputs("    ", out);
    bash_pattern(out, command, "--", option->name);
    if (option->letter != 0) {
        const char letter[] = {option->letter, '\0'};
        fputs(" | ", out);
        bash_pattern(out, command, "-", letter);
    }
    if (option->kind == LYC_OPTION_ENUM) {
        fputs(") words=\"", out);
        print_choices(out, option->choices);
        fputs("\" ;;\n", out);
    } else {
        fprintf(out, ") kind=%s ;;\n", option->kind == LYC_OPTION_PATH ? "files" : "none");
    }
}

static void bash_command(FILE *out, const lyc_command *command)
{
    fprintf(out, "    \"%s\") options=\"", command != NULL ? command->name : "");
    visit_options(out, command, bash_word);
    fputc('"', out);
    if (command == NULL || command->operand_kind == LYC_OPERAND_COMMAND) {
        fputs(" operands=\"", out);
        print_commands(out, " ");
        fputc('"', out);
    } else if (command->operand_kind == LYC_OPERAND_CHOICE) {
        fputs(" operands=\"", out);
        print_choices(out, command->operand_choices);
        fputc('"', out);
    } else if (command->operand_kind == LYC_OPERAND_FILE) {
        fputs(" operand_kind=files", out);
    }
    fputs(" ;;\n", out);
}

static void print_bash(FILE *out)
{
    fputs("# bash completion for lycoris, made by `lycoris completion bash`\n"
          "_lycoris() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command= options= operands= operand_kind=words kind= words= i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        ",
          out);
    print_commands(out, " | ");
    fputs(") command=${COMP_WORDS[i]}; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case \"$command\" in\n",
          out);
    bash_command(out, NULL);
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        bash_command(out, *command);
    }
    fputs("    esac\n"
          "    case \"$command $previous\" in\n",
          out);
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        visit_table(out, (*command)->options, *command, bash_value);
    }
    visit_table(out, lyc_global_options, NULL, bash_value);
    fputs("    *)\n"
          "        case $current in\n"
          "        -*) words=$options ;;\n"
          "        *) words=$operands kind=$operand_kind ;;\n"
          "        esac\n"
          "        ;;\n"
          "    esac\n"
          "    COMPREPLY=()\n"
          "    case $kind in\n"
          "    none) ;;\n"
          "    files) mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
          "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\") ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _lycoris lycoris\n",
          out);
}

/* --- zsh ---------------------------------------------------------------------------------------------------------- */

/* "*--name" for what may be repeated, '(-t --threads)'{-t,--threads} for two names. */
static void zsh_option(FILE *out, const lyc_option *option, const lyc_command *command)
{
    (void)command;
    fputs(" \\\n            ", out);
    if (option->kind == LYC_OPTION_LIST) {
        fprintf(out, "'*--%s", option->name);
    } else if (option->letter != 0) {
        fprintf(out, "'(-%c --%s)'{-%c,--%s}'", option->letter, option->name, option->letter, option->name);
    } else {
        fprintf(out, "'--%s", option->name);
    }
    fputc('[', out);
    print_quoted(out, option->help, "[]:\\", "'\\''");
    fputc(']', out);
    if (option->kind != LYC_OPTION_BOOL) {
        fputs(":value:", out);
        if (option->kind == LYC_OPTION_ENUM) {
            fputc('(', out);
            print_choices(out, option->choices);
            fputc(')', out);
        } else if (option->kind == LYC_OPTION_PATH) {
            fputs("_files", out);
        }
    }
    fputc('\'', out);
}

static void zsh_operands(FILE *out, const lyc_command *command)
{
    switch (command->operand_kind) {
    case LYC_OPERAND_FILE:
        fputs(" \\\n            '*:file:_files'", out);
        break;
    case LYC_OPERAND_COMMAND:
        fputs(" \\\n            ':command:(", out);
        print_commands(out, " ");
        fputs(")'", out);
        break;
    case LYC_OPERAND_CHOICE:
        fputs(" \\\n            ':choice:(", out);
        print_choices(out, command->operand_choices);
        fputs(")'", out);
        break;
    case LYC_OPERAND_NONE:
        break;
    }
}

static void print_zsh(FILE *out)
{
    fputs("#compdef lycoris\n"
          "# zsh completion for lycoris, made by `lycoris completion zsh`\n"
          "_lycoris() {\n"
          "    local context state state_descr line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C",
          out);
    visit_options(out, NULL, zsh_option);
    fputs(" \\\n            ':command:->command' '*::argument:->argument'\n"
          "    case $state in\n"
          "    command)\n"
          "        local -a commands=(\n",
          out);
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        fprintf(out, "            '%s:", (*command)->name);
        print_quoted(out, (*command)->summary, ":\\", "'\\''");
        fputs("'\n", out);
    }
    fputs("        )\n"
          "        _describe command commands\n"
          "        ;;\n"
          "    argument)\n"
          "        case $line[1] in\n",
          out);
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        fprintf(out, "        %s)\n            _arguments", (*command)->name);
        visit_options(out, *command, zsh_option);
        zsh_operands(out, *command);
        fputs(" ;;\n", out);
    }
    fputs("        esac\n"
          "        ;;\n"
          "    esac\n"
          "}\n"
          "if [ \"$funcstack[1]\" = _lycoris ]; then\n"
          "    _lycoris \"$@\"\n"
          "else\n"
          "    compdef _lycoris lycoris\n"
          "fi\n",
          out);
}

/* --- fish --------------------------------------------------------------------------------------------------------- */

static void fish_condition(FILE *out, const lyc_command *command)
{
    if (command != NULL) {
        fprintf(out, "complete -c lycoris -n '__fish_seen_subcommand_from %s'", command->name);
    } else {
        fputs("complete -c lycoris -n __fish_use_subcommand", out);
    }
}

static void fish_option(FILE *out, const lyc_option *option, const lyc_command *command)
{
    fish_condition(out, command);
    if (option->letter != 0) {
        fprintf(out, " -s %c", option->letter);
    }
    fprintf(out, " -l %s", option->name);
    if (option->kind == LYC_OPTION_ENUM) {
        fputs(" -x -a '", out);
        print_choices(out, option->choices);
        fputc('\'', out);
    } else if (option->kind == LYC_OPTION_PATH) {
        fputs(" -r -F", out);
    } else if (option->kind != LYC_OPTION_BOOL) {
        fputs(" -x", out);
    }
    fputs(" -d '", out);
    print_quoted(out, option->help, "\\", "\\'");
    fputs("'\n", out);
}

static void fish_operands(FILE *out, const lyc_command *command)
{
    if (command->operand_kind == LYC_OPERAND_NONE) {
        return;
    }
    fish_condition(out, command);
    if (command->operand_kind == LYC_OPERAND_FILE) {
        fputs(" -F\n", out);
        return;
    }
    fputs(" -a '", out);
    if (command->operand_kind == LYC_OPERAND_COMMAND) {
        print_commands(out, " ");
    } else {
        print_choices(out, command->operand_choices);
    }
    fputs("'\n", out);
}

static void print_fish(FILE *out)
{
    fputs("# fish completion for lycoris, made by `lycoris completion fish`\n"
          "complete -c lycoris -f\n",
          out);
    visit_options(out, NULL, fish_option);
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        fprintf(out, "complete -c lycoris -n __fish_use_subcommand -a %s -d '", (*command)->name);
        print_quoted(out, (*command)->summary, "\\", "\\'");
        fputs("'\n", out);
    }
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        visit_options(out, *command, fish_option);
        fish_operands(out, *command);
    }
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static const lyc_option_choice shells[] = {
    {"bash", "for share/bash-completion/completions/lycoris"},
    {"zsh", "for share/zsh/site-functions/_lycoris"},
    {"fish", "for share/fish/vendor_completions.d/lycoris.fish"},
    {NULL, NULL},
};
static void (*const printers[])(FILE *out) = {print_bash, print_zsh, print_fish};

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    (void)config;
    (void)operand_count;
    int shell = 0;
    const lyc_option choice = {.name = "shell", .kind = LYC_OPTION_ENUM, .choices = shells};
    const lyc_status status = lyc_option_set(&shell, &choice, operands[0], err);
    if (status == LYC_OK) {
        printers[shell](cli->out);
    }
    return status;
}

static const lyc_example examples[] = {
    {"source <(lycoris completion bash)", "completion in this bash, until it ends"},
    {"lycoris completion fish > ~/.config/fish/completions/lycoris.fish", "completion in fish, for good"},
    {NULL, NULL},
};

const lyc_command lyc_command_completion = {
    .name = "completion",
    .summary = "print a script that completes commands and options in a shell",
    .operands = "SHELL",
    .description =
        "Prints a script for a shell that completes the names of commands and options, the choices of an option, "
        "and files. `make install` puts the three scripts where the shells look for them.",
    .examples = examples,
    .operand_kind = LYC_OPERAND_CHOICE,
    .operand_choices = shells,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
