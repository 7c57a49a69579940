/* broadcast.h - values that are repeated to the shape of a result, walked through in the result's order
 *
 * Axes of extent 1 are dropped and neighbouring axes merged wherever every value is dense over both or repeated over
 * both. What is left for the usual cases:
 *
 *     equal shapes               one axis                       a scalar       one axis, step 0
 *     [c] to [n,h,w,c]           [n h w, c], steps 0, 1         [n,1] to [n,c] [n,c], steps 1, 0
 *     [n,1,1,c] to [n,h,w,c]     [n, h w, c], steps c, 0, 1
 *
 * On the last axis a value has step 1 or 0, and a walk goes piece by piece along it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_BROADCAST_H
#define LYC_BACKEND_CPU_KERNELS_BROADCAST_H

#include "backend/cpu/kernels/kernel.h"

enum { LYC_BROADCAST_VALUES = 2 };

typedef struct lyc_broadcast {
    int rank; /* at least 1 */
    int values;
    int64_t extent[LYC_MAX_RANK];
    int64_t step[LYC_MAX_RANK][LYC_BROADCAST_VALUES]; /* in elements; 0 where the value repeats */
} lyc_broadcast;

/* Adds an axis outside of those that are there. */
static inline void lyc_broadcast_add(lyc_broadcast *b, int64_t extent, const int64_t *step)
{
    if (extent == 1) {
        return;
    }
    bool merge = b->rank > 0;
    for (int k = 0; merge && k < b->values; k++) {
        merge = step[k] == b->step[b->rank - 1][k] * b->extent[b->rank - 1];
    }
    if (merge) {
        b->extent[b->rank - 1] *= extent;
        return;
    }
    b->extent[b->rank] = extent;
    memcpy(b->step[b->rank++], step, sizeof b->step[0]);
}

/* Axes are collected from the last to the first; axis 0 of the result is the innermost one. */
static inline void lyc_broadcast_init(lyc_broadcast *b, const lyc_shape *to, int values, const lyc_shape *const *from)
{
    int64_t dense[LYC_BROADCAST_VALUES] = {1, 1};
    *b = (lyc_broadcast){.values = values};
    for (int i = 1; i <= to->rank; i++) {
        int64_t step[LYC_BROADCAST_VALUES] = {0};
        for (int k = 0; k < values; k++) {
            const int64_t extent = i <= from[k]->rank ? from[k]->dims[from[k]->rank - i] : 1;
            step[k] = extent == 1 ? 0 : dense[k];
            dense[k] *= extent;
        }
        lyc_broadcast_add(b, to->dims[to->rank - i], step);
    }
    if (b->rank == 0) {
        b->rank = 1;
        b->extent[0] = 1;
    }
}

/* A place in the result: where each value's element for it is. */
typedef struct lyc_walk {
    const lyc_broadcast *b;
    int64_t index[LYC_MAX_RANK];
    int64_t at[LYC_BROADCAST_VALUES];
} lyc_walk;

static inline lyc_walk lyc_walk_from(const lyc_broadcast *b, int64_t element)
{
    lyc_walk w = {.b = b};
    for (int i = 0; i < b->rank; i++) {
        w.index[i] = element % b->extent[i];
        element /= b->extent[i];
        for (int k = 0; k < b->values; k++) {
            w.at[k] += w.index[i] * b->step[i][k];
        }
    }
    return w;
}

/* Elements up to the end of the innermost axis. */
static inline int64_t lyc_walk_left(const lyc_walk *w)
{
    return w->b->extent[0] - w->index[0];
}

/* n <= lyc_walk_left elements further; past the last one it comes back to the first. */
static inline void lyc_walk_on(lyc_walk *w, int64_t n)
{
    const lyc_broadcast *b = w->b;
    for (int i = 0; i < b->rank; i++) {
        w->index[i] += n;
        for (int k = 0; k < b->values; k++) {
            w->at[k] += n * b->step[i][k];
        }
        if (w->index[i] < b->extent[i]) {
            return;
        }
        w->index[i] = 0;
        for (int k = 0; k < b->values; k++) {
            w->at[k] -= b->extent[i] * b->step[i][k];
        }
        n = 1;
    }
}

/* One value of a short piece as f32: for axes so short that loops over them do not pay. */
static inline void lyc_walk_expand(float *to, const lyc_walk *w, int value, const void *base, lyc_dtype dtype,
                                   int64_t n)
{
    const int64_t step = w->b->step[0][value];
    for (int64_t i = 0; i < n; i++) {
        to[i] = lyc_load_one(dtype, lyc_at(base, dtype, w->at[value] + i * step));
    }
}

#endif
