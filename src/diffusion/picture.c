/* picture.c - pictures of the public interface, in files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory.h"
#include "image/decode.h"
#include "image/encode.h"
#include "lycoris/generate.h"

lyc_status lyc_picture_read(lyc_picture *out, const char *path, bool grey, lyc_error *err)
{
    lyc_image image = {0};
    lyc_image_read_options options = LYC_IMAGE_READ_DEFAULT;
    options.grey = grey;
    LYC_TRY(lyc_image_read(&image, path, &options, err));
    *out = (lyc_picture){image.width, image.height, image.channels, image.data};
    return LYC_OK;
}

lyc_status lyc_picture_write(const char *path, const lyc_picture *picture, const lyc_picture_file *file, lyc_error *err)
{
    const lyc_image image = {picture->width, picture->height, picture->channels, picture->data};
    lyc_image_write_options options = {0};
    if (!lyc_image_format_of(&options.format, path)) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%s: the name of a picture ends in .png, .jpg, .jpeg or .webp", path);
    }
    if (file != NULL) {
        options.quality = file->quality;
        options.lossless = file->lossless;
        options.parameters = file->parameters;
        options.force = file->force;
    }
    return lyc_image_write(path, &image, &options, err);
}

void lyc_picture_clear(lyc_picture *picture)
{
    lyc_free(picture->data);
    *picture = (lyc_picture){0};
}
