/* resample.c - other sizes of a picture, by libvips; masks by exact area
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/resample.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "image/vips.h"

lyc_status lyc_image_resize(lyc_image *out, const lyc_image *in, int width, int height, lyc_resample_kernel kernel,
                            lyc_error *err)
{
    *out = (lyc_image){0};
    LYC_TRY(lyc_vips_start(err));
    VipsImage *source = lyc_vips_borrow(in);
    VipsImage *resized = NULL;
    lyc_status status;
    if (source == NULL ||
        vips_resize(source, &resized, (double)width / in->width, "vscale", (double)height / in->height, "kernel",
                    kernel == LYC_RESAMPLE_NEAREST ? VIPS_KERNEL_NEAREST : VIPS_KERNEL_LANCZOS3, NULL) != 0) {
        status = lyc_vips_fail(err, LYC_E_MEMORY, "a picture cannot be resized");
    } else {
        status = lyc_vips_collect(out, resized, "a picture cannot be resized", err);
    }
    g_clear_object(&resized);
    g_clear_object(&source);
    if (status == LYC_OK && (out->width != width || out->height != height)) {
        lyc_image_clear(out);
        return lyc_fail(err, LYC_E_SHAPE, "a picture of %d x %d pixels cannot become one of %d x %d", in->width,
                        in->height, width, height);
    }
    return status;
}

lyc_status lyc_image_cover(lyc_image *out, const lyc_image *in, int width, int height, lyc_error *err)
{
    *out = (lyc_image){0};
    const double scale = fmax((double)width / in->width, (double)height / in->height);
    const int w = (int)fmax(width, round(in->width * scale));
    const int h = (int)fmax(height, round(in->height * scale));
    lyc_image whole;
    LYC_TRY(lyc_image_resize(&whole, in, w, h, LYC_RESAMPLE_LANCZOS, err));
    const lyc_status status = lyc_image_init(out, width, height, in->channels, err);
    if (status == LYC_OK) {
        const size_t row = (size_t)width * (size_t)in->channels;
        const size_t left = (size_t)((w - width) / 2) * (size_t)in->channels;
        const size_t top = (size_t)((h - height) / 2);
        for (size_t y = 0; y < (size_t)height; y++) {
            memcpy(out->data + y * row, whole.data + (top + y) * (size_t)w * (size_t)in->channels + left, row);
        }
    }
    lyc_image_clear(&whole);
    return status;
}

/* Weighted sum of n values with stride over [from, to), each value covering [i, i + 1). */
static double covered(const double *values, size_t stride, int n, double from, double to)
{
    double sum = 0;
    for (int i = (int)from; i < n && i < to; i++) {
        sum += values[(size_t)i * stride] * (fmin(to, i + 1.0) - fmax(from, i));
    }
    return sum / (to - from);
}

lyc_status lyc_mask_average(float *out, int width, int height, const lyc_image *mask, lyc_error *err)
{
    assert(mask->channels == 1);
    const int mw = mask->width;
    const int mh = mask->height;
    double *rows = lyc_alloc_zero((size_t)mh * (size_t)width, sizeof *rows); /* [mh,width] */
    double *line = lyc_alloc_zero((size_t)mw, sizeof *line);
    lyc_status status = LYC_OK;
    if (rows == NULL || line == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for a mask of %d x %d pixels", mw, mh);
        goto done;
    }
    for (int y = 0; y < mh; y++) {
        for (int x = 0; x < mw; x++) {
            line[x] = mask->data[(size_t)y * (size_t)mw + (size_t)x] / 255.0;
        }
        for (int x = 0; x < width; x++) {
            rows[(size_t)y * (size_t)width + (size_t)x] =
                covered(line, 1, mw, (double)x * mw / width, (double)(x + 1) * mw / width);
        }
    }
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            out[(size_t)y * (size_t)width + (size_t)x] =
                (float)covered(rows + x, (size_t)width, mh, (double)y * mh / height, (double)(y + 1) * mh / height);
        }
    }
done:
    lyc_free(rows);
    lyc_free(line);
    return status;
}
