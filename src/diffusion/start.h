/* start.h - what a run of one image starts from: noise, a picture, a mask
 *
 * Other programs draw in this order from the image's generator, and so does this: the sample of the picture's latents,
 * the noise, the sample of the masked picture's latents.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DIFFUSION_START_H
#define LYC_DIFFUSION_START_H

#include "diffusion/image_noise.h"
#include "diffusion/pipeline.h"

/* What all images of a request share. */
typedef struct lyc_start_pictures {
    float *moments;        /* of the picture, [h,w,2c]; NULL: none */
    float *masked_moments; /* of the picture without what the mask changes; NULL: not an inpainting model */
    float *mask;           /* [h,w,c], 1 where the picture changes; NULL: no mask */
} lyc_start_pictures;

lyc_status lyc_start_pictures_init(lyc_start_pictures *pictures, lyc_pipeline *pipeline,
                                   const lyc_generation *generation, lyc_error *err);
void lyc_start_pictures_clear(lyc_start_pictures *pictures);

/* What one image has; noise of the sampler goes on with `noise`, or with `sampler_noise` where a seed of its own is
 * wanted. Stays where it is while a sampler draws from it. */
typedef struct lyc_start {
    lyc_image_noise noise;
    lyc_image_noise sampler_noise;
    lyc_image_noise *drawn_from; /* by the sampler */
    float *latents;              /* of the picture; NULL: none */
    float *initial;              /* noise */
    float *extra;                /* [h,w,1 + c]: mask and masked picture; NULL: none */
} lyc_start;

lyc_status lyc_start_init(lyc_start *start, const lyc_pipeline *pipeline, const lyc_generation *generation,
                          const lyc_start_pictures *pictures, int image, lyc_error *err);
void lyc_start_clear(lyc_start *start);

#endif
