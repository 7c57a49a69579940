/* ema.c - an average of the weights over the way
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/ema.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

lyc_status lyc_ema_init(lyc_ema *out, lyc_trainable *params, size_t count, double decay, int64_t interval,
                        lyc_error *err)
{
    *out = (lyc_ema){.params = params, .count = count, .decay = decay, .interval = interval > 0 ? interval : 1};
    out->averages = lyc_alloc_zero(count + 1, sizeof *out->averages);
    for (size_t i = 0; out->averages != NULL && i < count; i++) {
        const size_t bytes = (size_t)params[i].count * sizeof(float);
        out->averages[i] = lyc_alloc(bytes + 1);
        if (out->averages[i] == NULL) {
            lyc_ema_clear(out);
            return lyc_fail(err, LYC_E_MEMORY, "no memory for the average of %s", params[i].name);
        }
        memcpy(out->averages[i], params[i].value, bytes);
    }
    return out->averages != NULL ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for averages of weights");
}

void lyc_ema_clear(lyc_ema *ema)
{
    for (size_t i = 0; ema->averages != NULL && i < ema->count; i++) {
        lyc_free(ema->averages[i]);
    }
    lyc_free(ema->averages);
    *ema = (lyc_ema){0};
}

typedef struct average {
    float *ema;
    const float *value;
    float share;
} average;

static void take_in(void *context, int64_t first, int64_t last, int thread)
{
    const average *a = context;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        a->ema[i] += a->share * (a->value[i] - a->ema[i]);
    }
}

void lyc_ema_update(lyc_ema *ema, int64_t step)
{
    if (step % ema->interval != 0) {
        return;
    }
    const double k = (double)ema->updates++;
    const double decay = fmin(ema->decay, (1.0 + k) / (10.0 + k));
    for (size_t i = 0; i < ema->count; i++) {
        average a = {.ema = ema->averages[i], .value = ema->params[i].value, .share = (float)(1.0 - decay)};
        lyc_parallel_chunks(ema->params[i].count, (double)ema->params[i].count, take_in, &a);
    }
}

void lyc_ema_swap(lyc_ema *ema)
{
    for (size_t i = 0; i < ema->count; i++) {
        for (int64_t k = 0; k < ema->params[i].count; k++) {
            const float kept = ema->averages[i][k];
            ema->averages[i][k] = ema->params[i].value[k];
            ema->params[i].value[k] = kept;
        }
    }
    ema->swapped = !ema->swapped;
}
