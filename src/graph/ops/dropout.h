/* dropout.h - how much a dropout takes away, and where it stands
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_DROPOUT_H
#define LYC_GRAPH_OPS_DROPOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/random.h"

enum { LYC_DROPOUT_STREAMS = 1 << 24 };

typedef struct lyc_dropout_attr {
    float p;    /* probability of a zero, in [0, 1) */
    int stream; /* tells the dropouts of a graph apart: below LYC_DROPOUT_STREAMS */
} lyc_dropout_attr;

/* The numbers that decide, for a key of (seed, step): element i stays where the i-th uniform number is p at least. */
static inline lyc_native_random lyc_dropout_random(const lyc_dropout_attr *attr, const int32_t key[2])
{
    return (lyc_native_random){.seed = (uint32_t)key[0],
                               .purpose = (uint32_t)LYC_RANDOM_DROPOUT | (uint32_t)attr->stream << 8,
                               .step = (uint32_t)key[1]};
}

#endif
