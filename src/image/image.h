/* image.h - pictures in memory: 8 bits a channel, and as numbers of a network
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_IMAGE_H
#define LYC_IMAGE_IMAGE_H

#include <stddef.h>

#include "base/error.h"

enum {
    LYC_IMAGE_MAX_SIDE = 20000,
    LYC_IMAGE_MAX_PIXELS = 256 * 1000 * 1000,
};

/* Rows from the top, channels interleaved, no padding. */
typedef struct lyc_image {
    int width;
    int height;
    int channels; /* 1 (grey) or 3 (RGB, in sRGB) */
    unsigned char *data;
} lyc_image;

/* Black. LYC_E_SHAPE for sizes that no picture may have (channels other than 1 and 3 are a bug of the caller). */
lyc_status lyc_image_init(lyc_image *image, int width, int height, int channels, lyc_error *err);

/* Accepts {0}. */
void lyc_image_clear(lyc_image *image);

/* [h,w,channels] in [-1,1]: (v / 255 - 0.5) / 0.5. */
void lyc_image_to_signed(float *out, const lyc_image *image);

/* The reverse: clamp(x / 2 + 0.5, 0, 1) * 255, half to even. x [h,w,channels] of the image's size; NaN becomes 0. */
void lyc_image_from_signed(lyc_image *image, const float *x);

/* [h,w,channels] in [0,1]. */
void lyc_image_to_unit(float *out, const lyc_image *image);

#endif
