/* latent_cache.h - pictures encoded once: in memory, or in files that the next run finds
 *
 * A file beside the picture (or in cache_dir) holds "latents" [h,w,c] f32 as the U-Net takes them, and with flip_aug
 * "latents_flipped", of the mirrored picture. Its metadata says what they were made from: contents of the picture, the
 * VAE, sizes, filter, seed. A file whose metadata differs, or that cannot be read, is made again. Noise of the encoder
 * depends on (seed, name of the picture, flip), not on the order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_LATENT_CACHE_H
#define LYC_DATA_LATENT_CACHE_H

#include "data/sample.h"

/* Whoever has a model. images [n,h,w,3] in [-1,1], noise [n,h/f,w/f,c] -> latents [n,h/f,w/f,c] as the U-Net takes
 * them. */
typedef struct lyc_latent_encoder {
    lyc_status (*encode)(void *context, float *latents, const float *images, const float *noise, int64_t n, int64_t h,
                         int64_t w, lyc_error *err);
    void *context;
    int channels;
    const char *identity; /* tells VAEs and their precisions apart */
} lyc_latent_encoder;

typedef struct lyc_latent_cache lyc_latent_cache;

/* Encodes what is missing, of training and validation images that are used. Progress counts pictures; a run that ends
 * early leaves the files that are done. data and encoder are borrowed. */
lyc_status lyc_latent_cache_new(lyc_latent_cache **out, const lyc_data *data, const lyc_latent_encoder *encoder,
                                const lyc_task *task, lyc_error *err);
void lyc_latent_cache_free(lyc_latent_cache *cache);

/* out [h,w,c] of an image of the data. */
lyc_status lyc_latent_cache_read(float *out, const lyc_latent_cache *cache, size_t image, bool flipped, lyc_error *err);

int lyc_latent_cache_channels(const lyc_latent_cache *cache);

/* Pictures that were encoded by lyc_latent_cache_new; the others were there. */
size_t lyc_latent_cache_encoded(const lyc_latent_cache *cache);

/* The encoder's noise [count] of an image, mirrored or not: what a run without cache uses as well. */
void lyc_latent_noise(float *noise, size_t count, uint64_t seed, const char *name, bool flipped, uint32_t step);

#endif
