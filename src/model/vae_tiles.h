/* vae_tiles.h - a picture by tiles that overlap, blended linearly
 *
 * Tiles lie on a grid in latent space, evenly, the outer ones flush with the borders, so all of them have one shape;
 * neighbours overlap by `overlap` latent pixels at least. Where tiles overlap, weights rise linearly from the inner
 * edge and are divided by their sum. Norms and the attention of the mid block see one tile instead of the picture, so
 * that a picture by tiles is close to the whole one, not equal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VAE_TILES_H
#define LYC_MODEL_VAE_TILES_H

#include <stdint.h>

#include "base/error.h"

typedef struct lyc_tiling {
    int64_t h, w;    /* of the latents */
    int64_t tile;    /* side of a tile in latent pixels; smaller where the latents are */
    int64_t overlap; /* less than tile */
    int in_scale;    /* pixels of the input, and of the output, for one latent pixel */
    int out_scale;
    int64_t in_channels;
    int64_t out_channels;
} lyc_tiling;

/* One tile of tile_h x tile_w latent pixels: in [tile_h in_scale,tile_w in_scale,in_channels] to out. */
typedef lyc_status (*lyc_tile_function)(float *out, const float *in, int64_t tile_h, int64_t tile_w, void *context,
                                        lyc_error *err);

/* in [h in_scale,w in_scale,in_channels] -> out [h out_scale,w out_scale,out_channels]. */
lyc_status lyc_tiles_run(float *out, const float *in, const lyc_tiling *tiling, lyc_tile_function function,
                         void *context, lyc_error *err);

/* Tiles along an axis of size latent pixels, and where the one of an index begins. */
int64_t lyc_tiles_count(int64_t size, int64_t tile, int64_t overlap);
int64_t lyc_tiles_start(int64_t size, int64_t tile, int64_t overlap, int64_t index);

#endif
