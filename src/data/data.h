/* data.h - pictures with captions, as a run uses them: data sets of subsets of images, their buckets, their epochs
 *
 *     lyc_data_open(&data, &options, &model, task, err);       reads lists, captions and headers; decodes nothing
 *     lyc_epoch_init(&epoch, data, 1, false, err);             data/epoch.h: which images make which batch
 *     lyc_loader_new(&loader, data, ...);                      data/loader.h: the batches themselves
 *
 * Sources: --train_data_dir and --reg_data_dir (folders named <repeats>_<class tokens>), --in_json (a list), or
 * --dataset_config (both, with options of their own). Rules are sd-scripts' (library/train_util.py, config_util.py).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_DATA_H
#define LYC_DATA_DATA_H

#include "base/arena.h"
#include "data/bucket.h"
#include "data/options.h"
#include "lycoris/task.h"
#include "tensor/sha256.h"

/* What must be known of the model. */
typedef struct lyc_data_model {
    int size_multiple; /* of pixels: what sides of a bucket must be multiples of (64; SDXL: 32) */
    int factor;        /* pixels of a latent pixel */
} lyc_data_model;

typedef struct lyc_data_image {
    const char *path;
    const char *name; /* "<subset>/<file>": stays the same when the data is moved */
    const lyc_span *lines;
    size_t line_count;     /* of the caption; at least one, which may be empty */
    const char *mask_path; /* NULL: none */
    size_t subset;
    int64_t uses;    /* in an epoch; 0: a regularisation image that is not needed */
    bool validation; /* measured, not trained */
    bool has_alpha;
    int width, height; /* upright, unless orientations are ignored */
    lyc_bucket_choice choice;
    char content[LYC_SHA256_HEX]; /* of the file; empty when it was not asked for */
} lyc_data_image;

typedef struct lyc_data_subset {
    lyc_subset_options options;
    const char *name;   /* of the folder, without those around it */
    const char *folder; /* of the images; "" when a list names them by whole paths */
    size_t dataset;
    size_t first, count; /* of data->images */
    int64_t repeats;
} lyc_data_subset;

typedef struct lyc_data_bucket {
    lyc_bucket_size size;
    int64_t count; /* uses in an epoch */
} lyc_data_bucket;

typedef struct lyc_dataset {
    lyc_dataset_options options;
    lyc_bucket_list sizes;
    lyc_data_bucket *buckets; /* those that have images, ascending */
    size_t bucket_count;
    double mean_ratio_error; /* over training images */
} lyc_dataset;

/* Members are to be read. */
typedef struct lyc_data {
    lyc_data_options options;
    lyc_data_model model;
    lyc_dataset *datasets;
    size_t dataset_count;
    lyc_data_subset *subsets;
    size_t subset_count;
    lyc_data_image *images;
    size_t image_count;
    int64_t training_images, training_uses; /* without regularisation */
    int64_t regularisation_images, regularisation_uses;
    int64_t validation_images;
    const char **warnings; /* whole sentences without a full stop */
    size_t warning_count;
    uint64_t fingerprint; /* of images, captions and what is done with them; not of where they lie */
    lyc_arena arena;
    size_t image_capacity, subset_capacity, dataset_capacity, warning_capacity;
} lyc_data;

/* Copies the options; their texts are borrowed. Finds all that is wrong with files before it says so, in one error:
 * LYC_E_ARGUMENT (options, no images), LYC_E_IO, LYC_E_FORMAT. task may be NULL. */
lyc_status lyc_data_open(lyc_data **out, const lyc_data_options *options, const lyc_data_model *model,
                         const lyc_task *task, lyc_error *err);
void lyc_data_close(lyc_data *data);

/* How often each tag stands in the captions of a subset, in lower case and in order of appearance; texts live as long
 * as the arena. What ss_tag_frequency holds. */
typedef struct lyc_tag_count {
    const char *tag;
    int64_t count;
} lyc_tag_count;
lyc_status lyc_data_tags(lyc_tag_count **out, size_t *count, lyc_arena *arena, const lyc_data *data, size_t subset,
                         lyc_error *err);

#endif
