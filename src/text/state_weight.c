/* state_weight.c - prompt weights applied to the states of the text encoder
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/state_weight.h"

static double mean(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i];
    }
    return count > 0 ? sum / (double)count : 0;
}

static void weigh(float *states, const float *weights, size_t count, size_t width)
{
    for (size_t t = 0; t < count; t++) {
        for (size_t i = 0; i < width; i++) {
            states[t * width + i] *= weights[t]; /* fits: both are in memory */
        }
    }
}

static void weigh_and_restore(float *states, const float *weights, size_t count, size_t width)
{
    const size_t size = count * width; /* fits: both are in memory */
    const double before = mean(states, size);
    weigh(states, weights, count, width);
    const double after = mean(states, size);
    if (after == 0) {
        return;
    }
    const float factor = (float)(before / after);
    for (size_t i = 0; i < size; i++) {
        states[i] *= factor; /* fits: not a size */
    }
}

void lyc_states_weigh(float *states, const float *weights, size_t count, size_t width, size_t sequence_length,
                      lyc_state_weighing weighing)
{
    if (weighing == LYC_STATE_WEIGHING_PLAIN) {
        weigh(states, weights, count, width);
        return;
    }
    const size_t group = weighing == LYC_STATE_WEIGHING_A1111 && sequence_length > 0 ? sequence_length : count;
    for (size_t start = 0; start < count; start += group) {
        const size_t here = count - start < group ? count - start : group;
        weigh_and_restore(states + start * width, weights + start, here, width); /* fits: in memory */
    }
}
