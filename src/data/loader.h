/* loader.h - the batches of an epoch, one after the other
 *
 * Pictures of a batch are read side by side. A batch depends on its epoch and number alone: neither threads nor where a
 * run began change it. With cached latents little is left to do; without, reading a batch takes a few hundredths of the
 * step that follows, so nothing is read ahead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_LOADER_H
#define LYC_DATA_LOADER_H

#include "data/epoch.h"
#include "data/latent_cache.h"

typedef struct lyc_data_batch {
    int64_t n, width, height;   /* pixels of the bucket */
    float *images;              /* [n,height,width,3] in [-1,1]; NULL when latents are cached */
    float *latents;             /* [n,h,w,c] as the U-Net takes them; NULL otherwise */
    const char **captions;      /* [n] */
    float *masks;               /* [n,h,w]; NULL when no subset of the data has masks */
    float *weights;             /* [n] 1, or prior_loss_weight */
    float *sizes;               /* [n,6], as lyc_sample_sizes */
    bool *preserve;             /* [n] differential output preservation; NULL when no subset asks for it */
    const size_t *images_index; /* [n] of data->images */
    const bool *flipped;        /* [n] */
    double network_multiplier;
} lyc_data_batch;

typedef struct lyc_loader lyc_loader;

/* cache: NULL: pictures come as pixels. Borrows both. */
lyc_status lyc_loader_new(lyc_loader **out, const lyc_data *data, const lyc_latent_cache *cache, bool validation,
                          lyc_error *err);
void lyc_loader_free(lyc_loader *loader);

/* Goes to batch `first` of an epoch. step: optimiser steps that were made before it, of total_steps; steps_per_batch:
 * how many a batch makes (1 / gradient_accumulation_steps), for captions that warm up. */
lyc_status lyc_loader_begin(lyc_loader *loader, int64_t epoch, size_t first, int64_t step, double steps_per_batch,
                            int64_t total_steps, lyc_error *err);

/* The next batch, valid until the next call; NULL past the last. */
lyc_status lyc_loader_next(const lyc_data_batch **out, lyc_loader *loader, lyc_error *err);

#endif
