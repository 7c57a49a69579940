/* movement.h - how far training has moved the weights: the norm of the change over that of the weight
 *
 *     sqrt(sum of squares of W' - W over the layers of a group) / sqrt(the same of W)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_MOVEMENT_H
#define LYC_TRAIN_MOVEMENT_H

#include "train/train_model.h"

enum { LYC_MOVEMENT_GROUPS = 6 };

typedef struct lyc_movement {
    double groups[LYC_MOVEMENT_GROUPS]; /* NaN: no layer is in it */
    double all;
} lyc_movement;

/* "unet/down" */
const char *lyc_movement_group_name(int group);

/* Of a member of a network, at strength 1; or, with network NULL, of the native rows of a set. */
lyc_status lyc_movement_measure(lyc_movement *out, const lyc_train_model *model, const lyc_network *network,
                                size_t member, const lyc_trainables *set, lyc_error *err);

#endif
