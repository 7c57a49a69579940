/* progress.h - how far a long operation is
 *
 * The library counts and computes; a sink that the program gives draws. A report is complete in itself, so that a sink
 * may skip any of them (a terminal draws ten a second, a pipe gets a line every few seconds).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_PROGRESS_H
#define LYCORIS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lyc_progress_report {
    const char *label; /* what is being done: "steps"; "" for none; borrowed during the call */
    const char *unit;  /* of count, in short: "it", "img", "B" */
    int64_t count;
    int64_t total; /* 0: not known */
    double elapsed_s;
    double rate;         /* units per second, smoothed; 0: not known yet */
    double remaining_s;  /* negative: not known */
    const char *postfix; /* "avr_loss=0.091"; "" for none; borrowed during the call */
    bool finished;       /* the last report */
} lyc_progress_report;

typedef void (*lyc_progress_sink)(void *context, const lyc_progress_report *report);

typedef enum lyc_progress_style {
    LYC_PROGRESS_UNICODE, /* bar of eighths of a block */
    LYC_PROGRESS_ASCII    /* bar of # */
} lyc_progress_style;

/* One line in the form of tqdm, which programs that start trainers parse:
 *
 *     steps:  12%|█▏        | 120/1000 [00:41<05:01, 2.92it/s, avr_loss=0.091]
 *     120it [00:41, 2.92it/s]                                                    without a total
 *     hashing:  38%|███▊      | 1.52G/4.00G [00:01<00:02, 1.55GB/s]              unit "B": powers of 1000
 *
 * At most `columns` characters wide: the bar takes what is left (at least one), then the end is cut; 0 means no limit
 * and a bar of ten. Writes at most size bytes with the NUL; returns the length written. */
LYC_API size_t lyc_progress_line(char *out, size_t size, const lyc_progress_report *report, int columns,
                                 lyc_progress_style style);

/* One JSON object without a newline:
 * {"label":"steps","count":120,"total":1000,"elapsed_s":41.1,"rate":2.92,"remaining_s":301.4,"postfix":"...",
 * "finished":false}; numbers to three decimals, unknown ones null. Writes at most size bytes with the NUL; returns the
 * length, 0 when it does not fit. */
LYC_API size_t lyc_progress_json(char *out, size_t size, const lyc_progress_report *report);

#ifdef __cplusplus
}
#endif
#endif
