/* elementwise.c - loops that the elementwise reference kernels share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/elementwise.h"

int64_t lyc_ref_broadcast_index(const lyc_shape *from, const lyc_shape *to, int64_t index)
{
    if (lyc_shape_equal(from, to)) {
        return index;
    }
    int64_t at = 0;
    int64_t stride = 1;
    for (int i = 1; i <= from->rank; i++) {
        int64_t extent = from->dims[from->rank - i];
        int64_t repeated = to->dims[to->rank - i];
        at += extent == 1 ? 0 : index % repeated * stride;
        index /= repeated;
        stride *= extent;
    }
    return at;
}

lyc_status lyc_ref_unary(const lyc_call *call, double (*f)(double x))
{
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        lyc_ref_set(call, 0, i, f(lyc_ref_get(call, 0, i)));
    }
    return LYC_OK;
}

lyc_status lyc_ref_binary(const lyc_call *call, double (*f)(double x, double y))
{
    const lyc_shape *z = &call->problem->out[0].shape;
    const int64_t count = lyc_shape_elements(z);
    for (int64_t i = 0; i < count; i++) {
        double x = lyc_ref_get(call, 0, lyc_ref_broadcast_index(lyc_ref_shape(call, 0), z, i));
        double y = lyc_ref_get(call, 1, lyc_ref_broadcast_index(lyc_ref_shape(call, 1), z, i));
        lyc_ref_set(call, 0, i, f(x, y));
    }
    return LYC_OK;
}

lyc_status lyc_ref_slope(const lyc_call *call, double (*slope)(double x))
{
    const int64_t count = lyc_ref_count(call, 0);
    for (int64_t i = 0; i < count; i++) {
        lyc_ref_set(call, 0, i, lyc_ref_get(call, 1, i) * slope(lyc_ref_get(call, 0, i)));
    }
    return LYC_OK;
}
