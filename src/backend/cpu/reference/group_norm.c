/* group_norm.c - group normalisation with an optional SiLU, and its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/group_norm.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

enum { X, WEIGHT, BIAS, MEAN, RSTD, D_Y };

/* x as [samples,pixels,groups,width]. */
typedef struct extents {
    int64_t samples;
    int64_t pixels;
    int64_t channels;
    int64_t groups;
    int64_t width;
} extents;

static extents extents_of(const lyc_shape *x, int groups)
{
    const int64_t channels = x->dims[x->rank - 1];
    return (extents){.samples = x->dims[0],
                     .pixels = lyc_shape_product(x, 1, x->rank - 1),
                     .channels = channels,
                     .groups = groups,
                     .width = channels / groups};
}

static double weight_of(const lyc_call *call, int64_t channel)
{
    return call->problem->in[WEIGHT].present ? lyc_ref_get(call, WEIGHT, channel) : 1.0;
}

/* Where the first of a group's channels lies, at a pixel of a sample. */
static int64_t start_of(const extents *e, int64_t sample, int64_t pixel, int64_t group)
{
    return (sample * e->pixels + pixel) * e->channels + group * e->width;
}

static void statistics(double *mean, double *rstd, const lyc_call *call, const extents *e, int64_t sample,
                       int64_t group, double eps)
{
    const double count = (double)(e->pixels * e->width);
    double sum = 0.0;
    double squares = 0.0;
    for (int64_t p = 0; p < e->pixels; p++) {
        for (int64_t i = 0; i < e->width; i++) {
            sum += lyc_ref_get(call, X, start_of(e, sample, p, group) + i);
        }
    }
    *mean = sum / count;
    for (int64_t p = 0; p < e->pixels; p++) {
        for (int64_t i = 0; i < e->width; i++) {
            const double d = lyc_ref_get(call, X, start_of(e, sample, p, group) + i) - *mean;
            squares += d * d;
        }
    }
    *rstd = 1.0 / sqrt(squares / count + eps);
}

lyc_status lyc_reference_group_norm(const lyc_call *call)
{
    const lyc_group_norm_attr *attr = call->problem->attr;
    const extents e = extents_of(lyc_ref_shape(call, X), attr->groups);
    for (int64_t s = 0; s < e.samples; s++) {
        for (int64_t g = 0; g < e.groups; g++) {
            double mean;
            double rstd;
            statistics(&mean, &rstd, call, &e, s, g, (double)attr->eps);
            for (int64_t p = 0; p < e.pixels; p++) {
                for (int64_t i = 0; i < e.width; i++) {
                    const int64_t at = start_of(&e, s, p, g) + i;
                    const int64_t c = g * e.width + i;
                    const double u = (lyc_ref_get(call, X, at) - mean) * rstd;
                    const double z = u * weight_of(call, c) + lyc_ref_get(call, BIAS, c);
                    lyc_ref_set(call, 0, at, attr->silu ? z / (1.0 + exp(-z)) : z);
                }
            }
            if (call->out[1] != NULL) {
                lyc_ref_set(call, 1, s * e.groups + g, mean);
            }
            if (call->out[2] != NULL) {
                lyc_ref_set(call, 2, s * e.groups + g, rstd);
            }
        }
    }
    return LYC_OK;
}

/* At one element: u = (x - mean) rstd, and the gradient by z = u weight + bias. */
static double normalised(double *d_z, const lyc_call *call, const extents *e, int64_t sample, int64_t pixel,
                         int64_t channel, bool silu)
{
    const int64_t at = (sample * e->pixels + pixel) * e->channels + channel;
    const int64_t group = sample * e->groups + channel / e->width;
    const double u = (lyc_ref_get(call, X, at) - lyc_ref_get(call, MEAN, group)) * lyc_ref_get(call, RSTD, group);
    *d_z = lyc_ref_get(call, D_Y, at);
    if (silu) {
        const double z = u * weight_of(call, channel) + lyc_ref_get(call, BIAS, channel);
        const double sigmoid = 1.0 / (1.0 + exp(-z));
        *d_z *= sigmoid * (1.0 + z * (1.0 - sigmoid));
    }
    return u;
}

static void backward_data(const lyc_call *call, const extents *e, int64_t sample, int64_t group, bool silu)
{
    const double count = (double)(e->pixels * e->width);
    const double rstd = lyc_ref_get(call, RSTD, sample * e->groups + group);
    const int64_t first = group * e->width;
    double sum = 0.0;
    double sum_u = 0.0;
    double d_z;
    for (int64_t p = 0; p < e->pixels; p++) {
        for (int64_t c = first; c < first + e->width; c++) {
            const double u = normalised(&d_z, call, e, sample, p, c, silu);
            sum += weight_of(call, c) * d_z;
            sum_u += weight_of(call, c) * d_z * u;
        }
    }
    for (int64_t p = 0; p < e->pixels; p++) {
        for (int64_t c = first; c < first + e->width; c++) {
            const double u = normalised(&d_z, call, e, sample, p, c, silu);
            lyc_ref_set(call, 0, (sample * e->pixels + p) * e->channels + c,
                        rstd * (weight_of(call, c) * d_z - sum / count - u * sum_u / count));
        }
    }
}

lyc_status lyc_reference_group_norm_backward(const lyc_call *call)
{
    const lyc_group_norm_backward_attr *attr = call->problem->attr;
    const extents e = extents_of(lyc_ref_shape(call, X), attr->groups);
    for (int64_t s = 0; s < e.samples; s++) {
        for (int64_t g = 0; g < e.groups; g++) {
            backward_data(call, &e, s, g, attr->silu);
        }
    }
    for (int64_t c = 0; c < e.channels; c++) {
        double d_weight = 0.0;
        double d_bias = 0.0;
        for (int64_t s = 0; s < e.samples; s++) {
            for (int64_t p = 0; p < e.pixels; p++) {
                double d_z;
                const double u = normalised(&d_z, call, &e, s, p, c, attr->silu);
                d_weight += d_z * u;
                d_bias += d_z;
            }
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
