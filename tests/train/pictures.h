/* pictures.h - a handful of pictures as batches: coloured shapes in two formats, encoded by the small VAE
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_TRAIN_PICTURES_H
#define TESTS_TRAIN_PICTURES_H

#include "model/networks.h"
#include "train/trainer.h"

enum { PICTURES = 6, BATCH = 2 };

/* Under a sanitizer computing takes some fifty times as long: runs are as short as they can be, and what they learn is
 * not looked at. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Pictures 0 to 3 are square and for training, 4 and 5 are wide; the last of each format is for validation too. */
typedef struct pictures {
    const char *captions[PICTURES];
    float *latents[PICTURES];
    int64_t h[PICTURES], w[PICTURES];
    size_t position[2]; /* of training, of validation */
    int64_t epoch;
    float *batch;
    const char *batch_captions[BATCH];
    lyc_trainer_batch current;
    const bool *preserve; /* of each batch; NULL: none */
} pictures;

/* A disc or a square of one colour on another. */
static inline void paint(float *image, int64_t h, int64_t w, int k)
{
    static const float colours[4][3] = {
        {0.9f, -0.6f, -0.6f}, {-0.7f, 0.8f, -0.5f}, {-0.6f, -0.5f, 0.9f}, {0.8f, 0.7f, -0.8f}};
    for (int64_t y = 0; y < h; y++) {
        for (int64_t x = 0; x < w; x++) {
            const double dy = (double)(y - h / 2) / (double)h, dx = (double)(x - w / 2) / (double)h;
            const bool inside = k % 2 == 0 ? dy * dy + dx * dx < 0.08 : fabs(dy) < 0.25 && fabs(dx) < 0.25;
            for (int c = 0; c < 3; c++) {
                image[(y * w + x) * 3 + c] = colours[inside ? k % 4 : (k + 1) % 4][c];
            }
        }
    }
}

static inline void pictures_open(pictures *p, lyc_train_model *m)
{
    static const char *const captions[PICTURES] = {"a red disc",      "a green square",   "a blue disc",
                                                   "a yellow square", "a red disc, wide", "a green square, wide"};
    lyc_error err;
    const lyc_vae_config *vae = lyc_component_vae(m->vae);
    *p = (pictures){.epoch = 1};
    for (int k = 0; k < PICTURES; k++) {
        const int64_t h = 8, w = k < 4 ? 8 : 12;
        const int64_t f = m->factor;
        float *image = lyc_alloc((size_t)(h * f * w * f * 3) * sizeof *image);
        float *moments = lyc_alloc((size_t)(h * w * 2 * m->channels) * sizeof *moments);
        p->captions[k] = captions[k];
        p->h[k] = h;
        p->w[k] = w;
        p->latents[k] = lyc_alloc((size_t)(h * w * m->channels) * sizeof(float));
        paint(image, h * f, w * f, k);
        must(lyc_train_model_encode(moments, m, image, 1, h * f, w * f, &err), &err);
        lyc_vae_latents(p->latents[k], moments, NULL, h * w, vae);
        lyc_free(image);
        lyc_free(moments);
    }
    p->batch = lyc_alloc((size_t)(BATCH * 8 * 12 * m->channels) * sizeof(float));
    must(lyc_train_model_rest(m, &err), &err);
}

static inline void pictures_close(pictures *p)
{
    for (int k = 0; k < PICTURES; k++) {
        lyc_free(p->latents[k]);
    }
    lyc_free(p->batch);
}

/* Pairs of pictures; their order depends on the epoch. */
static inline size_t pictures_count(void *context, int64_t epoch, bool validation)
{
    (void)context;
    (void)epoch;
    (void)validation;
    return PICTURES / BATCH;
}

static inline lyc_status pictures_begin(void *context, int64_t epoch, bool validation, size_t first, int64_t step,
                                        lyc_error *err)
{
    pictures *p = context;
    (void)step;
    (void)err;
    p->position[validation] = first;
    p->epoch = validation ? p->epoch : epoch;
    return LYC_OK;
}

static inline lyc_status pictures_next(const lyc_trainer_batch **out, void *context, bool validation, lyc_error *err)
{
    pictures *p = context;
    (void)err;
    *out = NULL;
    if (p->position[validation] < PICTURES / BATCH) {
        const size_t turn = validation ? 0 : (size_t)p->epoch;
        const size_t first = (p->position[validation]++ + turn) % (PICTURES / BATCH) * BATCH;
        const size_t size = (size_t)(p->h[first] * p->w[first] * 4);
        for (size_t i = 0; i < BATCH; i++) {
            memcpy(p->batch + i * size, p->latents[first + i], size * sizeof(float));
            p->batch_captions[i] = p->captions[first + i];
        }
        p->current = (lyc_trainer_batch){.n = BATCH,
                                         .h = p->h[first],
                                         .w = p->w[first],
                                         .latents = p->batch,
                                         .captions = p->batch_captions,
                                         .preserve = validation ? NULL : p->preserve};
        *out = &p->current;
    }
    return LYC_OK;
}

static inline lyc_batch_source pictures_source(pictures *p)
{
    return (lyc_batch_source){pictures_count, pictures_begin, pictures_next, p, 0x1234};
}

static inline lyc_train_model *open_model(lyc_precision precision)
{
    lyc_error err;
    lyc_train_model *m = NULL;
    must(lyc_train_model_open(&m, &(lyc_train_model_options){.model = SD15, .precision = precision}, &err), &err);
    return m;
}

/* New adapters for parts of the model: first 0 with text encoders, else m->part_count - 1. */
static inline lyc_network *open_adapters(const lyc_train_model *m, const char *preset_name, size_t first,
                                         const char *const *texts)
{
    lyc_error err;
    lyc_network *network = NULL;
    lyc_preset preset;
    lyc_network_args args;
    lyc_selection selection;
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    must(lyc_preset_built_in(&preset, preset_name, &err), &err);
    must(lyc_network_args_parse(&args, texts, count, &err), &err);
    must(lyc_selection_make(&selection, m->selected + first, m->part_count - first, &preset, &args, NULL, &err), &err);
    must(lyc_network_new(&network, LYC_NETWORK_TRAINED, &err), &err);
    must(lyc_network_set_samples(network, BATCH, &err), &err);
    must(lyc_network_add_selection(NULL, network, &selection, m->parts, m->part_count, 7, &err), &err);
    lyc_selection_clear(&selection);
    lyc_network_args_clear(&args);
    lyc_preset_clear(&preset);
    return network;
}

#endif
