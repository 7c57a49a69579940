/* max_pool2d.c - the largest element of each window; its gradient goes to the first of the largest
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/max_pool2d.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

/* Where in x the maximum of the window at (i, j) of sample n and channel c lies. */
static int64_t maximum_of(const lyc_call *call, int64_t n, int64_t i, int64_t j, int64_t c)
{
    const lyc_max_pool2d_attr *attr = call->problem->attr;
    const lyc_shape *x = lyc_ref_shape(call, 0);
    int64_t best = -1;
    double largest = 0.0;
    for (int64_t a = i * attr->stride; a < i * attr->stride + attr->kernel; a++) {
        for (int64_t b = j * attr->stride; b < j * attr->stride + attr->kernel; b++) {
            int64_t at = ((n * x->dims[1] + a) * x->dims[2] + b) * x->dims[3] + c;
            double value = lyc_ref_get(call, 0, at);
            if (best < 0 || value > largest || (isnan(value) && !isnan(largest))) {
                best = at;
                largest = value;
            }
        }
    }
    return best;
}

lyc_status lyc_reference_max_pool2d(const lyc_call *call)
{
    const lyc_shape *y = &call->problem->out[0].shape;
    for (int64_t e = 0; e < lyc_shape_elements(y); e++) {
        int64_t c = e % y->dims[3];
        int64_t j = e / y->dims[3] % y->dims[2];
        int64_t i = e / y->dims[3] / y->dims[2] % y->dims[1];
        int64_t n = e / y->dims[3] / y->dims[2] / y->dims[1];
        lyc_ref_set(call, 0, e, lyc_ref_get(call, 0, maximum_of(call, n, i, j, c)));
    }
    return LYC_OK;
}

/* The first window along an axis that reaches the index, and the one after the last. */
static int64_t first_window(const lyc_max_pool2d_attr *attr, int64_t index)
{
    return index < attr->kernel ? 0 : (index - attr->kernel) / attr->stride + 1;
}

static int64_t end_window(const lyc_max_pool2d_attr *attr, int64_t index, int64_t windows)
{
    int64_t end = index / attr->stride + 1;
    return end < windows ? end : windows;
}

lyc_status lyc_reference_max_pool2d_backward(const lyc_call *call)
{
    const lyc_max_pool2d_attr *attr = call->problem->attr;
    const lyc_shape *x = lyc_ref_shape(call, 0);
    const lyc_shape *d_y = lyc_ref_shape(call, 1);
    for (int64_t e = 0; e < lyc_shape_elements(x); e++) {
        int64_t c = e % x->dims[3];
        int64_t b = e / x->dims[3] % x->dims[2];
        int64_t a = e / x->dims[3] / x->dims[2] % x->dims[1];
        int64_t n = e / x->dims[3] / x->dims[2] / x->dims[1];
        double sum = 0.0;
        for (int64_t i = first_window(attr, a); i < end_window(attr, a, d_y->dims[1]); i++) {
            for (int64_t j = first_window(attr, b); j < end_window(attr, b, d_y->dims[2]); j++) {
                if (maximum_of(call, n, i, j, c) == e) {
                    sum += lyc_ref_get(call, 1, ((n * d_y->dims[1] + i) * d_y->dims[2] + j) * d_y->dims[3] + c);
                }
            }
        }
        lyc_ref_set(call, 0, e, sum);
    }
    return LYC_OK;
}
