/* sample_loss.c - the mean loss of each sample, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/sample_loss.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

enum { X, TARGET, MASK, C, D_Y };

static double loss(int kind, double d, double c)
{
    switch ((lyc_loss_kind)kind) {
    case LYC_LOSS_L1:
        return fabs(d);
    case LYC_LOSS_HUBER:
        return 2.0 * c * (sqrt(d * d + c * c) - c);
    case LYC_LOSS_SMOOTH_L1:
        return 2.0 * (sqrt(d * d + c * c) - c);
    case LYC_LOSS_SMOOTH_L1_BETA:
        return fabs(d) < c ? d * d / (2.0 * c) : fabs(d) - 0.5 * c;
    case LYC_LOSS_L2:
    case LYC_LOSS_COUNT:
        break;
    }
    return d * d;
}

static double sign(double d)
{
    return d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : d; /* NaN stays */
}

/* d / sqrt(d^2 + c^2), 0 where both are. */
static double pseudo_sign(double d, double c)
{
    const double root = sqrt(d * d + c * c);
    return root == 0.0 ? 0.0 : d / root;
}

static double derivative(int kind, double d, double c)
{
    switch ((lyc_loss_kind)kind) {
    case LYC_LOSS_L1:
        return sign(d);
    case LYC_LOSS_HUBER:
        return 2.0 * c * pseudo_sign(d, c);
    case LYC_LOSS_SMOOTH_L1:
        return 2.0 * pseudo_sign(d, c);
    case LYC_LOSS_SMOOTH_L1_BETA:
        return fabs(d) < c ? d / c : sign(d);
    case LYC_LOSS_L2:
    case LYC_LOSS_COUNT:
        break;
    }
    return 2.0 * d;
}

/* The mask at element `index` of x: its axes are the last ones of x, an extent of 1 repeats. */
static double mask_at(const lyc_call *call, int64_t index)
{
    const lyc_shape *x = lyc_ref_shape(call, X);
    const lyc_shape *mask = lyc_ref_shape(call, MASK);
    if (!call->problem->in[MASK].present) {
        return 1.0;
    }
    int64_t at = 0;
    int64_t step = 1;
    for (int i = 1; i <= mask->rank; i++) {
        const int64_t extent = mask->dims[mask->rank - i];
        at += extent == 1 ? 0 : index % x->dims[x->rank - i] * step;
        step *= extent;
        index /= x->dims[x->rank - i];
    }
    return lyc_ref_get(call, MASK, at);
}

lyc_status lyc_reference_sample_loss(const lyc_call *call)
{
    const lyc_sample_loss_attr *attr = call->problem->attr;
    const int64_t samples = lyc_ref_shape(call, X)->dims[0];
    const int64_t elements = lyc_ref_count(call, X) / samples;
    for (int64_t n = 0; n < samples; n++) {
        double sum = 0.0;
        for (int64_t i = n * elements; i < (n + 1) * elements; i++) {
            const double d = lyc_ref_get(call, X, i) - lyc_ref_get(call, TARGET, i);
            sum += mask_at(call, i) * loss(attr->kind, d, lyc_ref_get(call, C, n));
        }
        lyc_ref_set(call, 0, n, sum / (double)elements);
    }
    return LYC_OK;
}

lyc_status lyc_reference_sample_loss_backward(const lyc_call *call)
{
    const lyc_sample_loss_attr *attr = call->problem->attr;
    const int64_t samples = lyc_ref_shape(call, X)->dims[0];
    const int64_t elements = lyc_ref_count(call, X) / samples;
    for (int64_t i = 0; i < samples * elements; i++) {
        const int64_t n = i / elements;
        const double d = lyc_ref_get(call, X, i) - lyc_ref_get(call, TARGET, i);
        const double slope = mask_at(call, i) * derivative(attr->kind, d, lyc_ref_get(call, C, n));
        lyc_ref_set(call, 0, i, lyc_ref_get(call, D_Y, n) * slope / (double)elements);
    }
    return LYC_OK;
}
