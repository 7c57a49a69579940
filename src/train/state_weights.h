/* state_weights.h - the tensors of a state: trained numbers, what their optimiser has, their average
 *
 *     "param.<name>" (f32, or the 16 bits that are trained), what the optimiser has under its own names, "ema.<name>"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_STATE_WEIGHTS_H
#define LYC_TRAIN_STATE_WEIGHTS_H

#include "base/arena.h"
#include "train/ema.h"
#include "train/state.h"
#include "train/trainable.h"

/* For lyc_state_save; {0} is empty. Data is borrowed. */
typedef struct lyc_state_list {
    lyc_state_tensor *tensors;
    size_t count, capacity;
    lyc_arena names;
} lyc_state_list;

/* A tensor "<prefix><name>". */
lyc_status lyc_state_list_add(lyc_state_list *list, const char *prefix, const char *name, const lyc_tensor_view *view,
                              lyc_error *err);

/* All of a set. dtype: of which its values are numbers, so that nothing is lost; ema may be NULL. */
lyc_status lyc_state_list_weights(lyc_state_list *list, const lyc_trainables *set, lyc_dtype dtype,
                                  const lyc_optimizer *optimizer, const lyc_ema *ema, lyc_error *err);
void lyc_state_list_clear(lyc_state_list *list);

/* Takes them from the tensors of a state. LYC_E_FORMAT: one is missing or is another one. */
lyc_status lyc_state_take(void *out, const lyc_safetensors *file, const char *prefix, const char *name, lyc_dtype dtype,
                          int64_t count, lyc_error *err);
lyc_status lyc_state_take_weights(lyc_trainables *set, lyc_dtype dtype, lyc_optimizer *optimizer, lyc_ema *ema,
                                  const lyc_safetensors *file, lyc_error *err);

#endif
