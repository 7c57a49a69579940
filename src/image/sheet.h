/* sheet.h - contact sheets: pictures in rows and columns, with words above and beside them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_SHEET_H
#define LYC_IMAGE_SHEET_H

#include "image/image.h"

typedef struct lyc_sheet {
    const lyc_image *const *images; /* rows * columns RGB pictures, by rows; NULL: an empty place */
    int rows;
    int columns;
    const char *const *row_labels;    /* rows of them, or NULL */
    const char *const *column_labels; /* columns of them, or NULL */
    int margin;                       /* pixels between pictures */
} lyc_sheet;

/* Black on white; each cell is as large as the largest picture. Labels that are too long are cut. */
lyc_status lyc_sheet_draw(lyc_image *out, const lyc_sheet *sheet, lyc_error *err);

#endif
