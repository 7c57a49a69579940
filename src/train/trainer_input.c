/* trainer_input.c - from a batch of latents and captions to what a step takes
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "train/trainer_internal.h"

static void *array(bool *complete, int64_t count, size_t size)
{
    void *memory = count > 0 ? lyc_alloc_zero((size_t)count, size) : NULL;
    *complete = *complete && (memory != NULL || count <= 0);
    return memory;
}

static lyc_status reserve_texts(lyc_trainer *t, int64_t n, lyc_error *err)
{
    lyc_trainer_input *in = &t->input;
    const lyc_train_model *m = t->model;
    bool complete = true;
    if (n <= in->capacity) {
        return LYC_OK;
    }
    lyc_trainer_input_clear(in);
    in->weights = array(&complete, n, sizeof *in->weights);
    if (!t->text_in_graph) {
        in->states = array(&complete, n * m->tokens * (int64_t)m->encoders.width, sizeof *in->states);
        in->pooled = array(&complete, n * (int64_t)m->encoders.pooled_width, sizeof *in->pooled);
    }
    for (int i = 0; t->text_in_graph && i < m->encoders.count; i++) {
        const int64_t rows = n * m->options.chunks;
        in->ids[i] = array(&complete, rows * lyc_train_model_length(m, i), sizeof *in->ids[i]);
        in->eos[i] = array(&complete, rows, sizeof *in->eos[i]);
    }
    in->capacity = complete ? n : 0;
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch");
}

static lyc_status reserve_images(lyc_trainer *t, int64_t numbers, lyc_error *err)
{
    lyc_trainer_input *in = &t->input;
    bool complete = true;
    if (numbers <= in->image_capacity) {
        return LYC_OK;
    }
    lyc_free(in->prior);
    lyc_free(in->mask);
    in->prior = array(&complete, numbers, sizeof *in->prior);
    in->mask = array(&complete, numbers, sizeof *in->mask);
    in->image_capacity = complete ? numbers : 0;
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch");
}

void lyc_trainer_input_clear(lyc_trainer_input *in)
{
    lyc_batch_noise_clear(&in->noise);
    lyc_free(in->states);
    lyc_free(in->pooled);
    lyc_free(in->weights);
    lyc_free(in->prior);
    lyc_free(in->mask);
    for (int i = 0; i < 2; i++) {
        lyc_free(in->ids[i]);
        lyc_free(in->eos[i]);
    }
    *in = (lyc_trainer_input){0};
}

static lyc_status read_texts(lyc_trainer *t, const lyc_trainer_batch *batch, lyc_error *err)
{
    lyc_trainer_input *in = &t->input;
    if (!t->text_in_graph) {
        return lyc_train_model_states(in->states, in->pooled, t->model, batch->captions, batch->n, err);
    }
    for (int i = 0; i < t->model->encoders.count; i++) {
        LYC_TRY(lyc_train_model_ids(in->ids[i], in->eos[i], t->model, i, batch->captions, batch->n, err));
    }
    return LYC_OK;
}

static lyc_status draw_noise(lyc_trainer *t, const lyc_trainer_batch *batch, uint64_t seed, uint32_t number,
                             int timestep, lyc_error *err)
{
    const lyc_batch_noise_request request = {
        .options = &t->options.noise,
        .schedule = &t->model->schedule,
        .prediction = t->model->scheduler.prediction,
        .seed = seed,
        .step = number,
        .timestep = timestep,
        .shape = {(size_t)batch->n, (size_t)batch->h, (size_t)batch->w, (size_t)t->model->channels},
        .latents = batch->latents,
    };
    return lyc_batch_noise_draw(&t->input.noise, &request, err);
}

/* The mean over the batch, with the weights of samples and timesteps. */
static void weigh(lyc_trainer *t, const lyc_trainer_batch *batch, double share)
{
    for (int64_t i = 0; i < batch->n; i++) {
        const double sample = batch->weights != NULL ? (double)batch->weights[i] : 1.0;
        t->input.weights[i] = (float)(share * sample * (double)t->input.noise.weights[i] / (double)batch->n);
    }
}

/* Differential output preservation: the target of marked samples is what the model without the trained adapters
 * says. */
static lyc_status keep_predictions(lyc_trainer *t, const lyc_trainer_batch *batch, double strength, lyc_error *err)
{
    const size_t size = (size_t)(batch->h * batch->w * t->model->channels);
    bool any = false;
    for (int64_t i = 0; batch->preserve != NULL && i < batch->n; i++) {
        any = any || batch->preserve[i];
    }
    if (!any || t->network == NULL) {
        return LYC_OK;
    }
    lyc_network_set_strength(t->network, 0, 0, 0);
    const lyc_status status = lyc_train_step_predict(t->input.prior, t->step, &t->input.step, err);
    lyc_network_set_strength(t->network, 0, strength, strength);
    for (int64_t i = 0; status == LYC_OK && i < batch->n; i++) {
        if (batch->preserve[i]) {
            memcpy(t->input.noise.target + (size_t)i * size, t->input.prior + (size_t)i * size, size * sizeof(float));
        }
    }
    return status;
}

static const float *mask_of(lyc_trainer *t, const lyc_trainer_batch *batch)
{
    if (batch->mask != NULL) {
        return batch->mask;
    }
    for (int64_t i = 0; i < batch->n * batch->h * batch->w; i++) {
        t->input.mask[i] = 1.0f;
    }
    return t->input.mask;
}

lyc_status lyc_trainer_prepare(lyc_trainer *t, const lyc_trainer_batch *batch, uint64_t seed, uint32_t number,
                               int timestep, double share, lyc_error *err)
{
    lyc_trainer_input *in = &t->input;
    LYC_TRY(reserve_texts(t, batch->n, err));
    LYC_TRY(reserve_images(t, batch->n * batch->h * batch->w * t->model->channels, err));
    LYC_TRY(read_texts(t, batch, err));
    LYC_TRY(draw_noise(t, batch, seed, number, timestep, err));
    weigh(t, batch, share);
    in->step = (lyc_step_input){
        .n = batch->n,
        .h = batch->h,
        .w = batch->w,
        .noisy = in->noise.noisy,
        .target = in->noise.target,
        .timesteps = in->noise.timesteps,
        .weights = in->weights,
        .huber = in->noise.huber,
        .mask = t->options.masked_loss ? mask_of(t, batch) : NULL,
        .sizes = batch->sizes,
        .seed = seed,
        .step = number,
        .tokens = t->model->tokens,
        .states = in->states,
        .pooled = in->pooled,
        .chunks = t->model->options.chunks,
        .ids = {in->ids[0], in->ids[1]},
        .eos = {in->eos[0], in->eos[1]},
    };
    const double strength =
        batch->network_multiplier > 0 || batch->network_multiplier < 0 ? batch->network_multiplier : 1.0;
    if (t->network != NULL) {
        lyc_network_set_strength(t->network, 0, strength, strength);
    }
    return keep_predictions(t, batch, strength, err);
}
