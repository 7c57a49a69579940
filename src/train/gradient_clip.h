/* gradient_clip.h - the norm of all gradients, and what brings it to a bound
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_GRADIENT_CLIP_H
#define LYC_TRAIN_GRADIENT_CLIP_H

#include <stdbool.h>

#include "train/optimizer.h"

typedef struct lyc_gradient_norm {
    double norm;            /* of all numbers; not finite when one of them is not */
    const char *not_finite; /* the first parameter whose gradient has such a number; NULL: none */
} lyc_gradient_norm;

/* Gradients count `scale` times. The sum is in f64 and over pieces in a fixed order: the same at any number of threads.
 */
void lyc_gradient_norm_compute(lyc_gradient_norm *out, const lyc_trainable *params, size_t count, double scale);

/* min(1, limit / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 without a limit (0). */
double lyc_gradient_clip(double norm, double limit);

#endif
