/* axes.h - axes and extents as attributes hold them
 *
 * An attribute is a list of int. A list of extents ends at the first 0 (no value has an extent of 0); an axis may be
 * negative and then counts from the last.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_AXES_H
#define LYC_GRAPH_OPS_AXES_H

#include <limits.h>

#include "graph/op.h"

static inline lyc_shape lyc_extents_shape(const int dims[LYC_MAX_RANK])
{
    lyc_shape shape = {0};
    while (shape.rank < LYC_MAX_RANK && dims[shape.rank] != 0) {
        shape.dims[shape.rank] = dims[shape.rank];
        shape.rank++;
    }
    return shape;
}

/* Writes shape as a list of extents. False when one is no extent or too large for an attribute. */
static inline bool lyc_extents_set(int dims[LYC_MAX_RANK], const lyc_shape *shape)
{
    bool fits = shape->rank >= 0 && shape->rank <= LYC_MAX_RANK;
    for (int i = 0; i < LYC_MAX_RANK; i++) {
        int64_t extent = fits && i < shape->rank ? shape->dims[i] : 0;
        fits = fits && (i >= shape->rank || (extent > 0 && extent <= INT_MAX));
        dims[i] = fits ? (int)extent : 0;
    }
    return fits;
}

/* The axis counted from the first. */
static inline int lyc_axis_from_first(int axis, int rank)
{
    return axis < 0 ? axis + rank : axis;
}

/* LYC_E_SHAPE unless input i has the axis. */
lyc_status lyc_infer_axis(const lyc_node *n, int input, int axis, lyc_error *err);

/* Extents before, at and after an axis: the value seen as [outer,extent,inner]. */
typedef struct lyc_axis_view {
    int64_t outer;
    int64_t extent;
    int64_t inner;
} lyc_axis_view;

static inline lyc_axis_view lyc_axis_view_of(const lyc_shape *shape, int axis)
{
    int k = lyc_axis_from_first(axis, shape->rank);
    return (lyc_axis_view){lyc_shape_product(shape, 0, k), shape->dims[k],
                           lyc_shape_product(shape, k + 1, shape->rank)};
}

#endif
