/* options.h - what a data set is made of, as sd-scripts names it
 *
 * Three tables: of the whole (command line alone), of a data set, and of a subset, a folder or a list of pictures. The
 * last two may also stand in a data set file, where a value is looked for in the subset, its data set, [general], and
 * then on the command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_OPTIONS_H
#define LYC_DATA_OPTIONS_H

#include "data/caption.h"
#include "lycoris/option.h"

/* How pictures are brought to the size of their bucket. */
typedef enum lyc_interpolation {
    LYC_INTERPOLATION_NONE, /* OpenCV's area when shrinking both sides, else Pillow's Lanczos */
    LYC_INTERPOLATION_LANCZOS,
    LYC_INTERPOLATION_NEAREST,
    LYC_INTERPOLATION_BILINEAR,
    LYC_INTERPOLATION_LINEAR,
    LYC_INTERPOLATION_BICUBIC,
    LYC_INTERPOLATION_CUBIC,
    LYC_INTERPOLATION_AREA,
    LYC_INTERPOLATION_BOX,
} lyc_interpolation;

typedef struct lyc_subset_options {
    lyc_caption_options caption;
    int64_t num_repeats; /* --dataset_repeats */
    const char *caption_extension;
    bool color_aug, flip_aug, random_crop;
    bool alpha_mask;                   /* transparency is the mask of the loss */
    const char *conditioning_data_dir; /* pictures of the same names that are masks of the loss */
    int resize_interpolation;          /* lyc_interpolation */

    /* in files alone */
    const char *image_dir;
    const char *metadata_file;
    const char *class_tokens;
    bool is_reg;
    bool cache_info;
    bool diff_output_preservation; /* of custom_attributes */
} lyc_subset_options;

typedef struct lyc_dataset_options {
    int64_t batch_size;     /* --train_batch_size */
    const char *resolution; /* "512" or "512,768": width, height */
    bool enable_bucket;
    int64_t min_bucket_reso, max_bucket_reso, bucket_reso_steps;
    bool bucket_no_upscale;
    double network_multiplier;
    double validation_split;
    int64_t validation_seed; /* -1: the run's */
} lyc_dataset_options;

typedef struct lyc_data_options {
    const char *image_dir, *train_data_dir, *reg_data_dir, *in_json, *dataset_config;
    lyc_dataset_options dataset;
    lyc_subset_options subset;
    double prior_loss_weight;
    bool cache_latents, cache_latents_to_disk, skip_cache_check;
    int64_t vae_batch_size;
    const char *cache_dir; /* of latents; NULL: beside the pictures */
    bool skip_bad_images;
    bool ignore_orientation;
    bool composite_alpha; /* transparent pixels on white; else their hidden colours, as sd-scripts */
    uint64_t seed;        /* of the run; no option of its own */
} lyc_data_options;

extern const lyc_option_choice lyc_interpolation_choices[];

/* Members of lyc_data_options but those of `dataset` and `subset`. The rows are in .def files, for tables of structs
 * that these are part of. */
extern const lyc_option lyc_data_option_table[];

/* Members of lyc_dataset_options and lyc_subset_options that a command line may set. */
extern const lyc_option lyc_dataset_option_table[];
extern const lyc_option lyc_subset_option_table[];

/* Members of lyc_subset_options that stand in files alone. */
extern const lyc_option lyc_subset_file_option_table[];

#endif
