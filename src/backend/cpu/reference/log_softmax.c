/* log_softmax.c - y = x - max - ln sum exp(x - max) for each row, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/rows.h"

lyc_status lyc_reference_log_softmax(const lyc_call *call)
{
    const lyc_ref_rows x = lyc_ref_rows_of(call);
    for (int64_t r = 0; r < x.rows; r++) {
        double max;
        const double log_sum = log(lyc_ref_sum_exp(&max, call, r * x.c, x.c));
        for (int64_t i = r * x.c; i < (r + 1) * x.c; i++) {
            lyc_ref_set(call, 0, i, lyc_ref_get(call, 0, i) - max - log_sum);
        }
    }
    return LYC_OK;
}

lyc_status lyc_reference_log_softmax_backward(const lyc_call *call)
{
    const lyc_ref_rows y = lyc_ref_rows_of(call);
    for (int64_t r = 0; r < y.rows; r++) {
        double sum = 0.0;
        for (int64_t i = r * y.c; i < (r + 1) * y.c; i++) {
            sum += lyc_ref_get(call, 1, i);
        }
        for (int64_t i = r * y.c; i < (r + 1) * y.c; i++) {
            lyc_ref_set(call, 0, i, lyc_ref_get(call, 1, i) - exp(lyc_ref_get(call, 0, i)) * sum);
        }
    }
    return LYC_OK;
}
