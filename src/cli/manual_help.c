/* manual_help.c - `--help`: a page for the terminal
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "cli/manual.h"

enum { INDENT = 2, WIDEST_FORM = 26 };

static void print_heading(FILE *out, bool colour, const char *heading)
{
    fprintf(out, "\n%s%s:%s\n", lyc_style_begin(colour, LYC_STYLE_BOLD), heading, lyc_style_end(colour));
}

/* "  form      meaning", the meaning at the given column, below the form when that is too long. */
static void print_row(FILE *out, const char *form, const char *meaning, int column, int width)
{
    int at = INDENT + lyc_text_columns(form);
    fprintf(out, "%*s%s", INDENT, "", form);
    if (at + 2 > column) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", column - at, "");
    lyc_text_wrap(out, meaning, column, column, width);
}

/* The column of the meanings: behind the longest form that is not too long. */
static int meaning_column(const lyc_option *table, const lyc_command *command, int column)
{
    for (const lyc_option *option = table; option != NULL && option->name != NULL; option++) {
        lyc_line form = {0};
        lyc_manual_option_form(&form, option, "    ");
        const int columns = lyc_text_columns(form.text);
        if (lyc_manual_shows(option, table, command) && columns <= WIDEST_FORM && INDENT + columns + 2 > column) {
            column = INDENT + columns + 2;
        }
    }
    return column;
}

static void print_options(FILE *out, const lyc_option *table, const lyc_command *command, int column, int width,
                          bool colour)
{
    for (const lyc_option *option = table; option->name != NULL; option++) {
        if (option->heading != NULL) {
            print_heading(out, colour, option->heading);
        }
        if (lyc_manual_shows(option, table, command)) {
            lyc_line form = {0};
            lyc_line meaning = {0};
            lyc_manual_option_form(&form, option, "    ");
            lyc_manual_option_meaning(&meaning, option);
            print_row(out, form.text, meaning.text, column, width);
        }
    }
}

static void print_choices(FILE *out, const lyc_option_choice *choices, bool colour, int width)
{
    print_heading(out, colour, "Choices");
    for (const lyc_option_choice *choice = choices; choice->name != NULL; choice++) {
        print_row(out, choice->name, choice->help != NULL ? choice->help : "", 14, width);
    }
}

static void print_examples(FILE *out, const lyc_example *examples, bool colour, int width)
{
    print_heading(out, colour, "Examples");
    for (const lyc_example *example = examples; example->command != NULL; example++) {
        fprintf(out, "  %s\n      ", example->command);
        lyc_text_wrap(out, example->meaning, 6, 6, width);
    }
}

static void print_usage(FILE *out, const lyc_command *command, bool colour)
{
    lyc_line usage = {0};
    lyc_manual_usage(&usage, command);
    fprintf(out, "%sUsage:%s %s\n\n", lyc_style_begin(colour, LYC_STYLE_BOLD), lyc_style_end(colour), usage.text);
}

static void print_command(FILE *out, const lyc_command *command, int width, bool colour)
{
    print_usage(out, command, colour);
    lyc_text_wrap(out, command->description, 0, 0, width);
    if (command->operand_choices != NULL) {
        print_choices(out, command->operand_choices, colour, width);
    }
    const int column = meaning_column(lyc_global_options, command, meaning_column(command->options, command, 0));
    if (command->options != NULL) {
        if (command->options->heading == NULL) {
            print_heading(out, colour, "Options");
        }
        print_options(out, command->options, command, column, width, colour);
    }
    print_heading(out, colour, "Options of every command");
    print_options(out, lyc_global_options, command, column, width, colour);
    if (command->examples != NULL) {
        print_examples(out, command->examples, colour, width);
    }
}

static void print_program(FILE *out, int width, bool colour)
{
    print_usage(out, NULL, colour);
    lyc_text_wrap(out, lyc_manual_description, 0, 0, width);
    print_heading(out, colour, "Commands");
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        print_row(out, (*command)->name, (*command)->summary, 16, width);
    }
    print_heading(out, colour, "Options of every command");
    print_options(out, lyc_global_options, NULL, meaning_column(lyc_global_options, NULL, 0), width, colour);
    print_heading(out, colour, "Environment");
    for (const lyc_manual_row *row = lyc_manual_environment; row->name != NULL; row++) {
        print_row(out, row->name, row->meaning, 20, width);
    }
    print_heading(out, colour, "Exit status");
    for (const lyc_exit_status *row = lyc_exit_statuses; row->meaning != NULL; row++) {
        char code[8];
        snprintf(code, sizeof code, "%3d", row->code);
        print_row(out, code, row->meaning, 7, width);
    }
    fputs("\n`lycoris help COMMAND` says more about a command.\n", out);
}

void lyc_manual_print_help(FILE *out, const lyc_command *command, int width, bool colour)
{
    if (command != NULL) {
        print_command(out, command, width, colour);
    } else {
        print_program(out, width, colour);
    }
}
