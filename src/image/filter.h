/* filter.h - other sizes of a picture by the rules of Pillow, OpenCV and torch
 *
 * For what was trained or measured with these libraries: the pixels are theirs, up to a level where they work with
 * fixed point. Each axis on its own, columns first; Pillow rounds to 8 bits between the two.
 *
 *     pillow    filters widened when shrinking, cut and renormalised at borders; bicubic with a = -0.5
 *     opencv    filters of a fixed width, borders repeated; bicubic with a = -0.75; area averages when shrinking
 *     torch     interpolate: opencv's bilinear, bicubic and nearest; with antialias pillow's on floats
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_FILTER_H
#define LYC_IMAGE_FILTER_H

#include <stdint.h>

#include "image/image.h"

typedef enum lyc_filter {
    LYC_FILTER_PILLOW_NEAREST,
    LYC_FILTER_PILLOW_BOX,
    LYC_FILTER_PILLOW_BILINEAR,
    LYC_FILTER_PILLOW_BICUBIC,
    LYC_FILTER_PILLOW_LANCZOS,
    LYC_FILTER_OPENCV_NEAREST,
    LYC_FILTER_OPENCV_LINEAR,
    LYC_FILTER_OPENCV_CUBIC,
    LYC_FILTER_OPENCV_LANCZOS4,
    LYC_FILTER_OPENCV_AREA,
    LYC_FILTER_COUNT
} lyc_filter;

/* in [height,width,channels] -> out [out_height,out_width,channels]. LYC_E_MEMORY. */
lyc_status lyc_filter_floats(float *out, int out_width, int out_height, const float *in, int width, int height,
                             int channels, lyc_filter filter, lyc_error *err);

/* An image of 8 bits, rounded as the library does. */
lyc_status lyc_filter_image(lyc_image *out, int width, int height, const lyc_image *in, lyc_filter filter,
                            lyc_error *err);

#endif
