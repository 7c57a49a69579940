/* train_log.h - what a run measured, as CSV and as JSON lines
 *
 * Both have a line for each step at which something was measured. Columns of the CSV are those of the first line. A run
 * that goes on cuts off what it will measure again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAIN_LOG_H
#define LYC_TRAIN_TRAIN_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct lyc_train_log lyc_train_log;

/* A number of a line; NaN: nothing at this step. */
typedef struct lyc_log_number {
    const char *name;
    double value;
} lyc_log_number;

/* <path>.csv and <path>.jsonl. step: the last step that stays, -1 for a new log, which replaces an old one. */
lyc_status lyc_train_log_open(lyc_train_log **out, const char *path, int64_t step, lyc_error *err);

/* numbers: the same names each time. */
lyc_status lyc_train_log_write(lyc_train_log *log, int64_t step, const lyc_log_number *numbers, size_t count,
                               lyc_error *err);
lyc_status lyc_train_log_flush(lyc_train_log *log, lyc_error *err);
void lyc_train_log_close(lyc_train_log *log);

#endif
