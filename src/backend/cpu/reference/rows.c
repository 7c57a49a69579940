/* rows.c - the sum of exponentials of a row, without overflow
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/rows.h"

#include <math.h>

double lyc_ref_sum_exp(double *max, const lyc_call *call, int64_t first, int64_t count)
{
    double sum = 0.0;
    *max = lyc_ref_get(call, 0, first);
    for (int64_t i = first; i < first + count; i++) {
        *max = fmax(*max, lyc_ref_get(call, 0, i));
    }
    for (int64_t i = first; i < first + count; i++) {
        sum += exp(lyc_ref_get(call, 0, i) - *max);
    }
    return sum;
}
