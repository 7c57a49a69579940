/* picture.c - pictures of the public interface, in files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/memory.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/sheet.h"
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

lyc_status lyc_picture_parameters(lyc_generated *out, const char *path, lyc_error *err)
{
    lyc_strbuf text = {0};
    bool found;
    LYC_TRY(lyc_image_read_parameters(&text, &found, path, err));
    out->parameters = found ? lyc_strbuf_take(&text) : NULL;
    lyc_strbuf_clear(&text);
    return LYC_OK;
}

lyc_status lyc_picture_sheet(lyc_picture *out, const lyc_picture_table *table, lyc_error *err)
{
    enum { MARGIN = 8 };
    const size_t count = (size_t)table->rows * (size_t)table->columns;
    lyc_image *images = lyc_alloc_zero(count, sizeof *images);
    const lyc_image **places = lyc_alloc_zero(count, sizeof *places);
    lyc_image sheet = {0};
    lyc_status status = LYC_OK;
    if (images == NULL || places == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for a sheet of %zu pictures", count);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const lyc_picture *p = &table->pictures[i];
        images[i] = (lyc_image){p->width, p->height, p->channels, p->data};
        places[i] = p->data != NULL ? &images[i] : NULL;
    }
    status = lyc_sheet_draw(&sheet,
                            &(lyc_sheet){.images = places,
                                         .rows = table->rows,
                                         .columns = table->columns,
                                         .row_labels = table->row_labels,
                                         .column_labels = table->column_labels,
                                         .margin = MARGIN},
                            err);
    *out = (lyc_picture){sheet.width, sheet.height, sheet.channels, sheet.data};
done:
    lyc_free(images);
    lyc_free(places);
    return status;
}
