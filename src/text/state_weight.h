/* state_weight.h - prompt weights applied to the states of the text encoder
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TEXT_STATE_WEIGHT_H
#define LYC_TEXT_STATE_WEIGHT_H

#include <stddef.h>

/* What is done against the change of the mean that weights bring about. */
typedef enum lyc_state_weighing {
    LYC_STATE_WEIGHING_A1111, /* each sequence gets its mean back */
    LYC_STATE_WEIGHING_KOHYA, /* all states of a prompt together get theirs (sd-scripts gen_img) */
    LYC_STATE_WEIGHING_PLAIN  /* nothing (sd-scripts training with weighted_captions) */
} lyc_state_weighing;

/* states [count,width] *= weights [count], then by mean(before) / mean(after), the means over sequence_length states,
 * or all of them, and all channels. To be called after clip skip and final norm. A mean of zero is left alone. */
void lyc_states_weigh(float *states, const float *weights, size_t count, size_t width, size_t sequence_length,
                      lyc_state_weighing weighing);

#endif
