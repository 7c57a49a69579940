/* cross_entropy.c - negative log-likelihood of labels under a softmax, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/cpu/reference/reference.h"

enum { X, LABELS, D_Y };

static lyc_status label_of(int64_t *label, const lyc_call *call, int64_t n)
{
    const int64_t classes = lyc_ref_shape(call, X)->dims[1];
    *label = (int64_t)lyc_ref_get(call, LABELS, n);
    if (*label < 0 || *label >= classes) {
        return lyc_fail(call->err, LYC_E_ARGUMENT, "label %lld of sample %lld, expected 0 to %lld", (long long)*label,
                        (long long)n, (long long)(classes - 1));
    }
    return LYC_OK;
}

static double log_sum_exp(const lyc_call *call, int64_t n, int64_t classes)
{
    double largest = (double)-INFINITY;
    double sum = 0.0;
    for (int64_t j = 0; j < classes; j++) {
        largest = fmax(largest, lyc_ref_get(call, X, n * classes + j));
    }
    for (int64_t j = 0; j < classes; j++) {
        sum += exp(lyc_ref_get(call, X, n * classes + j) - largest);
    }
    return largest + log(sum);
}

lyc_status lyc_reference_cross_entropy(const lyc_call *call)
{
    const int64_t classes = lyc_ref_shape(call, X)->dims[1];
    for (int64_t n = 0; n < lyc_ref_shape(call, X)->dims[0]; n++) {
        int64_t label;
        LYC_TRY(label_of(&label, call, n));
        lyc_ref_set(call, 0, n, log_sum_exp(call, n, classes) - lyc_ref_get(call, X, n * classes + label));
    }
    return LYC_OK;
}

lyc_status lyc_reference_cross_entropy_backward(const lyc_call *call)
{
    const int64_t classes = lyc_ref_shape(call, X)->dims[1];
    for (int64_t n = 0; n < lyc_ref_shape(call, X)->dims[0]; n++) {
        int64_t label;
        LYC_TRY(label_of(&label, call, n));
        const double lse = log_sum_exp(call, n, classes);
        for (int64_t j = 0; j < classes; j++) {
            const double p = exp(lyc_ref_get(call, X, n * classes + j) - lse);
            lyc_ref_set(call, 0, n * classes + j, lyc_ref_get(call, D_Y, n) * (p - (j == label ? 1.0 : 0.0)));
        }
    }
    return LYC_OK;
}
