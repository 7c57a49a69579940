/* options.c - what a data set is made of
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/options.h"

#define UNLIMITED LYC_OPTION_UNLIMITED

const lyc_option_choice lyc_interpolation_choices[] = {
    {"none", "area when shrinking, else lanczos"},
    {"lanczos", "Lanczos of 3 lobes, antialiased (Pillow)"},
    {"nearest", "the nearest pixel"},
    {"bilinear", "linear, not antialiased (OpenCV)"},
    {"linear", "bilinear"},
    {"bicubic", "cubic with a = -0.75, not antialiased (OpenCV)"},
    {"cubic", "bicubic"},
    {"area", "averages of areas (OpenCV)"},
    {"box", "averages of pixels (Pillow)"},
    {NULL, NULL},
};

#define AT(member) offsetof(lyc_data_options, member)
const lyc_option lyc_data_option_table[] = {
#include "data/data_options.def"
    {0},
};
#undef AT

#define AT(member) offsetof(lyc_dataset_options, member)
const lyc_option lyc_dataset_option_table[] = {
#include "data/dataset_options.def"
    {0},
};
#undef AT

#define AT(member) offsetof(lyc_subset_options, member)
const lyc_option lyc_subset_option_table[] = {
#include "data/subset_options.def"
    {0},
};

const lyc_option lyc_subset_file_option_table[] = {
    {.name = "image_dir", .kind = LYC_OPTION_PATH, .offset = AT(image_dir), .help = "folder of the pictures"},
    {.name = "metadata_file",
     .kind = LYC_OPTION_PATH,
     .offset = AT(metadata_file),
     .help = "captions and tags of pictures in one file"},
    {.name = "class_tokens",
     .kind = LYC_OPTION_TEXT,
     .offset = AT(class_tokens),
     .help = "caption of pictures without a caption file"},
    {.name = "is_reg", .kind = LYC_OPTION_BOOL, .offset = AT(is_reg), .help = "regularisation pictures"},
    {.name = "cache_info",
     .kind = LYC_OPTION_BOOL,
     .offset = AT(cache_info),
     .help = "accepted; sizes are always read from the pictures"},
    {0},
};
