/* layer_norm.c - layer normalisation over the last axis, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/layer_norm.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

static int64_t channels_of(const lyc_call *call)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    return x->dims[x->rank - 1];
}

static double weight_of(const lyc_call *call, int64_t channel)
{
    return call->problem->in[1].present ? lyc_ref_get(call, 1, channel) : 1.0;
}

lyc_status lyc_reference_layer_norm(const lyc_call *call)
{
    const lyc_layer_norm_attr *attr = call->problem->attr;
    const int64_t channels = channels_of(call);
    const int64_t rows = lyc_ref_count(call, 0) / channels;
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0.0;
        double squares = 0.0;
        for (int64_t c = 0; c < channels; c++) {
            sum += lyc_ref_get(call, 0, r * channels + c);
        }
        const double mean = sum / (double)channels;
        for (int64_t c = 0; c < channels; c++) {
            const double d = lyc_ref_get(call, 0, r * channels + c) - mean;
            squares += d * d;
        }
        const double rstd = 1.0 / sqrt(squares / (double)channels + (double)attr->eps);
        for (int64_t c = 0; c < channels; c++) {
            const double u = (lyc_ref_get(call, 0, r * channels + c) - mean) * rstd;
            lyc_ref_set(call, 0, r * channels + c, u * weight_of(call, c) + lyc_ref_get(call, 2, c));
        }
        if (call->out[1] != NULL) {
            lyc_ref_set(call, 1, r, mean);
        }
        if (call->out[2] != NULL) {
            lyc_ref_set(call, 2, r, rstd);
        }
    }
    return LYC_OK;
}

enum { X, WEIGHT, MEAN, RSTD, D_Y };

static double normalised(const lyc_call *call, int64_t row, int64_t at)
{
    return (lyc_ref_get(call, X, at) - lyc_ref_get(call, MEAN, row)) * lyc_ref_get(call, RSTD, row);
}

static void backward_row(const lyc_call *call, int64_t row, int64_t channels)
{
    double sum = 0.0;
    double sum_u = 0.0;
    for (int64_t c = 0; c < channels; c++) {
        const int64_t at = row * channels + c;
        const double d = weight_of(call, c) * lyc_ref_get(call, D_Y, at);
        sum += d;
        sum_u += d * normalised(call, row, at);
    }
    for (int64_t c = 0; c < channels; c++) {
        const int64_t at = row * channels + c;
        const double d = weight_of(call, c) * lyc_ref_get(call, D_Y, at);
        const double means = sum / (double)channels + normalised(call, row, at) * sum_u / (double)channels;
        lyc_ref_set(call, 0, at, lyc_ref_get(call, RSTD, row) * (d - means));
    }
}

lyc_status lyc_reference_layer_norm_backward(const lyc_call *call)
{
    const int64_t channels = channels_of(call);
    const int64_t rows = lyc_ref_count(call, X) / channels;
    for (int64_t r = 0; r < rows; r++) {
        backward_row(call, r, channels);
    }
    for (int64_t c = 0; c < channels; c++) {
        double d_weight = 0.0;
        double d_bias = 0.0;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t at = r * channels + c;
            d_weight += lyc_ref_get(call, D_Y, at) * normalised(call, r, at);
            d_bias += lyc_ref_get(call, D_Y, at);
        }
        if (call->out[1] != NULL) {
            lyc_ref_set(call, 1, c, d_weight);
        }
        if (call->out[2] != NULL) {
            lyc_ref_set(call, 2, c, d_bias);
        }
    }
    return LYC_OK;
}
