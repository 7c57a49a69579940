/* code_table.h - numbers of 8 bits that lie densely near zero, scaled by block
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_CODE_TABLE_H
#define LYC_TRAIN_CODE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { LYC_CODE_BLOCK = 256, LYC_CODES_SIGNED = 0, LYC_CODES_UNSIGNED = 1, LYC_CODE_CELLS = 4096 };

/* Ascending values in [-1,1] or [0,1], and what is nearest to a number. */
typedef struct lyc_code_table {
    float values[256];
    float middles[255];                /* between neighbours */
    uint8_t zero;                      /* the code of 0 */
    uint8_t first[LYC_CODE_CELLS + 1]; /* the nearest code of the least number of each of equal cells of [-1,1] */
} lyc_code_table;

void lyc_code_table_make(lyc_code_table *out, bool is_signed);

/* n at most LYC_CODE_BLOCK. */
void lyc_code_widen(float *out, const uint8_t *codes, float scale, int64_t n, const lyc_code_table *table);

/* scale becomes the largest magnitude. */
void lyc_code_narrow(uint8_t *codes, float *scale, const float *numbers, int64_t n, const lyc_code_table *table);

#endif
