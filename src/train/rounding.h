/* rounding.h - trained numbers of 16 bits: what a step leaves between two of them goes up or down
 *
 * The values of a row stay in f32 places; those of bf16 or fp16 are all that they ever hold, so files and states of 16
 * bits are exact. To the nearest, a step of less than half of the last place is lost, every time: with 8 bits that is
 * most of a training. By chance, up with a probability that is the way to the lower neighbour, the mean is right
 * (stochastic rounding, arXiv 1502.02551).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_ROUNDING_H
#define LYC_TRAIN_ROUNDING_H

#include <stdbool.h>
#include <stdint.h>

#include "train/optimizer.h"

typedef struct lyc_rounding {
    lyc_dtype dtype; /* LYC_BF16, LYC_F16; LYC_F32: nothing is rounded */
    bool stochastic;
    uint64_t seed;
} lyc_rounding;

/* All numbers to the nearest, half to even: start values. */
void lyc_rounding_nearest(const lyc_rounding *rounding, const lyc_trainable *rows, size_t count);

/* After a step. Chance depends on (seed, step, row, place) alone: the same at any number of threads and after a
 * resume. */
void lyc_rounding_step(const lyc_rounding *rounding, const lyc_trainable *rows, size_t count, int64_t step);

#endif
