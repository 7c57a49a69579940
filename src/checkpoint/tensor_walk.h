/* tensor_walk.h - saying layer by layer which tensors there are
 *
 * As in a graph, the first error is kept and later calls do nothing, so that a network is written down without checks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CHECKPOINT_TENSOR_WALK_H
#define LYC_CHECKPOINT_TENSOR_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "checkpoint/tensor_list.h"

typedef struct lyc_tensor_walk {
    lyc_tensor_visit visit;
    void *context;
    lyc_error *err;
    lyc_status status; /* of the first failure */
    char name[256];    /* of the layer: "mid_block.resnets.0" */
    size_t length;
} lyc_tensor_walk;

/* Goes into a layer below the current one; the result is for leaving it. */
size_t lyc_walk_enter(lyc_tensor_walk *walk, const char *format, ...) LYC_PRINTF(2, 3);
void lyc_walk_leave(lyc_tensor_walk *walk, size_t outer);

/* <layer>.<name>: a tensor as it is. */
void lyc_walk_tensor(lyc_tensor_walk *walk, const char *name, const lyc_shape *shape);

/* <layer>.<name>.weight and .bias */
void lyc_walk_linear(lyc_tensor_walk *walk, const char *name, int64_t in, int64_t out, bool bias);
void lyc_walk_conv(lyc_tensor_walk *walk, const char *name, int64_t in, int64_t out, int64_t kernel);
void lyc_walk_norm(lyc_tensor_walk *walk, const char *name, int64_t channels);

/* The same for a group norm: the groups must divide the channels. */
void lyc_walk_group_norm(lyc_tensor_walk *walk, const char *name, int64_t channels, int groups);

/* A ResBlock in the current layer; time_channels 0: no time projection. */
void lyc_walk_resnet(lyc_tensor_walk *walk, int64_t in, int64_t out, int64_t time_channels, int groups);

/* A number as the name of a layer. Returns name. */
const char *lyc_walk_number(char name[32], int number);

/* n times a width: widths of layers are at most 2^20, and n is small. */
static inline int64_t lyc_walk_times(int64_t n, int64_t width)
{
    return n * width; /* fits: see above */
}

#endif
