/* shuffle.h - orders that depend on a stream of native random numbers alone
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_SHUFFLE_H
#define LYC_DATA_SHUFFLE_H

#include <stddef.h>

#include "tensor/random.h"

typedef struct lyc_shuffle {
    lyc_native_random stream;
    uint64_t next; /* numbers drawn */
} lyc_shuffle;

/* A number below count, which is below 2^32. */
static inline size_t lyc_shuffle_below(lyc_shuffle *s, size_t count)
{
    return (size_t)(((uint64_t)lyc_native_random_bits(&s->stream, s->next++) * (uint64_t)count) >> 32);
}

/* Fisher and Yates, from the end. */
static inline void lyc_shuffle_indices(lyc_shuffle *s, size_t *items, size_t count)
{
    for (size_t n = count; n > 1; n--) {
        const size_t other = lyc_shuffle_below(s, n), held = items[n - 1];
        items[n - 1] = items[other];
        items[other] = held;
    }
}

#endif
