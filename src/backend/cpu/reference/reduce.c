/* reduce.c - sums over whole axes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/reduce.h"

/* The offset in x of element `index` of a part of x that has the extents of x on some axes and 1 on the others. */
static int64_t offset_of(const lyc_shape *x, const lyc_shape *part, int64_t index)
{
    int64_t at = 0;
    int64_t stride = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        at += index % part->dims[i] * stride;
        index /= part->dims[i];
        stride *= x->dims[i];
    }
    return at;
}

void lyc_ref_reduce(const lyc_call *call, unsigned axes, double scale)
{
    const lyc_shape *x = lyc_ref_shape(call, 0);
    lyc_shape kept = *x;
    lyc_shape summed = *x;
    for (int i = 0; i < x->rank; i++) {
        ((axes >> i & 1u) != 0 ? &kept : &summed)->dims[i] = 1;
    }
    const int64_t results = lyc_shape_elements(&kept);
    const int64_t terms = lyc_shape_elements(&summed);
    for (int64_t o = 0; o < results; o++) {
        double sum = 0.0;
        int64_t first = offset_of(x, &kept, o);
        for (int64_t k = 0; k < terms; k++) {
            sum += lyc_ref_get(call, 0, first + offset_of(x, &summed, k));
        }
        lyc_ref_set(call, 0, o, scale * sum);
    }
}
