/* decode.c - reading pictures by libvips
 *
 * Nothing is decoded before the size in the header was looked at: a file of a few kilobytes can describe 2^31 x 2^31
 * pixels. The file is mapped, not opened by libvips, so that a file that shrinks is an error and no SIGBUS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/decode.h"

#include <string.h>

#include "base/file.h"
#include "image/exif.h"
#include "image/png_text.h"
#include "image/vips.h"

typedef struct picture {
    lyc_file_map *map;
    VipsImage *image; /* header read, nothing decoded */
} picture;

static void close_picture(picture *p)
{
    if (p->image != NULL) {
        g_object_unref(p->image);
    }
    lyc_file_map_close(p->map);
}

static lyc_status check_size(const VipsImage *image, lyc_error *err)
{
    const int64_t pixels = (int64_t)image->Xsize * image->Ysize; /* fits: both are int */
    if (image->Xsize < 1 || image->Ysize < 1 || image->Xsize > LYC_IMAGE_MAX_SIDE ||
        image->Ysize > LYC_IMAGE_MAX_SIDE || pixels > LYC_IMAGE_MAX_PIXELS) {
        return lyc_fail(err, LYC_E_SHAPE,
                        "a picture of %d x %d pixels; at most %d a side and %d million in all are read", image->Xsize,
                        image->Ysize, LYC_IMAGE_MAX_SIDE, LYC_IMAGE_MAX_PIXELS / 1000000);
    }
    return LYC_OK;
}

static lyc_status open_picture(picture *p, const char *path, lyc_error *err)
{
    *p = (picture){0};
    LYC_TRY(lyc_vips_start(err));
    LYC_TRY(lyc_file_map_open(&p->map, path, err));
    const size_t size = lyc_file_map_size(p->map);
    if (size == 0) {
        lyc_fail(err, LYC_E_FORMAT, "an empty file where a picture was expected");
        return lyc_wrap(err, "reading %s", path);
    }
    p->image = vips_image_new_from_buffer(lyc_file_map_data(p->map), size, "", "access", VIPS_ACCESS_RANDOM, NULL);
    lyc_status status = p->image != NULL
                            ? check_size(p->image, err)
                            : lyc_vips_fail(err, LYC_E_FORMAT, "not a picture that can be read (PNG, JPEG, WebP, ...)");
    return status == LYC_OK ? LYC_OK : lyc_wrap(err, "reading %s", path);
}

/* Replaces *image by what an operation made of it (by address: made is assigned while result is computed). */
static bool replace(VipsImage **image, int result, VipsImage *const *made)
{
    if (result != 0) {
        return false;
    }
    g_object_unref(*image);
    *image = *made;
    return true;
}

/* To sRGB; a colour profile that libvips cannot use is passed over, as viewers do. */
static bool to_srgb(VipsImage **image)
{
    VipsImage *made = NULL;
    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME) != 0 &&
        vips_icc_transform(*image, &made, "srgb", "embedded", TRUE, NULL) == 0) {
        return replace(image, 0, &made);
    }
    vips_error_clear();
    return replace(image, vips_colourspace(*image, &made, VIPS_INTERPRETATION_sRGB, NULL), &made);
}

static bool flatten(VipsImage **image, const unsigned char background[3])
{
    if (!vips_image_hasalpha(*image)) {
        return true;
    }
    VipsImage *made = NULL;
    const double colour[3] = {background[0], background[1], background[2]};
    VipsArrayDouble *array = vips_array_double_new(colour, 3);
    const int result = vips_flatten(*image, &made, "background", array, NULL);
    vips_area_unref(VIPS_AREA(array));
    return replace(image, result, &made);
}

static bool turn(VipsImage **image, const lyc_image_read_options *options)
{
    VipsImage *made = NULL;
    return options->as_stored || replace(image, vips_autorot(*image, &made, NULL), &made);
}

/* Upright, sRGB or grey, 8 bits, no alpha. */
static bool normalise(VipsImage **image, const lyc_image_read_options *options)
{
    VipsImage *made = NULL;
    if (!turn(image, options) || !to_srgb(image) ||
        (!options->hidden_colours && !flatten(image, options->background))) {
        return false;
    }
    if (options->grey && !replace(image, vips_colourspace(*image, &made, VIPS_INTERPRETATION_B_W, NULL), &made)) {
        return false;
    }
    return replace(image, vips_extract_band(*image, &made, 0, "n", options->grey ? 1 : 3, NULL), &made) &&
           replace(image, vips_cast_uchar(*image, &made, NULL), &made);
}

/* The opacity alone, 8 bits; the caller knows that there is one. */
static bool opacity(VipsImage **image, const lyc_image_read_options *options)
{
    VipsImage *made = NULL;
    return turn(image, options) && to_srgb(image) &&
           replace(image, vips_extract_band(*image, &made, (*image)->Bands - 1, NULL), &made) &&
           replace(image, vips_cast_uchar(*image, &made, NULL), &made);
}

static lyc_status collect(lyc_image *out, picture *p, bool made, const char *path, lyc_error *err)
{
    lyc_status status = made ? lyc_vips_collect(out, p->image, "a damaged picture", err)
                             : lyc_vips_fail(err, LYC_E_FORMAT, "a damaged picture");
    if (status == LYC_OK) {
        status = lyc_file_map_check(p->map, err);
    } else {
        lyc_wrap(err, "reading %s", path);
    }
    if (status != LYC_OK) {
        lyc_image_clear(out);
    }
    return status;
}

static const lyc_image_read_options standard = {.background = {255, 255, 255}};

lyc_status lyc_image_read(lyc_image *out, const char *path, const lyc_image_read_options *options, lyc_error *err)
{
    *out = (lyc_image){0};
    picture p;
    lyc_status status = open_picture(&p, path, err);
    if (status == LYC_OK) {
        status = collect(out, &p, normalise(&p.image, options != NULL ? options : &standard), path, err);
    }
    close_picture(&p);
    return status;
}

/* A picture without transparency: all of it is to be seen. */
static lyc_status opaque(lyc_image *out, const VipsImage *image, bool upright, lyc_error *err)
{
    const bool swapped = upright && vips_image_get_orientation_swap((VipsImage *)image);
    LYC_TRY(lyc_image_init(out, swapped ? image->Ysize : image->Xsize, swapped ? image->Xsize : image->Ysize, 1, err));
    memset(out->data, 255, (size_t)out->width * (size_t)out->height); /* fits: it is in memory */
    return LYC_OK;
}

lyc_status lyc_image_read_alpha(lyc_image *out, const char *path, const lyc_image_read_options *options, lyc_error *err)
{
    *out = (lyc_image){0};
    options = options != NULL ? options : &standard;
    picture p;
    lyc_status status = open_picture(&p, path, err);
    if (status == LYC_OK && !vips_image_hasalpha(p.image)) {
        status = opaque(out, p.image, !options->as_stored, err);
    } else if (status == LYC_OK) {
        status = collect(out, &p, opacity(&p.image, options), path, err);
    }
    close_picture(&p);
    return status;
}

lyc_status lyc_image_look(lyc_image_facts *out, const char *path, lyc_error *err)
{
    picture p;
    const lyc_status status = open_picture(&p, path, err);
    if (status == LYC_OK) {
        *out = (lyc_image_facts){.width = p.image->Xsize,
                                 .height = p.image->Ysize,
                                 .turned = vips_image_get_orientation_swap(p.image),
                                 .has_alpha = vips_image_hasalpha(p.image)};
    }
    close_picture(&p);
    return status;
}

lyc_status lyc_image_read_parameters(lyc_strbuf *text, bool *found, const char *path, lyc_error *err)
{
    *found = false;
    picture p;
    lyc_status status = open_picture(&p, path, err);
    if (status == LYC_OK) {
        const unsigned char *data = lyc_file_map_data(p.map);
        const size_t size = lyc_file_map_size(p.map);
        const void *exif = NULL;
        size_t exif_size = 0;
        if (lyc_png_is(data, size)) {
            *found = lyc_png_text_find(text, data, size, "parameters");
        } else if (vips_image_get_typeof(p.image, VIPS_META_EXIF_NAME) != 0 &&
                   vips_image_get_blob(p.image, VIPS_META_EXIF_NAME, &exif, &exif_size) == 0) {
            *found = lyc_exif_comment_find(text, exif, exif_size);
        }
        status = lyc_strbuf_check(text, "the parameters of a picture", err);
    }
    close_picture(&p);
    return status;
}
