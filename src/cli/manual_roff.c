/* manual_roff.c - manual pages of section 1, in the man macros that man-db, mandoc and groff read
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <string.h>

#include "cli/manual.h"
#include "lycoris/version.h"

/* Text that roff must not obey: backslashes, hyphens that are minus signs, dots and quotes at the start of a line. An
 * empty line becomes a paragraph. */
static void print_text(FILE *out, const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (c[0] == '\n' && c[1] == '\n') {
            fputs("\n.PP\n", out);
            c++;
            line_start = true;
            continue;
        }
        if (line_start && (*c == '.' || *c == '\'')) {
            fputs("\\&", out);
        }
        if (*c == '\\') {
            fputs("\\e", out);
        } else if (*c == '-') {
            fputs("\\-", out);
        } else {
            fputc(*c, out);
        }
        line_start = *c == '\n';
    }
}

static void print_line(FILE *out, const char *text)
{
    print_text(out, text);
    fputc('\n', out);
}

static void print_tagged(FILE *out, const char *tag, const char *meaning)
{
    fputs(".TP\n\\fB", out);
    print_text(out, tag);
    fputs("\\fR\n", out);
    print_line(out, meaning);
}

static void print_options(FILE *out, const lyc_option *table, const lyc_command *command)
{
    for (const lyc_option *option = table; option != NULL && option->name != NULL; option++) {
        if (option->heading != NULL) {
            fputs(".SS ", out);
            print_line(out, option->heading);
        }
        if (!lyc_manual_shows(option, table, command)) {
            continue;
        }
        lyc_line form = {0};
        lyc_line meaning = {0};
        lyc_manual_option_form(&form, option, "");
        lyc_manual_option_meaning(&meaning, option);
        print_tagged(out, form.text, meaning.text);
    }
}

static void print_header(FILE *out, const lyc_command *command)
{
    fputs(".TH LYCORIS", out);
    if (command != NULL) {
        fputs("\\-", out);
        for (const char *c = command->name; *c != '\0'; c++) {
            fputc(*c == '-' ? '-' : toupper((unsigned char)*c), out);
        }
    }
    fprintf(out, " 1 \"\" \"lycoris %s\" \"User Commands\"\n.SH NAME\n", LYCORIS_VERSION);
    if (command != NULL) {
        fprintf(out, "lycoris\\-%s \\- %s\n", command->name, command->summary);
    } else {
        fprintf(out, "lycoris \\- %s\n", lyc_manual_summary);
    }
    lyc_line usage = {0};
    lyc_manual_usage(&usage, command);
    fputs(".SH SYNOPSIS\n", out);
    print_line(out, usage.text);
    fputs(".SH DESCRIPTION\n", out);
    print_line(out, command != NULL ? command->description : lyc_manual_description);
}

static void print_examples(FILE *out, const lyc_example *examples)
{
    fputs(".SH EXAMPLES\n", out);
    for (const lyc_example *example = examples; example->command != NULL; example++) {
        print_tagged(out, example->command, example->meaning);
    }
}

static void print_end(FILE *out, const lyc_command *command)
{
    fputs(".SH ENVIRONMENT\n", out);
    for (const lyc_manual_row *row = lyc_manual_environment; row->name != NULL; row++) {
        print_tagged(out, row->name, row->meaning);
    }
    fputs(".SH EXIT STATUS\n", out);
    for (const lyc_exit_status *row = lyc_exit_statuses; row->meaning != NULL; row++) {
        char code[8];
        snprintf(code, sizeof code, "%d", row->code);
        print_tagged(out, code, row->meaning);
    }
    fputs(".SH SEE ALSO\n", out);
    if (command != NULL) {
        fputs(".BR lycoris (1)\n", out);
        return;
    }
    for (const lyc_command *const *other = lyc_commands; *other != NULL; other++) {
        fprintf(out, ".BR lycoris\\-%s (1)%s\n", (*other)->name, other[1] != NULL ? "," : "");
    }
}

void lyc_manual_print_roff(FILE *out, const lyc_command *command)
{
    print_header(out, command);
    if (command == NULL) {
        fputs(".SH COMMANDS\n", out);
        for (const lyc_command *const *row = lyc_commands; *row != NULL; row++) {
            print_tagged(out, (*row)->name, (*row)->summary);
        }
    } else if (command->operand_choices != NULL) {
        fputs(".SH CHOICES\n", out);
        for (const lyc_option_choice *choice = command->operand_choices; choice->name != NULL; choice++) {
            print_tagged(out, choice->name, choice->help != NULL ? choice->help : "");
        }
    }
    fputs(".SH OPTIONS\n", out);
    print_options(out, command != NULL ? command->options : NULL, command);
    print_options(out, lyc_global_options, command);
    if (command != NULL && command->examples != NULL) {
        print_examples(out, command->examples);
    }
    print_end(out, command);
}
