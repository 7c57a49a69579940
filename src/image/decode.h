/* decode.h - reading pictures of any format, from strangers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_DECODE_H
#define LYC_IMAGE_DECODE_H

#include <stdbool.h>

#include "base/string.h"
#include "image/image.h"

typedef struct lyc_image_read_options {
    bool grey;                   /* one channel of luminance (masks); else RGB */
    unsigned char background[3]; /* behind transparent pixels; set to 255 by LYC_IMAGE_READ_DEFAULT */
    bool hidden_colours;         /* what transparent pixels would look like instead of the background */
    bool as_stored;              /* not turned upright */
} lyc_image_read_options;

#define LYC_IMAGE_READ_DEFAULT ((lyc_image_read_options){.background = {255, 255, 255}})

/* Turned upright, in sRGB, without transparency; of an animation the first picture. options may be NULL.
 * LYC_E_IO: cannot be read; LYC_E_FORMAT: no picture, or a damaged one; LYC_E_SHAPE: too large, found before decoding.
 */
lyc_status lyc_image_read(lyc_image *out, const char *path, const lyc_image_read_options *options, lyc_error *err);

/* The opacity of each pixel as a grey picture, all 255 where there is no transparency; of the options as_stored
 * counts. */
lyc_status lyc_image_read_alpha(lyc_image *out, const char *path, const lyc_image_read_options *options,
                                lyc_error *err);

/* What the header says, without decoding. */
typedef struct lyc_image_facts {
    int width, height; /* as stored */
    bool turned;       /* they change places when the picture is turned upright */
    bool has_alpha;
} lyc_image_facts;
lyc_status lyc_image_look(lyc_image_facts *out, const char *path, lyc_error *err);

/* Appends the text of generation parameters (A1111) that a PNG, JPEG or WebP carries; *found tells whether there is
 * one. The text is UTF-8, otherwise as it is in the file. */
lyc_status lyc_image_read_parameters(lyc_strbuf *text, bool *found, const char *path, lyc_error *err);

#endif
