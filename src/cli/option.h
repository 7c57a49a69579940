/* option.h - the words of a command line, by tables of options
 *
 * GNU style: options and operands in any order, `--` ends the options, --name VALUE or --name=VALUE, -n VALUE or
 * -nVALUE, letters without a value together (-qv), --no-NAME for what is on or off. Names are written out: an
 * abbreviation that is clear today is not after the next option. Hyphens and underscores in names mean the same. Where
 * a command has no operands, a list takes all words up to the next option: --network_args algo=lokr factor=8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_OPTION_H
#define LYC_CLI_OPTION_H

#include "cli/command.h"

/* The options of a command and the global ones, with the structs they fill. The first two members may be NULL. */
typedef struct lyc_option_target {
    const lyc_option *options;
    void *config;
    lyc_globals *globals;
    lyc_status (*set)(void *config, const lyc_option *option, const char *value,
                      lyc_error *err); /* or lyc_option_set */
    const lyc_command *command;        /* decides which global options apply; NULL: none yet */
} lyc_option_target;

/* Reads words[0 .. count). Operands are moved to the front of words, in their order, and counted in *operand_count.
 * Reading ends at the first operand when stop_at_operand is set; *used is the number of words before it. */
lyc_status lyc_option_parse(int *operand_count, int *used, const lyc_option_target *target, int count, char **words,
                            bool stop_at_operand, lyc_error *err);

/* What help calls the value: the metavar or a word for the kind; "" for LYC_OPTION_BOOL. */
const char *lyc_option_metavar(const lyc_option *option);

#endif
