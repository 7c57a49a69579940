/* manual.c - what help, manual pages and tables have in common
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/manual.h"

#include <string.h>

#include "cli/option.h"

const char lyc_manual_summary[] = "parameter-efficient adapters for Stable Diffusion";

const char lyc_manual_description[] =
    "lycoris works with the adapter and model files of Stable Diffusion: LoRA, LoHa, LoKr and the other algorithms of "
    "LyCORIS. One program, one subcommand per job.\n\n"
    "Results go to standard output, messages and progress to standard error. Input files are only read; an output "
    "appears under its name when it is complete.";

const lyc_manual_row lyc_manual_environment[] = {
    {"NO_COLOR", "when set and not empty, no colour unless --color always"},
    {"LYCORIS_THREADS", "threads to compute with when --threads is not given; OMP_NUM_THREADS is the next choice"},
    {"LYCORIS_LOG", "categories to report in detail, separated by commas: general, kernels, plan, memory, files, data, "
                    "train or all"},
    {"LYCORIS_ISA", "the best instruction set to use: generic, avx2, avx512 or avx512bf16"},
    {"LYCORIS_CHECK", "finite: end with an error at the first operation that gives a NaN or an infinity, and name it"},
    {NULL, NULL},
};

const lyc_exit_status lyc_exit_statuses[] = {
    {0, "done"},
    {1, "wrong usage: an option or argument that makes no sense"},
    {2, "an input cannot be read or is malformed"},
    {3, "an input is well formed but not supported"},
    {4, "shapes do not fit together"},
    {5, "an output cannot be written"},
    {6, "numerical failure: NaN, infinity, no convergence"},
    {7, "out of memory, or a memory budget that cannot be kept"},
    {130, "interrupted"},
    {0, NULL},
};

int lyc_exit_code(lyc_status status)
{
    static const int codes[LYC_STATUS_COUNT] = {
        [LYC_OK] = 0,      [LYC_E_ARGUMENT] = 1, [LYC_E_IO] = 2,      [LYC_E_FORMAT] = 2, [LYC_E_UNSUPPORTED] = 3,
        [LYC_E_SHAPE] = 4, [LYC_E_OUTPUT] = 5,   [LYC_E_NUMERIC] = 6, [LYC_E_MEMORY] = 7, [LYC_E_CANCELLED] = 130,
    };
    return codes[status];
}

void lyc_manual_option_form(lyc_line *line, const lyc_option *option, const char *missing_letter)
{
    const char *metavar = lyc_option_metavar(option);
    if (option->letter != 0) {
        lyc_line_add(line, "-%c, ", option->letter);
    } else {
        lyc_line_add(line, "%s", missing_letter);
    }
    lyc_line_add(line, "--%s%s%s", option->name, metavar[0] != '\0' ? " " : "", metavar);
}

static void add_choices(lyc_line *line, const lyc_option_choice *choices)
{
    lyc_line_add(line, ": ");
    for (size_t i = 0; choices[i].name != NULL; i++) {
        const char *separator = i == 0 ? "" : choices[i + 1].name != NULL ? ", " : " or ";
        lyc_line_add(line, "%s%s", separator, choices[i].name);
        if (choices[i].help != NULL) {
            lyc_line_add(line, " (%s)", choices[i].help);
        }
    }
}

static void add_limits(lyc_line *line, const lyc_option *option)
{
    if (option->max == LYC_OPTION_UNLIMITED) {
        lyc_line_add(line, "; at least %.15g", option->min);
    } else if (option->min == -LYC_OPTION_UNLIMITED) {
        lyc_line_add(line, "; at most %.15g", option->max);
    } else {
        lyc_line_add(line, "; %.15g to %.15g", option->min, option->max);
    }
}

void lyc_manual_option_meaning(lyc_line *line, const lyc_option *option)
{
    lyc_line_add(line, "%s", option->help);
    if (option->kind == LYC_OPTION_ENUM) {
        add_choices(line, option->choices);
    }
    if (option->min != option->max) {
        add_limits(line, option);
    }
    if (option->kind == LYC_OPTION_LIST) {
        lyc_line_add(line, "; may be repeated");
    }
    if (option->standard != NULL) {
        lyc_line_add(line, "; default %s", option->standard);
    }
}

void lyc_manual_usage(lyc_line *line, const lyc_command *command)
{
    if (command == NULL) {
        lyc_line_add(line, "lycoris [OPTION]... COMMAND [ARGUMENT]...");
        return;
    }
    lyc_line_add(line, "lycoris %s [OPTION]...", command->name);
    if (command->operands != NULL) {
        lyc_line_add(line, " %s", command->operands);
    }
}

bool lyc_manual_shows(const lyc_option *option, const lyc_option *table, const lyc_command *command)
{
    return !option->hidden && (table != lyc_global_options || lyc_global_applies(option, command));
}
