/* merge_adapters.h - what the commands that make one adapter of several have in common
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_MERGE_ADAPTERS_H
#define LYC_CLI_MERGE_ADAPTERS_H

#include "cli/cli.h"
#include "lycoris/merge_adapters.h"
#include "lycoris/option.h"

/* Number types of files, for tables of options, and the values of their members but for the first, "keep". */
extern const lyc_option_choice lyc_merge_adapters_dtypes[];
extern const lyc_dtype lyc_merge_adapters_dtype_values[];

typedef struct lyc_merge_adapters_request {
    const char *output;
    lyc_option_list block_weights; /* of the adapters, in their order */
    bool layers;                   /* a line for each */
    lyc_merge_adapters_options options;
} lyc_merge_adapters_request;

/* words: FILE[:W[:UNET[:TE]]] each. Writes the file and prints what was done. */
lyc_status lyc_cli_merge_adapters(lyc_cli *cli, const lyc_merge_adapters_request *request, int count, char **words,
                                  lyc_error *err);

#endif
