/* sample.h - one picture at the size of its bucket, as a network takes it
 *
 * Read, resized to cover the bucket, cut to it, with the augmentations of one use; its mask goes the same way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_SAMPLE_H
#define LYC_DATA_SAMPLE_H

#include "data/data.h"

/* What is done to a picture in one use. {0}: nothing, cut in the middle. */
typedef struct lyc_sample_form {
    bool flipped;
    bool placed; /* cut at left and top instead of the middle */
    int left, top;
    double hue;   /* shift in degrees of 360 */
    double gamma; /* 0: none */
} lyc_sample_form;

/* The form of a use whose random numbers are keyed by (seed, epoch, place in the epoch). */
lyc_sample_form lyc_sample_draw(const lyc_data *data, const lyc_data_image *image, int64_t epoch, size_t place);

/* out [height,width,3] of the bucket, in [-1,1]. Errors name the file. */
lyc_status lyc_sample_read(float *out, const lyc_data *data, const lyc_data_image *image, const lyc_sample_form *form,
                           lyc_error *err);

/* out [height/f,width/f]: averages of the mask over the pixels of each latent; ones without a mask. */
lyc_status lyc_sample_read_mask(float *out, const lyc_data *data, const lyc_data_image *image,
                                const lyc_sample_form *form, lyc_error *err);

/* Whether uses of a subset have masks. */
bool lyc_subset_has_masks(const lyc_subset_options *options);

/* What SDXL is told: height and width of the picture, top and left of the cut, height and width of the bucket. */
void lyc_sample_sizes(float out[6], const lyc_data_image *image, const lyc_sample_form *form);

#endif
