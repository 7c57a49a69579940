/* data_source.c - the batches of a data set for the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/data_source.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "checkpoint/checkpoint.h"

struct lyc_data_source {
    const lyc_data *data;
    lyc_train_model *model;
    lyc_data_source_options options;
    int64_t total_steps;
    lyc_latent_encoder encoder;
    char identity[256];
    lyc_latent_cache *cache;
    lyc_loader *loaders[2]; /* training, validation */
    int64_t epochs[2];
    lyc_trainer_batch batch;
    float *latents, *noise, *moments; /* without cache, or while it is filled */
    size_t capacity;                  /* elements of latents */
};

/* --- encoding ------------------------------------------------------------------------------------------------------
 */

static lyc_status reserve(lyc_data_source *s, size_t count, lyc_error *err)
{
    if (count <= s->capacity) {
        return LYC_OK;
    }
    lyc_free(s->latents);
    lyc_free(s->noise);
    lyc_free(s->moments);
    s->latents = lyc_alloc_zero(count, sizeof *s->latents);
    s->noise = lyc_alloc_zero(count, sizeof *s->noise);
    s->moments = lyc_alloc_zero(count, 2 * sizeof *s->moments);
    const bool complete = s->latents != NULL && s->noise != NULL && s->moments != NULL;
    s->capacity = complete ? count : 0;
    return complete ? LYC_OK : lyc_fail(err, LYC_E_MEMORY, "no memory for a batch of latents");
}

static lyc_status encode(void *context, float *latents, const float *images, const float *noise, int64_t n, int64_t h,
                         int64_t w, lyc_error *err)
{
    lyc_data_source *s = context;
    const int64_t factor = s->model->factor, pixels = n * (h / factor) * (w / factor);
    LYC_TRY(reserve(s, (size_t)(pixels * s->model->channels), err));
    LYC_TRY(lyc_train_model_encode(s->moments, s->model, images, n, h, w, err));
    lyc_vae_latents(latents, s->moments, noise, pixels, lyc_component_vae(s->model->vae));
    return LYC_OK;
}

/* Tells VAEs apart by the names and the first bytes of their tensors; where they lie does not matter. */
static void identify(lyc_data_source *s)
{
    const lyc_train_model_options *o = &s->model->options;
    lyc_sha256 hash;
    char hex[LYC_SHA256_HEX];
    lyc_sha256_init(&hash);
    const size_t count = lyc_component_count(s->model->vae);
    for (size_t i = 0; i < count; i++) {
        const lyc_weight_view view = lyc_component_at(s->model->vae, i);
        lyc_sha256_update(&hash, view.name, strlen(view.name));
        lyc_sha256_update(&hash, view.data, view.size_bytes < 4096 ? view.size_bytes : 4096);
    }
    lyc_sha256_finish(hex, &hash);
    snprintf(s->identity, sizeof s->identity, "VAE %.32s, precision %d", hex, (int)o->vae_precision);
}

/* --- batches -------------------------------------------------------------------------------------------------------
 */

static size_t count_batches(void *context, int64_t epoch, bool validation)
{
    const lyc_data_source *s = context;
    (void)epoch;
    return lyc_epoch_batches(s->data, validation);
}

static lyc_status begin(void *context, int64_t epoch, bool validation, size_t first, int64_t step, lyc_error *err)
{
    lyc_data_source *s = context;
    s->epochs[validation] = validation ? 0 : epoch;
    return lyc_loader_begin(s->loaders[validation], epoch, first, step,
                            1.0 / (double)s->options.gradient_accumulation_steps, s->total_steps, err);
}

/* Noise by picture and epoch: another one at each use. */
static void draw_noise(lyc_data_source *s, const lyc_data_batch *b, size_t count, int64_t epoch)
{
    for (int64_t i = 0; i < b->n; i++) {
        lyc_latent_noise(s->noise + (size_t)i * count, count, s->data->options.seed,
                         s->data->images[b->images_index[i]].name, b->flipped[i], (uint32_t)epoch);
    }
}

static lyc_status next(const lyc_trainer_batch **out, void *context, bool validation, lyc_error *err)
{
    lyc_data_source *s = context;
    const lyc_data_batch *b;
    *out = NULL;
    LYC_TRY(lyc_loader_next(&b, s->loaders[validation], err));
    if (b == NULL) {
        return LYC_OK;
    }
    const int64_t h = b->height / s->model->factor, w = b->width / s->model->factor;
    const float *latents = b->latents;
    if (latents == NULL) {
        const size_t count = (size_t)(h * w * s->model->channels);
        LYC_TRY(reserve(s, (size_t)b->n * count, err));
        draw_noise(s, b, count, s->epochs[validation]);
        LYC_TRY(encode(s, s->latents, b->images, s->noise, b->n, b->height, b->width, err));
        latents = s->latents;
    }
    s->batch = (lyc_trainer_batch){.n = b->n,
                                   .h = h,
                                   .w = w,
                                   .latents = latents,
                                   .captions = b->captions,
                                   .mask = b->masks,
                                   .weights = b->weights,
                                   .sizes = s->model->networks.is_xl ? b->sizes : NULL,
                                   .preserve = validation ? NULL : b->preserve,
                                   .network_multiplier = b->network_multiplier};
    *out = &s->batch;
    return LYC_OK;
}

/* --- the source ----------------------------------------------------------------------------------------------------
 */

lyc_data_model lyc_data_source_model(const lyc_train_model *model)
{
    const lyc_unet_config *unet = lyc_component_unet(model->networks.unet);
    return (lyc_data_model){.size_multiple = model->factor << (unet->level_count - 1), .factor = model->factor};
}

int64_t lyc_data_source_epoch_steps(const lyc_data *data, int64_t gradient_accumulation_steps)
{
    const int64_t batches = (int64_t)lyc_epoch_batches(data, false);
    return (batches + gradient_accumulation_steps - 1) / gradient_accumulation_steps;
}

static lyc_status prepare(lyc_data_source *s, const lyc_task *task, lyc_error *err)
{
    const bool caches = s->data->options.cache_latents || s->data->options.cache_latents_to_disk;
    if (caches) {
        identify(s);
        LYC_TRY(lyc_latent_cache_new(&s->cache, s->data, &s->encoder, task, err));
        LYC_TRY(lyc_train_model_rest(s->model, err));
    }
    for (int i = 0; i < 2; i++) {
        LYC_TRY(lyc_loader_new(&s->loaders[i], s->data, s->cache, i == 1, err));
    }
    return LYC_OK;
}

lyc_status lyc_data_source_new(lyc_data_source **out, const lyc_data *data, lyc_train_model *model,
                               const lyc_data_source_options *options, const lyc_task *task, lyc_error *err)
{
    lyc_data_source *s = lyc_alloc_zero(1, sizeof *s);
    if (s == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a data set");
    }
    *s = (lyc_data_source){.data = data, .model = model, .options = *options};
    s->encoder =
        (lyc_latent_encoder){.encode = encode, .context = s, .channels = model->channels, .identity = s->identity};
    s->total_steps =
        options->max_train_epochs > 0
            ? options->max_train_epochs * lyc_data_source_epoch_steps(data, options->gradient_accumulation_steps)
            : options->max_train_steps;
    const lyc_status status = prepare(s, task, err);
    if (status != LYC_OK) {
        lyc_data_source_free(s);
        return status;
    }
    *out = s;
    return LYC_OK;
}

void lyc_data_source_free(lyc_data_source *source)
{
    if (source != NULL) {
        lyc_loader_free(source->loaders[0]);
        lyc_loader_free(source->loaders[1]);
        lyc_latent_cache_free(source->cache);
        lyc_free(source->latents);
        lyc_free(source->noise);
        lyc_free(source->moments);
        lyc_free(source);
    }
}

lyc_batch_source lyc_data_source_batches(lyc_data_source *source)
{
    return (lyc_batch_source){.count = count_batches,
                              .begin = begin,
                              .next = next,
                              .context = source,
                              .fingerprint = source->data->fingerprint};
}

size_t lyc_data_source_encoded(const lyc_data_source *source)
{
    return source->cache != NULL ? lyc_latent_cache_encoded(source->cache) : 0;
}
