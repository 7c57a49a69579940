/* bundle.h - saying what was put into a bundle or taken out
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_BUNDLE_H
#define LYC_CLI_BUNDLE_H

#include "cli/cli.h"
#include "lycoris/bundle.h"

/* output: the bundle; NULL: it is not written. parts: the files that embeddings are in are told, as they are outputs.
 */
void lyc_bundling_print(const lyc_cli *cli, const lyc_bundling *bundling, const char *output, bool parts);

#endif
