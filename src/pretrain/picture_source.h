/* picture_source.h - pictures with captions for trainings that take pixels: a batch for each step, and those that are
 * not trained
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_PICTURE_SOURCE_H
#define LYC_PRETRAIN_PICTURE_SOURCE_H

#include "data/loader.h"

typedef struct lyc_picture_source lyc_picture_source;

typedef struct lyc_picture_source_options {
    const char *image_dir;
    int64_t resolution, batch_size;
    double validation_split;
    uint64_t seed;
} lyc_picture_source_options;

/* task may be NULL. */
lyc_status lyc_picture_source_open(lyc_picture_source **out, const lyc_picture_source_options *options,
                                   const lyc_task *task, lyc_error *err);
void lyc_picture_source_close(lyc_picture_source *source);

const lyc_data *lyc_picture_source_data(const lyc_picture_source *source);

/* The batch of a step (from 0), whichever was asked for before; valid until the next call of either function. */
lyc_status lyc_picture_source_batch(const lyc_data_batch **out, lyc_picture_source *source, int64_t step,
                                    lyc_error *err);

/* Batches of pictures that are not trained, from 0; NULL past the last. */
lyc_status lyc_picture_source_validation(const lyc_data_batch **out, lyc_picture_source *source, size_t index,
                                         lyc_error *err);

#endif
