/* vips.h - libvips, as the files of this room use it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_VIPS_H
#define LYC_IMAGE_VIPS_H

#include <vips/vips.h>

#include "image/image.h"

/* Starts the library; further calls cost a few instructions. Every public function of this room calls it first. */
lyc_status lyc_vips_start(lyc_error *err);

/* An error with what libvips says as one line, behind "text: ". */
lyc_status lyc_vips_fail(lyc_error *err, lyc_status status, const char *text);

/* The same picture for libvips, borrowed from the image until it is unreferenced; NULL: no memory. */
VipsImage *lyc_vips_borrow(const lyc_image *image);

/* Copies the pixels of a picture of 8 bits with 1 or 3 bands. Runs everything that libvips has put off until now. */
lyc_status lyc_vips_collect(lyc_image *out, VipsImage *in, const char *what, lyc_error *err);

#endif
