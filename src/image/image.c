/* image.c - pictures as numbers of a network
 *
 * diffusers computes (v/255 - 0.5)/0.5 and the reverse in f32, in this order; rounding at the end is half to even.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/image.h"

#include <assert.h>
#include <math.h>

#include "base/memory.h"
#include "base/size.h"

lyc_status lyc_image_init(lyc_image *image, int width, int height, int channels, lyc_error *err)
{
    assert(channels == 1 || channels == 3);
    *image = (lyc_image){0};
    size_t bytes;
    if (width < 1 || height < 1 || width > LYC_IMAGE_MAX_SIDE || height > LYC_IMAGE_MAX_SIDE ||
        !lyc_size_mul(&bytes, (size_t)width, (size_t)height) || bytes > LYC_IMAGE_MAX_PIXELS ||
        !lyc_size_mul(&bytes, bytes, (size_t)channels)) {
        return lyc_fail(err, LYC_E_SHAPE,
                        "a picture of %d x %d pixels; at most %d a side and %d million in all are read", width, height,
                        LYC_IMAGE_MAX_SIDE, LYC_IMAGE_MAX_PIXELS / 1000000);
    }
    unsigned char *data = lyc_alloc_zero(bytes, 1);
    if (data == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a picture of %d x %d pixels", width, height);
    }
    *image = (lyc_image){.width = width, .height = height, .channels = channels, .data = data};
    return LYC_OK;
}

void lyc_image_clear(lyc_image *image)
{
    lyc_free(image->data);
    *image = (lyc_image){0};
}

static size_t value_count(const lyc_image *image)
{
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

void lyc_image_to_unit(float *out, const lyc_image *image)
{
    const size_t n = value_count(image);
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)image->data[i] / 255.0f;
    }
}

void lyc_image_to_signed(float *out, const lyc_image *image)
{
    const size_t n = value_count(image);
    for (size_t i = 0; i < n; i++) {
        out[i] = ((float)image->data[i] / 255.0f - 0.5f) / 0.5f;
    }
}

void lyc_image_from_signed(lyc_image *image, const float *x)
{
    const size_t n = value_count(image);
    for (size_t i = 0; i < n; i++) {
        const float unit = fminf(fmaxf(x[i] / 2.0f + 0.5f, 0.0f), 1.0f); /* fmaxf(NaN, 0) is 0 */
        image->data[i] = (unsigned char)nearbyintf(unit * 255.0f);
    }
}
