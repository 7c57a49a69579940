/* command.c - the tables of commands and of global options
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"

#include <stddef.h>
#include <string.h>

#define LYC_COMMAND(name) extern const lyc_command lyc_command_##name;
#include "cli/list.def"
#undef LYC_COMMAND

const lyc_command *const lyc_commands[] = {
#define LYC_COMMAND(name) &lyc_command_##name,
#include "cli/list.def"
#undef LYC_COMMAND
    NULL,
};

static const lyc_option_choice colour_choices[] = {
    [LYC_WHEN_AUTO] = {"auto", "on a terminal, unless NO_COLOR is set"},
    [LYC_WHEN_ALWAYS] = {"always", NULL},
    [LYC_WHEN_NEVER] = {"never", NULL},
    {NULL, NULL},
};

static const lyc_option_choice progress_choices[] = {
    [LYC_PROGRESS_AUTO] = {"auto", "a bar on a terminal, else lines"},
    [LYC_PROGRESS_BAR] = {"bar", "one line that is redrawn"},
    [LYC_PROGRESS_LINES] = {"lines", "a line every few seconds"},
    [LYC_PROGRESS_JSON] = {"json", "one JSON object per line"},
    [LYC_PROGRESS_NONE] = {"none", NULL},
    {NULL, NULL},
};

/* clang-format off */
const lyc_option lyc_global_options[] = {
    {.name = "help", .kind = LYC_OPTION_BOOL, .letter = 'h', .offset = offsetof(lyc_globals, help),
     .help = "show this help"},
    {.name = "version", .kind = LYC_OPTION_BOOL, .letter = 'V', .offset = offsetof(lyc_globals, version),
     .help = "show the version"},
    {.name = "quiet", .kind = LYC_OPTION_BOOL, .letter = 'q', .offset = offsetof(lyc_globals, quiet),
     .help = "no progress, no warnings; errors and results only"},
    {.name = "verbose", .kind = LYC_OPTION_BOOL, .letter = 'v', .offset = offsetof(lyc_globals, verbose),
     .help = "say more about what is being done"},
    {.name = "json", .kind = LYC_OPTION_BOOL, .offset = offsetof(lyc_globals, json),
     .help = "print the results as JSON"},
    {.name = "threads", .kind = LYC_OPTION_INT, .letter = 't', .offset = offsetof(lyc_globals, threads),
     .min = 1, .max = 1024, .help = "threads to compute with; as many as there are processors unless given"},
    {.name = "color", .kind = LYC_OPTION_ENUM, .offset = offsetof(lyc_globals, colour), .choices = colour_choices,
     .standard = "auto", .metavar = "WHEN", .help = "colour in the output"},
    {.name = "progress", .kind = LYC_OPTION_ENUM, .offset = offsetof(lyc_globals, progress),
     .choices = progress_choices, .standard = "auto", .metavar = "FORM",
     .help = "how to show progress, on standard error"},
    {0},
};
/* clang-format on */

bool lyc_global_applies(const lyc_option *option, const lyc_command *command)
{
    return option->offset != offsetof(lyc_globals, json) || (command != NULL && command->has_json);
}

const lyc_command *lyc_command_find(const char *name)
{
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        if (strcmp((*command)->name, name) == 0) {
            return *command;
        }
    }
    return NULL;
}

/* The command that the name resembles most, or NULL. */
static const lyc_command *nearest_command(const char *name)
{
    const lyc_command *nearest = NULL;
    int best = 0;
    for (const lyc_command *const *command = lyc_commands; *command != NULL; command++) {
        int distance;
        if (lyc_text_resembles(&distance, name, (*command)->name) && (nearest == NULL || distance < best)) {
            nearest = *command;
            best = distance;
        }
    }
    return nearest;
}

lyc_status lyc_command_require(const lyc_command **command, const char *name, lyc_error *err)
{
    *command = lyc_command_find(name);
    if (*command != NULL) {
        return LYC_OK;
    }
    const lyc_command *nearest = nearest_command(name);
    if (nearest == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown command %s", name);
    }
    return lyc_cli_fail(err, LYC_E_ARGUMENT, "unknown command %s; did you mean %s?", name, nearest->name);
}
