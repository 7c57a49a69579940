/* data_internal.h - how a data set comes together
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_DATA_DATA_INTERNAL_H
#define LYC_DATA_DATA_INTERNAL_H

#include "data/data.h"

/* What is wrong with files, to be said at once. {0} is empty. */
typedef struct lyc_data_problems {
    lyc_strbuf text; /* of the first ones */
    size_t count;
    lyc_status status; /* of the first */
} lyc_data_problems;

void lyc_data_problem(lyc_data_problems *problems, lyc_status status, const char *format, ...) LYC_PRINTF(3, 4);

/* LYC_OK when there are none; else their error. Clears them. */
lyc_status lyc_data_problems_end(lyc_data_problems *problems, lyc_error *err);

/* A source of images that is being read. */
typedef struct lyc_data_reading {
    lyc_data *data;
    lyc_data_problems problems;
    lyc_strbuf uncaptioned; /* names of the first images without caption */
    size_t uncaptioned_count;
} lyc_data_reading;

/* Adds to the lists of the data; the new one is the last. Pointers into the lists end with the next call. */
lyc_status lyc_data_add_dataset(lyc_data *data, const lyc_dataset_options *options, lyc_error *err);
lyc_status lyc_data_add_subset(lyc_data *data, const lyc_subset_options *options, const char *name, const char *folder,
                               int64_t repeats, lyc_error *err);
/* Adds an image to the last subset, with the lines of its caption. */
lyc_status lyc_data_add_image(lyc_data *data, const char *path, const char *file, const lyc_span *lines,
                              size_t line_count, lyc_error *err);
lyc_status lyc_data_warn(lyc_data *data, lyc_error *err, const char *format, ...) LYC_PRINTF(3, 4);

/* The lines of a caption in the arena: the first one, or with wildcards all that are not empty; stripped. At least one,
 * which may be empty. */
lyc_status lyc_data_lines(lyc_span **lines, size_t *count, lyc_data *data, lyc_span text, bool all, lyc_error *err);

/* Whether a file is taken for a picture, by its ending. */
bool lyc_data_is_picture(const char *name);

/* dreambooth.c: all subsets of a folder of folders; the images of one folder. */
lyc_status lyc_dreambooth_read(lyc_data_reading *reading, const char *folder, bool is_reg, lyc_error *err);
lyc_status lyc_image_folder_read(lyc_data_reading *reading, const lyc_subset_options *options, const char *name,
                                 const char *folder, int64_t repeats, lyc_error *err);

/* metadata_file.c: the images of a JSON or JSON lines file. */
lyc_status lyc_metadata_file_read(lyc_data_reading *reading, const lyc_subset_options *options, lyc_error *err);

/* dataset_file.c: data sets and subsets of a TOML or JSON file. */
lyc_status lyc_dataset_file_read(lyc_data_reading *reading, const char *path, lyc_error *err);

/* picture_check.c: sizes, transparency, contents and masks of all images; drops the bad ones where that is wanted. */
lyc_status lyc_data_check_pictures(lyc_data_reading *reading, const lyc_task *task, lyc_error *err);

/* arrange.c: which images are measured, how often regularisation images are used, and in which bucket each is. */
lyc_status lyc_data_arrange(lyc_data *data, lyc_error *err);
uint64_t lyc_data_fingerprint_make(const lyc_data *data);

#endif
