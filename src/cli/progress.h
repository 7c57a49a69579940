/* progress.h - progress and messages of the library on standard error
 *
 * A bar is one line that is redrawn and erased; a message erases it first, and the next report draws it again. Where
 * standard error is no terminal there is a line every few seconds instead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_PROGRESS_H
#define LYC_CLI_PROGRESS_H

#include "cli/command.h"
#include "lycoris/progress.h"
#include "lycoris/task.h"

/* Chooses the form (a value of --progress) and from now on shows what the library says, down to warnings, to what is
 * worth knowing with --verbose, and to the categories that LYCORIS_LOG names. cli must outlive the library's use. */
void lyc_cli_listen(lyc_cli *cli, int form);

/* The sink for everything in the library that takes long; context is the lyc_cli. */
void lyc_cli_show_progress(void *context, const lyc_progress_report *report);

/* What takes long in the library: shows how far it is, and ends it on Ctrl-C. Borrows cli. */
lyc_task lyc_cli_task(lyc_cli *cli);

#endif
