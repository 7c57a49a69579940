/* encode.c - writing pictures by libvips
 *
 * Encoded in memory and written by base/file_writer.h, so that a picture appears whole or not at all and never through
 * a link.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/encode.h"

#include <string.h>
#include <strings.h>

#include "base/file_writer.h"
#include "image/exif.h"
#include "image/png_text.h"
#include "image/vips.h"

enum { STANDARD_QUALITY = 95 };

typedef struct format_entry {
    const char *name;
    const char *endings[3];
    int (*save)(VipsImage *image, void **data, size_t *size, const lyc_image_write_options *options);
} format_entry;

static int quality_of(const lyc_image_write_options *options)
{
    return options->quality > 0 ? options->quality : STANDARD_QUALITY;
}

static int save_png(VipsImage *image, void **data, size_t *size, const lyc_image_write_options *options)
{
    (void)options;
    return vips_pngsave_buffer(image, data, size, "compression", 6, "strip", TRUE, NULL);
}

static int save_jpeg(VipsImage *image, void **data, size_t *size, const lyc_image_write_options *options)
{
    return vips_jpegsave_buffer(image, data, size, "Q", quality_of(options), "strip", options->parameters == NULL,
                                NULL);
}

static int save_webp(VipsImage *image, void **data, size_t *size, const lyc_image_write_options *options)
{
    return vips_webpsave_buffer(image, data, size, "Q", quality_of(options), "lossless", options->lossless, "strip",
                                options->parameters == NULL, NULL);
}

static const format_entry formats[LYC_IMAGE_FORMAT_COUNT] = {
    [LYC_IMAGE_PNG] = {"png", {".png"}, save_png},
    [LYC_IMAGE_JPEG] = {"jpeg", {".jpg", ".jpeg"}, save_jpeg},
    [LYC_IMAGE_WEBP] = {"webp", {".webp"}, save_webp},
};

bool lyc_image_format_of(lyc_image_format *format, const char *path)
{
    const size_t n = strlen(path);
    for (int f = 0; f < LYC_IMAGE_FORMAT_COUNT; f++) {
        for (const char *const *ending = formats[f].endings; *ending != NULL; ending++) {
            const size_t m = strlen(*ending);
            if (n > m && strcasecmp(path + n - m, *ending) == 0) {
                *format = (lyc_image_format)f;
                return true;
            }
        }
    }
    return false;
}

const char *lyc_image_format_name(lyc_image_format format)
{
    return formats[format].name;
}

const char *lyc_image_format_ending(lyc_image_format format)
{
    return formats[format].endings[0];
}

/* libvips copies the blob and writes it as APP1 (JPEG) or EXIF chunk (WebP). */
static lyc_status attach_exif(VipsImage *image, const char *parameters, lyc_error *err)
{
    lyc_strbuf exif = {0};
    lyc_exif_comment_append(&exif, parameters);
    const lyc_status status = lyc_strbuf_check(&exif, "the parameters of a picture", err);
    if (status == LYC_OK) {
        vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, lyc_strbuf_text(&exif), exif.length);
    }
    lyc_strbuf_clear(&exif);
    return status;
}

static lyc_status encode(void **data, size_t *size, const lyc_image *image, const lyc_image_write_options *options,
                         lyc_error *err)
{
    VipsImage *in = lyc_vips_borrow(image);
    if (in == NULL) {
        return lyc_vips_fail(err, LYC_E_MEMORY, "no memory for a picture");
    }
    lyc_status status = LYC_OK;
    if (options->parameters != NULL && options->format != LYC_IMAGE_PNG) {
        status = attach_exif(in, options->parameters, err);
    }
    if (status == LYC_OK && formats[options->format].save(in, data, size, options) != 0) {
        status = lyc_vips_fail(err, LYC_E_UNSUPPORTED, "cannot be encoded");
    }
    g_object_unref(in);
    return status;
}

/* The file; in a PNG the text goes behind its first chunk. */
static lyc_status append_file(lyc_file_writer *writer, const char *data, size_t size,
                              const lyc_image_write_options *options, lyc_error *err)
{
    if (options->format != LYC_IMAGE_PNG || options->parameters == NULL) {
        return lyc_file_writer_append(writer, data, size, err);
    }
    lyc_strbuf chunk = {0};
    lyc_png_text_append(&chunk, "parameters", options->parameters);
    lyc_status status = lyc_strbuf_check(&chunk, "the parameters of a picture", err);
    if (status == LYC_OK) {
        status = lyc_file_writer_append(writer, data, LYC_PNG_AFTER_HEADER, err);
    }
    if (status == LYC_OK) {
        status = lyc_file_writer_append(writer, lyc_strbuf_text(&chunk), chunk.length, err);
    }
    if (status == LYC_OK) {
        status = lyc_file_writer_append(writer, data + LYC_PNG_AFTER_HEADER, size - LYC_PNG_AFTER_HEADER, err);
    }
    lyc_strbuf_clear(&chunk);
    return status;
}

lyc_status lyc_image_write(const char *path, const lyc_image *image, const lyc_image_write_options *options,
                           lyc_error *err)
{
    void *data = NULL;
    size_t size = 0;
    LYC_TRY(lyc_vips_start(err));
    if (encode(&data, &size, image, options, err) != LYC_OK) {
        return lyc_wrap(err, "writing %s", path);
    }
    const lyc_file_writer_options writer_options = {.force = options->force, .size_bytes = size};
    lyc_file_writer *writer = NULL;
    lyc_status status = lyc_file_writer_open(&writer, path, &writer_options, err);
    if (status == LYC_OK) {
        status = append_file(writer, data, size, options, err);
    }
    if (status == LYC_OK) {
        status = lyc_file_writer_commit(writer, err);
    }
    lyc_file_writer_close(writer);
    g_free(data);
    return status;
}
