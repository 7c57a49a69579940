/* loader.c - the batches of an epoch
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/loader.h"

#include <string.h>

#include "base/memory.h"
#include "base/thread.h"

struct lyc_loader {
    const lyc_data *data;
    const lyc_latent_cache *cache;
    bool validation, has_masks, preserves;
    lyc_epoch epoch;
    size_t next, began;
    int64_t step, total_steps;
    double steps_per_batch;
    int channels;

    lyc_data_batch batch;
    size_t *indices;
    bool *flipped;
    lyc_strbuf *texts; /* [capacity] */
    lyc_error *errors;
    size_t capacity;
    size_t image_capacity, latent_capacity, mask_capacity; /* floats */
};

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a batch of pictures");
}

/* --- memory --------------------------------------------------------------------------------------------------------
 */

static void release_rows(lyc_loader *l)
{
    for (size_t i = 0; i < l->capacity; i++) {
        lyc_strbuf_clear(&l->texts[i]);
    }
    lyc_free(l->texts);
    lyc_free((void *)l->batch.captions);
    lyc_free(l->batch.weights);
    lyc_free(l->batch.sizes);
    lyc_free(l->batch.preserve);
    lyc_free(l->indices);
    lyc_free(l->flipped);
    lyc_free(l->errors);
    l->capacity = 0;
}

/* Rows for the largest batch of the data. */
static lyc_status reserve_rows(lyc_loader *l, lyc_error *err)
{
    size_t n = 1;
    for (size_t i = 0; i < l->data->dataset_count; i++) {
        const size_t size = (size_t)l->data->datasets[i].options.batch_size;
        n = size > n ? size : n;
    }
    l->texts = lyc_alloc_zero(n, sizeof *l->texts);
    l->batch.captions = lyc_alloc_zero(n, sizeof *l->batch.captions);
    l->batch.weights = lyc_alloc_zero(n, sizeof *l->batch.weights);
    l->batch.sizes = lyc_alloc_zero(n, 6 * sizeof *l->batch.sizes);
    l->batch.preserve = l->preserves ? lyc_alloc_zero(n, sizeof *l->batch.preserve) : NULL;
    l->indices = lyc_alloc_zero(n, sizeof *l->indices);
    l->flipped = lyc_alloc_zero(n, sizeof *l->flipped);
    l->errors = lyc_alloc_zero(n, sizeof *l->errors);
    l->capacity = l->texts != NULL ? n : 0;
    const bool complete = l->texts != NULL && l->batch.captions != NULL && l->batch.weights != NULL &&
                          l->batch.sizes != NULL && l->indices != NULL && l->flipped != NULL && l->errors != NULL &&
                          (!l->preserves || l->batch.preserve != NULL);
    return complete ? LYC_OK : no_memory(err);
}

static lyc_status reserve(float **memory, size_t *capacity, size_t count, lyc_error *err)
{
    if (count <= *capacity) {
        return LYC_OK;
    }
    lyc_free(*memory);
    *memory = lyc_alloc_zero(count, sizeof **memory);
    *capacity = *memory != NULL ? count : 0;
    return *memory != NULL ? LYC_OK : no_memory(err);
}

static lyc_status reserve_batch(lyc_loader *l, size_t n, size_t pixels, lyc_error *err)
{
    const size_t factor = (size_t)l->data->model.factor, places = pixels / (factor * factor);
    if (l->cache == NULL) {
        LYC_TRY(reserve(&l->batch.images, &l->image_capacity, n * pixels * 3, err));
    } else {
        LYC_TRY(reserve(&l->batch.latents, &l->latent_capacity, n * places * (size_t)l->channels, err));
    }
    return l->has_masks ? reserve(&l->batch.masks, &l->mask_capacity, n * places, err) : LYC_OK;
}

/* --- one batch -----------------------------------------------------------------------------------------------------
 */

static void finish_caption(lyc_loader *l, size_t row, size_t place)
{
    const lyc_data_image *image = &l->data->images[l->indices[row]];
    lyc_caption_options options = l->data->subsets[image->subset].options.caption;
    /* a stream of its own for each place in an epoch: the golden ratio spreads neighbouring seeds */
    const lyc_caption_moment moment = {
        .random = {.seed = l->data->options.seed ^ ((uint64_t)(place + 1) * UINT64_C(0x9E3779B97F4A7C15)),
                   .purpose = LYC_RANDOM_CAPTION,
                   .step = (uint32_t)l->epoch.number},
        .epoch = l->epoch.number,
        .step = l->step + (int64_t)((double)(l->next - l->began) * l->steps_per_batch),
        .total_steps = l->total_steps,
    };
    if (l->validation) { /* what is measured is the same each time */
        options.shuffle_caption = false;
        options.caption_dropout_rate = 0.0;
        options.caption_dropout_every_n_epochs = 0;
        options.caption_tag_dropout_rate = 0.0;
        options.token_warmup_step = 0.0;
    }
    l->texts[row].length = 0;
    lyc_strbuf_append(&l->texts[row], ""); /* not NULL, and cut to nothing */
    lyc_caption_finish(&l->texts[row], image->lines, image->line_count, &options, &moment);
    l->batch.captions[row] = lyc_strbuf_text(&l->texts[row]);
}

static lyc_status read_row(lyc_loader *l, size_t row, size_t place, lyc_error *err)
{
    const lyc_data *data = l->data;
    const size_t index = l->indices[row];
    const lyc_data_image *image = &data->images[index];
    const lyc_sample_form form = lyc_sample_draw(data, image, l->epoch.number, place);
    const size_t pixels = (size_t)l->batch.width * (size_t)l->batch.height;
    const size_t factor = (size_t)data->model.factor, places = pixels / (factor * factor);
    l->flipped[row] = form.flipped;
    lyc_sample_sizes(l->batch.sizes + 6 * row, image, &form);
    finish_caption(l, row, place);
    if (l->texts[row].failed) {
        return no_memory(err);
    }
    if (l->has_masks) {
        LYC_TRY(lyc_sample_read_mask(l->batch.masks + row * places, data, image, &form, err));
    }
    if (l->cache != NULL) {
        return lyc_latent_cache_read(l->batch.latents + row * places * (size_t)l->channels, l->cache, index,
                                     form.flipped, err);
    }
    return lyc_sample_read(l->batch.images + row * pixels * 3, data, image, &form, err);
}

static void read_rows(void *context, int64_t first, int64_t last, int thread)
{
    lyc_loader *l = context;
    const size_t place = l->epoch.batches[l->next].first;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        l->errors[i] = (lyc_error){0};
        read_row(l, (size_t)i, place + (size_t)i, &l->errors[i]);
    }
}

static lyc_status fill(lyc_loader *l, const lyc_epoch_batch *of, lyc_error *err)
{
    const lyc_data *data = l->data;
    const lyc_bucket_size size = data->images[l->epoch.entries[of->first]].choice.bucket;
    l->batch.n = (int64_t)of->count;
    l->batch.width = size.width;
    l->batch.height = size.height;
    l->batch.network_multiplier = data->datasets[of->dataset].options.network_multiplier;
    LYC_TRY(reserve_batch(l, of->count, (size_t)size.width * (size_t)size.height, err));
    for (size_t i = 0; i < of->count; i++) {
        l->indices[i] = l->epoch.entries[of->first + i];
        const lyc_subset_options *o = &data->subsets[data->images[l->indices[i]].subset].options;
        l->batch.weights[i] = o->is_reg ? (float)data->options.prior_loss_weight : 1.0f;
        if (l->preserves) {
            l->batch.preserve[i] = o->diff_output_preservation;
        }
    }
    lyc_parallel_dynamic((int64_t)of->count, 1, read_rows, l);
    for (size_t i = 0; i < of->count; i++) {
        if (l->errors[i].status != LYC_OK) {
            return lyc_fail(err, l->errors[i].status, "%s", l->errors[i].message);
        }
    }
    return LYC_OK;
}

lyc_status lyc_loader_next(const lyc_data_batch **out, lyc_loader *loader, lyc_error *err)
{
    *out = NULL;
    if (loader->next >= loader->epoch.batch_count) {
        return LYC_OK;
    }
    LYC_TRY(fill(loader, &loader->epoch.batches[loader->next], err));
    loader->batch.images_index = loader->indices;
    loader->batch.flipped = loader->flipped;
    loader->next++;
    *out = &loader->batch;
    return LYC_OK;
}

/* --- the loader ----------------------------------------------------------------------------------------------------
 */

lyc_status lyc_loader_begin(lyc_loader *loader, int64_t epoch, size_t first, int64_t step, double steps_per_batch,
                            int64_t total_steps, lyc_error *err)
{
    const int64_t number = loader->validation ? 0 : epoch;
    loader->next = loader->began = first;
    loader->step = step;
    loader->steps_per_batch = steps_per_batch;
    loader->total_steps = total_steps;
    if (loader->epoch.entries != NULL && loader->epoch.number == number) {
        return LYC_OK;
    }
    lyc_epoch_clear(&loader->epoch);
    return lyc_epoch_init(&loader->epoch, loader->data, epoch, loader->validation, err);
}

lyc_status lyc_loader_new(lyc_loader **out, const lyc_data *data, const lyc_latent_cache *cache, bool validation,
                          lyc_error *err)
{
    lyc_loader *l = lyc_alloc_zero(1, sizeof *l);
    if (l == NULL) {
        return no_memory(err);
    }
    *l = (lyc_loader){.data = data, .cache = cache, .validation = validation};
    l->channels = cache != NULL ? lyc_latent_cache_channels(cache) : 0;
    for (size_t i = 0; i < data->subset_count; i++) {
        l->has_masks = l->has_masks || lyc_subset_has_masks(&data->subsets[i].options);
        l->preserves = l->preserves || data->subsets[i].options.diff_output_preservation;
    }
    const lyc_status status = reserve_rows(l, err);
    if (status != LYC_OK) {
        lyc_loader_free(l);
        return status;
    }
    *out = l;
    return LYC_OK;
}

void lyc_loader_free(lyc_loader *loader)
{
    if (loader != NULL) {
        release_rows(loader);
        lyc_free(loader->batch.images);
        lyc_free(loader->batch.latents);
        lyc_free(loader->batch.masks);
        lyc_epoch_clear(&loader->epoch);
        lyc_free(loader);
    }
}
