/* encode.h - writing pictures with the parameters that made them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_ENCODE_H
#define LYC_IMAGE_ENCODE_H

#include <stdbool.h>

#include "image/image.h"

typedef enum lyc_image_format {
    LYC_IMAGE_PNG,
    LYC_IMAGE_JPEG,
    LYC_IMAGE_WEBP,
    LYC_IMAGE_FORMAT_COUNT
} lyc_image_format;

typedef struct lyc_image_write_options {
    lyc_image_format format;
    int quality;            /* JPEG, WebP: 1 to 100; 0: 95 */
    bool lossless;          /* WebP */
    const char *parameters; /* UTF-8, without NUL; NULL: no metadata at all */
    bool force;             /* replace a file that exists */
} lyc_image_write_options;

/* The format that a file's name ends in (.png .jpg .jpeg .webp); false for another ending. */
bool lyc_image_format_of(lyc_image_format *format, const char *path);

/* "png", "jpeg", "webp"; and the usual ending, ".jpg". */
const char *lyc_image_format_name(lyc_image_format format);
const char *lyc_image_format_ending(lyc_image_format format);

/* Appears whole or not at all. LYC_E_OUTPUT: the file cannot be written, or exists without force. */
lyc_status lyc_image_write(const char *path, const lyc_image *image, const lyc_image_write_options *options,
                           lyc_error *err);

#endif
