/* data_folder.h - small data sets for tests
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TESTS_DATA_FOLDER_H
#define LYC_TESTS_DATA_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/data.h"
#include "image/encode.h"
#include "support/folder.h"

/* A picture whose left half has the colour `left` and whose right half is green; folders must exist. */
static inline void test_picture(const char *path, int width, int height, unsigned char left)
{
    lyc_image image;
    const lyc_image_write_options options = {.format = LYC_IMAGE_PNG, .force = true};
    assert_int_equal(lyc_image_init(&image, width, height, 3, NULL), LYC_OK);
    for (int i = 0; i < width * height; i++) {
        const bool is_left = i % width < width / 2;
        image.data[3 * i] = is_left ? left : 0;
        image.data[3 * i + 1] = is_left ? 0 : 255;
        image.data[3 * i + 2] = (unsigned char)(i / width % 256);
    }
    assert_int_equal(lyc_image_write(path, &image, &options, NULL), LYC_OK);
    lyc_image_clear(&image);
}

/* Options with all standard values, and a resolution of 64. */
static inline lyc_data_options test_data_options(void)
{
    lyc_data_options o = {0};
    assert_int_equal(lyc_option_reset(&o, lyc_data_option_table, NULL), LYC_OK);
    assert_int_equal(lyc_option_reset(&o.dataset, lyc_dataset_option_table, NULL), LYC_OK);
    assert_int_equal(lyc_option_reset(&o.subset, lyc_subset_option_table, NULL), LYC_OK);
    o.dataset.resolution = "64";
    o.dataset.min_bucket_reso = 16;
    o.dataset.max_bucket_reso = 128;
    o.dataset.bucket_reso_steps = 8;
    o.subset.caption_extension = ".txt";
    o.seed = 23;
    return o;
}

static const lyc_data_model test_data_model = {.size_multiple = 8, .factor = 8};

#endif
