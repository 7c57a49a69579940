/* file.h - outputs that are half written when the program is stopped
 *
 * Every output is written beside its place and renamed into it when it is complete. A program that ends by a signal
 * calls the function below in its handler, so that nothing half written stays behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_FILE_H
#define LYCORIS_FILE_H

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Removes the temporary files of all outputs that this process is writing. Async-signal-safe; the writers must not go
 * on afterwards: their last step would fail. */
LYC_API void lyc_file_remove_temporaries(void);

#ifdef __cplusplus
}
#endif
#endif
