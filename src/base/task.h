/* task.h - asking a task of the caller (lycoris/task.h), which may be NULL
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_TASK_H
#define LYC_BASE_TASK_H

#include "base/error.h"
#include "base/progress.h"
#include "lycoris/task.h"

/* Starts counting for the task; see lyc_progress_init. */
static inline void lyc_task_begin(lyc_progress *progress, const lyc_task *task, const char *label, const char *unit,
                                  int64_t total)
{
    lyc_progress_init(progress, label, unit, total, task != NULL ? task->progress : NULL,
                      task != NULL ? task->context : NULL);
}

/* LYC_E_CANCELLED when the caller wants it to end. */
static inline lyc_status lyc_task_check(const lyc_task *task, lyc_error *err)
{
    if (task != NULL && task->cancelled != NULL && task->cancelled(task->context)) {
        return lyc_fail(err, LYC_E_CANCELLED, "stopped on request");
    }
    return LYC_OK;
}

#endif
