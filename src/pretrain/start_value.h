/* start_value.h - the numbers that a tensor of a new network has before it learns
 *
 * By the end of its name, as the field names tensors:
 *
 *     weights of layers           normal, variance 1 / inputs (LeCun et al., "Efficient BackProp", 1998)
 *     what ends a residual branch zero: a block begins as the identity (Dhariwal and Nichol, arXiv 2105.05233)
 *     norms                       1; biases 0
 *     embeddings, positions       normal, deviation 0.02 (Radford et al., arXiv 2103.00020)
 *     logit_scale                 log(1 / 0.07) (the same)
 *
 * Numbers depend on seed, name and place alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_START_VALUE_H
#define LYC_PRETRAIN_START_VALUE_H

#include <stdint.h>

#include "tensor/shape.h"

void lyc_start_value(float *out, const char *name, const lyc_shape *shape, uint64_t seed);

#endif
