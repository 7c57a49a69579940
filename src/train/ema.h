/* ema.h - an average of the weights over the way: decay_k = min(decay, (1 + k) / (10 + k)) (OneTrainer)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_EMA_H
#define LYC_TRAIN_EMA_H

#include "train/optimizer.h"

typedef struct lyc_ema {
    lyc_trainable *params; /* borrowed */
    size_t count;
    float **averages;
    double decay;
    int64_t interval, updates;
    bool swapped; /* the parameters have the averages, and the other way round */
} lyc_ema;

/* Begins with the weights as they are. decay: 0.999 and the like; interval: steps between updates. */
lyc_status lyc_ema_init(lyc_ema *out, lyc_trainable *params, size_t count, double decay, int64_t interval,
                        lyc_error *err);
void lyc_ema_clear(lyc_ema *ema);

/* After a step (counted from 1): takes the weights in when it is its turn. */
void lyc_ema_update(lyc_ema *ema, int64_t step);

/* Exchanges weights and averages, for saving and sampling, and back. */
void lyc_ema_swap(lyc_ema *ema);

#endif
