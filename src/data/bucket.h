/* bucket.h - sizes at which pictures are trained: made from a resolution, chosen by proportions
 *
 * As sd-scripts' BucketManager (library/train_util.py). Sizes are in pixels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_BUCKET_H
#define LYC_DATA_BUCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct lyc_bucket_size {
    int width, height;
} lyc_bucket_size;

typedef struct lyc_bucket_options {
    lyc_bucket_size resolution; /* whose area is the largest */
    int min, max, step;
    bool enabled;    /* false: the resolution alone */
    bool no_upscale; /* buckets follow from the pictures */
} lyc_bucket_options;

enum { LYC_BUCKET_MAX = 1024 };

/* The sizes, ascending; none with no_upscale. LYC_E_ARGUMENT: min, max, step do not go with the resolution. */
typedef struct lyc_bucket_list {
    lyc_bucket_options options;
    lyc_bucket_size sizes[LYC_BUCKET_MAX];
    size_t count;
} lyc_bucket_list;

lyc_status lyc_bucket_list_init(lyc_bucket_list *out, const lyc_bucket_options *options, lyc_error *err);

typedef struct lyc_bucket_choice {
    lyc_bucket_size bucket;
    lyc_bucket_size resized; /* covers the bucket; what is over is cut */
    double ratio_error;      /* of the bucket's proportions less the picture's */
} lyc_bucket_choice;

/* LYC_E_ARGUMENT: the picture is thinner than a step. */
lyc_status lyc_bucket_choose(lyc_bucket_choice *out, const lyc_bucket_list *list, int width, int height,
                             lyc_error *err);

/* What SDXL is told of the crop: left, top, right, bottom of the picture in the bucket, 0 and below; of the flipped
 * picture left and right change places around the width. */
void lyc_bucket_crop(double out[4], const lyc_bucket_choice *choice, int width, int height);

#endif
