/* message.c - what the program says on standard error: one line for what happened, one for what to do
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/text.h"
#include "lycoris/text.h"

lyc_status lyc_cli_fail(lyc_error *err, lyc_status status, const char *format, ...)
{
    char text[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    err->status = status;
    lyc_text_printable(err->message, sizeof err->message, text, strlen(text));
    return status;
}

void lyc_cli_hint(lyc_cli *cli, const char *format, ...)
{
    char text[sizeof cli->hint];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lyc_text_printable(cli->hint, sizeof cli->hint, text, strlen(text));
}

void lyc_cli_print_origin(const lyc_cli *cli, lyc_style style)
{
    fprintf(stderr, "%slycoris%s%s:%s ", lyc_style_begin(cli->err_colour, style), cli->command != NULL ? " " : "",
            cli->command != NULL ? cli->command->name : "", lyc_style_end(cli->err_colour));
}

void lyc_cli_warn(lyc_cli *cli, const char *format, ...)
{
    if (cli->quiet) {
        return;
    }
    char text[512];
    char shown[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lyc_text_printable(shown, sizeof shown, text, strlen(text));
    lyc_cli_clear_bar(cli);
    lyc_cli_print_origin(cli, LYC_STYLE_YELLOW);
    fprintf(stderr, "warning: %s\n", shown);
}

void lyc_cli_report(lyc_cli *cli, const lyc_error *err)
{
    if (err->status == LYC_E_ARGUMENT && cli->hint[0] == '\0') {
        if (cli->command != NULL) {
            lyc_cli_hint(cli, "`lycoris %s --help` shows how it is used", cli->command->name);
        } else {
            lyc_cli_hint(cli, "`lycoris help` lists the commands");
        }
    }
    cli->reported = true;
    lyc_cli_clear_bar(cli);
    lyc_cli_print_origin(cli, LYC_STYLE_RED);
    fprintf(stderr, "%s\n", err->message);
    if (cli->hint[0] != '\0') {
        fprintf(stderr, "  %s\n", cli->hint);
    }
}
