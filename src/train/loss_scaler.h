/* loss_scaler.h - the factor of losses that keeps gradients within the range of fp16
 *
 * As torch.amp.GradScaler: it begins at 65536, doubles after 2000 good steps, and halves at a step whose gradients do
 * not fit, which is left out. Powers of two, so nothing is rounded by it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_LOSS_SCALER_H
#define LYC_TRAIN_LOSS_SCALER_H

#include <stdbool.h>
#include <stdint.h>

#include "train/optimizer.h"

typedef struct lyc_loss_scaler {
    double scale;       /* 1 where losses are not scaled */
    int64_t good_steps; /* since it changed */
    bool used;
} lyc_loss_scaler;

/* used: false leaves the scale at 1, whatever comes. */
lyc_loss_scaler lyc_loss_scaler_start(bool used);

/* Whether all gradients, which are scaled, are numbers of fp16: up to 65504. True where losses are not scaled. */
bool lyc_loss_scaler_fits(const lyc_loss_scaler *scaler, const lyc_trainable *rows, size_t count);

/* After each step: whether it was made. */
void lyc_loss_scaler_update(lyc_loss_scaler *scaler, bool made);

#endif
