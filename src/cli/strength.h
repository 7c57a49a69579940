/* strength.h - an adapter with strengths, as commands take it: FILE[:W[:UNET[:TE]]]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_STRENGTH_H
#define LYC_CLI_STRENGTH_H

#include <stddef.h>

#include "cli/cli.h"

typedef struct lyc_strength {
    double unet, text; /* W times the factor of each; 1 where none is given */
} lyc_strength;

/* path: the file. Numbers are taken from the right, so that a name may have colons. */
lyc_status lyc_strength_read(lyc_strength *out, char *path, size_t size, const char *word, lyc_error *err);

#endif
