/* image_noise.h - the noise of one image, from one of the generators in use
 *
 * A generator belongs to one image, so that an image is the same whatever is computed beside it. Numbers are drawn in
 * the order [c,h,w] of other programs and handed out as [h,w,c].
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_IMAGE_NOISE_H
#define LYC_DIFFUSION_IMAGE_NOISE_H

#include "base/error.h"
#include "lycoris/generate.h"
#include "tensor/random.h"

typedef struct lyc_image_noise {
    lyc_noise_kind kind;
    uint64_t seed;
    uint32_t draws; /* so far */
    lyc_torch_random torch;
    size_t channels;
    size_t pixels;
    float *scratch; /* [c,h,w] */
} lyc_image_noise;

lyc_status lyc_image_noise_init(lyc_image_noise *noise, lyc_noise_kind kind, uint64_t seed, size_t channels,
                                size_t pixels, lyc_error *err);
void lyc_image_noise_clear(lyc_image_noise *noise);

/* A lyc_noise_source: n = channels * pixels normal numbers, [h,w,c]. */
void lyc_image_noise_draw(void *self, float *out, size_t n);

/* a = slerp(a, b, strength), as A1111 mixes the noise of two seeds: along the great circle, of every channel and column
 * by itself; in a straight line where both are nearly parallel. [h,w,c]. */
void lyc_noise_mix(float *a, const float *b, size_t h, size_t w, size_t c, double strength);

#endif
