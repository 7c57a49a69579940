/* loss_scaler.c - the factor of losses that keeps gradients within the range of fp16
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/loss_scaler.h"

#include <math.h>
#include <stdatomic.h>

#include "base/thread.h"

enum { GROWS_AFTER = 2000 };
static const double first_scale = 65536, largest_scale = 0x1p100; /* far from the end of f32 */
static const float largest_fp16 = 65504;

lyc_loss_scaler lyc_loss_scaler_start(bool used)
{
    return (lyc_loss_scaler){.scale = used ? first_scale : 1, .used = used};
}

typedef struct search {
    const float *numbers;
    atomic_bool outside;
} search;

static void look(void *context, int64_t first, int64_t last, int thread)
{
    search *s = context;
    bool inside = true;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        inside = inside && fabsf(s->numbers[i]) <= largest_fp16; /* false for NaN */
    }
    if (!inside) {
        atomic_store(&s->outside, true);
    }
}

bool lyc_loss_scaler_fits(const lyc_loss_scaler *scaler, const lyc_trainable *rows, size_t count)
{
    for (size_t i = 0; i < count && scaler->used; i++) {
        search s = {.numbers = rows[i].gradient};
        if (rows[i].gradient != NULL) {
            lyc_parallel_chunks(rows[i].count, (double)rows[i].count, look, &s);
        }
        if (atomic_load(&s.outside)) {
            return false;
        }
    }
    return true;
}

void lyc_loss_scaler_update(lyc_loss_scaler *s, bool made)
{
    s->good_steps = made ? s->good_steps + 1 : 0;
    if (s->used && !made) {
        s->scale /= 2;
    }
    if (s->used && s->good_steps >= GROWS_AFTER) {
        s->scale = fmin(s->scale * 2, largest_scale);
        s->good_steps = 0;
    }
}
