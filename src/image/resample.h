/* resample.h - other sizes of a picture
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_RESAMPLE_H
#define LYC_IMAGE_RESAMPLE_H

#include "image/image.h"

typedef enum lyc_resample_kernel {
    LYC_RESAMPLE_NEAREST,
    LYC_RESAMPLE_LANCZOS /* Lanczos of 3 lobes, widened when shrinking */
} lyc_resample_kernel;

/* To exactly width x height, stretched where the proportions differ. */
lyc_status lyc_image_resize(lyc_image *out, const lyc_image *in, int width, int height, lyc_resample_kernel kernel,
                            lyc_error *err);

/* Resized (Lanczos) to cover width x height and cut to it in the middle: what a picture of other proportions becomes as
 * the start of another one. */
lyc_status lyc_image_cover(lyc_image *out, const lyc_image *in, int width, int height, lyc_error *err);

/* A grey image as [height,width] numbers in [0,1], each the average of the pixels that it covers, by area. */
lyc_status lyc_mask_average(float *out, int width, int height, const lyc_image *mask, lyc_error *err);

#endif
