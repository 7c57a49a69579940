/* signals.h - Ctrl-C: once to stop after the step, twice to stop now
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_SIGNALS_H
#define LYC_CLI_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP ask the program to stop; a second one ends it at once, with the exit status of
 * an interruption and without files that are being written. A SIGHUP that was ignored (nohup) stays so. */
void lyc_signals_catch(void);

/* Whether one of them came. */
bool lyc_signals_pending(void);

#endif
