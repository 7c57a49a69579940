/* vae_runner.h - a VAE in use: whole pictures, or tiles of them above a limit of memory
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VAE_RUNNER_H
#define LYC_MODEL_VAE_RUNNER_H

#include "model/runner.h"
#include "model/vae.h"

typedef struct lyc_vae_runner lyc_vae_runner;

typedef struct lyc_vae_tile_options {
    int tile;           /* side of a tile in latent pixels; 0: 64 */
    int overlap;        /* 0: 16, or a quarter of a smaller tile */
    size_t limit_bytes; /* of activations: a picture that needs more goes by tiles. 0: always whole */
} lyc_vae_tile_options;

/* tiles may be NULL: always whole. */
lyc_status lyc_vae_runner_new(lyc_vae_runner **out, const lyc_component *vae, const lyc_runner_options *options,
                              const lyc_vae_tile_options *tiles, lyc_error *err);
void lyc_vae_runner_free(lyc_vae_runner *runner);

/* images [n,h,w,3] in [-1,1], h and w multiples of lyc_vae_factor -> moments [n,h/f,w/f,2 latent_channels]: mean, then
 * log-variance as it comes (lyc_vae_latents). One picture after the other. */
lyc_status lyc_vae_runner_encode(float *moments, lyc_vae_runner *runner, const float *images, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err);

/* latents [n,h,w,latent_channels] as the U-Net has them -> images [n,h f,w f,3], not clamped. */
lyc_status lyc_vae_runner_decode(float *images, lyc_vae_runner *runner, const float *latents, int64_t n, int64_t h,
                                 int64_t w, lyc_error *err);

/* Bytes of activations that a whole picture of h x w latent pixels needs, about: the widest ResBlock of the largest
 * level. */
size_t lyc_vae_activation_bytes(const lyc_vae_config *config, int64_t h, int64_t w, lyc_precision precision);

/* Bytes of packed weights and of the arena. */
size_t lyc_vae_runner_bytes(const lyc_vae_runner *runner);

/* Latents as the U-Net takes them, (mean + std noise - shift) scaling, with std = exp(logvar / 2), logvar clamped to
 * [-30,20]. pixels of moments [pixels,2 c]; noise [pixels,c], or NULL for the mean. */
void lyc_vae_latents(float *latents, const float *moments, const float *noise, int64_t pixels,
                     const lyc_vae_config *config);

#endif
