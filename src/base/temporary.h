/* temporary.h - temporary files of this process, known to its signal handlers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_TEMPORARY_H
#define LYC_BASE_TEMPORARY_H

#include <limits.h>
#include <stdbool.h>

#include "base/string.h"
#include "lycoris/file.h"

enum { LYC_TEMPORARIES = 128 }; /* at one time */

/* Room for a file name. */
enum { LYC_FILE_NAME = NAME_MAX + 1 };

/* Writes the name of the k-th temporary file for an output (k = 0 is the usual one): `<output>.tmp-<process>`, with
 * `-<k>` behind it for k > 0. A long name of the output is cut. */
void lyc_temporary_name(char name[LYC_FILE_NAME], lyc_span output, int k);

/* Enters a file of a folder (an open descriptor, which stays open until it is taken out) before it is created. Returns
 * a handle; -1 when there are too many. */
int lyc_temporary_add(int folder, const char *name);

/* After it was renamed or removed. */
void lyc_temporary_remove(int temporary);

/* Removes temporary files of the output that dead processes left in the folder. Files that a living process holds
 * locked (flock) stay, those of other machines on a shared disk too. */
void lyc_temporary_clean(int folder, lyc_span output);

#endif
