/* task.h - how something that takes long tells how far it is, and how it is stopped
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_TASK_H
#define LYCORIS_TASK_H

#include <stdbool.h>

#include "lycoris/error.h"
#include "lycoris/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Both functions may be NULL, and so may a pointer to the whole. They are called by the thread that called the library.
 */
typedef struct lyc_task {
    lyc_progress_sink progress;
    bool (*cancelled)(void *context); /* asked between steps; true: the call ends with LYC_E_CANCELLED */
    void *context;                    /* of both */
} lyc_task;

#ifdef __cplusplus
}
#endif
#endif
