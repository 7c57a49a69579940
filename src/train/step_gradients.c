/* step_gradients.c - gradients of a training step, of one batch or summed over several
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "train/step_internal.h"

static lyc_status reserve_sums(lyc_train_step *step, lyc_error *err)
{
    const lyc_trainables *set = step->options.trainables;
    bool complete = true;
    if (step->sums == NULL) {
        step->sums = lyc_alloc_zero(set->count + 1, sizeof *step->sums);
        complete = step->sums != NULL;
        for (size_t i = 0; complete && i < set->count; i++) {
            step->sums[i] = lyc_alloc_zero((size_t)set->rows[i].count, sizeof(float));
            complete = step->sums[i] != NULL;
        }
    }
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for sums of gradients");
}

void lyc_step_free_sums(lyc_train_step *step)
{
    for (size_t i = 0; step->sums != NULL && i < step->options.trainables->count; i++) {
        lyc_free(step->sums[i]);
    }
    lyc_free(step->sums);
    step->sums = NULL;
}

void lyc_step_forget_gradients(const lyc_train_step *step)
{
    for (size_t i = 0; i < step->options.trainables->count; i++) {
        step->options.trainables->rows[i].gradient = NULL;
    }
}

/* Rows without a gradient in this batch keep the sum that they have. */
static lyc_status add_gradients(lyc_train_step *step, const lyc_cached_plan *plan, lyc_error *err)
{
    const lyc_step_handles *h = plan->handles;
    const lyc_trainables *set = step->options.trainables;
    LYC_TRY(reserve_sums(step, err));
    if (!step->summing) {
        lyc_step_forget_gradients(step);
    }
    for (int i = 0; i < h->parameter_count; i++) {
        lyc_trainable *row = h->parameters[i].row;
        float *sum = step->sums[row - set->rows];
        const float *g =
            h->parameters[i].gradient != NULL ? lyc_plan_data(plan->plan, h->parameters[i].gradient) : NULL;
        if (g != NULL && row->gradient == NULL) {
            memcpy(sum, g, (size_t)row->count * sizeof *sum);
            row->gradient = sum;
        } else {
            for (int64_t k = 0; g != NULL && k < row->count; k++) {
                sum[k] += g[k];
            }
        }
    }
    step->summing = true;
    return LYC_OK;
}

lyc_status lyc_step_take_gradients(lyc_train_step *step, const lyc_cached_plan *plan, bool more, lyc_error *err)
{
    const lyc_step_handles *h = plan->handles;
    if (more || step->summing || h->repeats) {
        return add_gradients(step, plan, err);
    }
    lyc_step_forget_gradients(step);
    for (int i = 0; i < h->parameter_count; i++) {
        const lyc_value *gradient = h->parameters[i].gradient;
        h->parameters[i].row->gradient = gradient != NULL ? lyc_plan_data(plan->plan, gradient) : NULL;
    }
    return LYC_OK;
}
