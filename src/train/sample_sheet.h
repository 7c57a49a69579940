/* sample_sheet.h - the sample pictures of a run as one sheet: prompts below each other, time to the right
 *
 * Made from the files that lie in the folder, not from what this process has made, so that a run that goes on from a
 * state goes on with its sheet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_SAMPLE_SHEET_H
#define LYC_TRAIN_SAMPLE_SHEET_H

#include <stddef.h>

#include "base/error.h"

typedef struct lyc_sample_sheet {
    const char *folder;         /* of the pictures and the sheet, <name>-over-time.png */
    const char *name;           /* pictures are <name>_<when>_<index>[_<stamp>]_<seed>.png (sampling.h) */
    const char *when;           /* of the newest ones; later files are of another run and are left out */
    const char *const *prompts; /* words beside the rows; their number is that of the rows */
    size_t prompt_count;
} lyc_sample_sheet;

/* Replaces the sheet; nothing when there is no picture. Of two pictures for one place the one whose name comes later
 * counts: stamps are dates. A picture that cannot be read leaves its place white. */
lyc_status lyc_sample_sheet_write(const lyc_sample_sheet *sheet, lyc_error *err);

#endif
