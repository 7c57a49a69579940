/* progress.h - counting inside the library
 *
 *     lyc_progress progress;
 *     lyc_progress_init(&progress, "steps", "it", total, options->progress, options->progress_context);
 *     for (...) {
 *         ...
 *         lyc_progress_set_postfix(&progress, "avr_loss=%.3g", loss);
 *         lyc_progress_add(&progress, 1);
 *     }
 *     lyc_progress_finish(&progress);
 *
 * Without a sink nothing is computed. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_PROGRESS_H
#define LYC_BASE_PROGRESS_H

#include "base/error.h"
#include "lycoris/progress.h"

typedef struct lyc_progress {
    const char *label;
    const char *unit;
    int64_t count;
    int64_t total;
    int64_t skipped; /* part of count that was done earlier */
    lyc_progress_sink sink;
    void *context;
    double (*now_s)(void); /* lyc_clock_s, or a test's own */
    double start_s;
    double last_s;
    double recent_count; /* sums over the near past, older parts decayed: their ratio is the rate */
    double recent_s;
    char postfix[256];
} lyc_progress;

/* Keeps label and unit (not copied). total 0: not known. sink may be NULL. */
void lyc_progress_init(lyc_progress *progress, const char *label, const char *unit, int64_t total,
                       lyc_progress_sink sink, void *context);

/* The same with another clock. */
void lyc_progress_init_clock(lyc_progress *progress, const char *label, const char *unit, int64_t total,
                             lyc_progress_sink sink, void *context, double (*now_s)(void));

/* Counts n more and reports. */
void lyc_progress_add(lyc_progress *progress, int64_t n);

/* Work done earlier (a resumed run): counts, but not into the rate. */
void lyc_progress_skip(lyc_progress *progress, int64_t n);

/* The text at the end of the line; shown with the next report. */
void lyc_progress_set_postfix(lyc_progress *progress, const char *format, ...) LYC_PRINTF(2, 3);

/* The last report: rate over the whole time. */
void lyc_progress_finish(lyc_progress *progress);

#endif
