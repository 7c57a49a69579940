/* manual_markdown.c - the option table of a page in docs/manual
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/manual.h"

/* Text in a cell of a table: a bar would end the cell, angle brackets would be markup. */
static void print_cell(FILE *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|' || *c == '<' || *c == '\\') {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
}

static void print_rows(FILE *out, const lyc_option *table, const lyc_command *command)
{
    for (const lyc_option *option = table; option != NULL && option->name != NULL; option++) {
        if (option->heading != NULL) {
            fprintf(out, "| **%s** | |\n", option->heading);
        }
        if (!lyc_manual_shows(option, table, command)) {
            continue;
        }
        lyc_line form = {0};
        lyc_line meaning = {0};
        lyc_manual_option_form(&form, option, "");
        lyc_manual_option_meaning(&meaning, option);
        fprintf(out, "| `%s` | ", form.text);
        print_cell(out, meaning.text);
        fputs(" |\n", out);
    }
}

void lyc_manual_print_markdown(FILE *out, const lyc_command *command)
{
    lyc_line usage = {0};
    lyc_manual_usage(&usage, command);
    fprintf(out, "Usage: `%s`\n\n| option | meaning |\n|---|---|\n", usage.text);
    print_rows(out, command != NULL ? command->options : NULL, command);
    print_rows(out, lyc_global_options, command);
}
