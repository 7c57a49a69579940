/* sheet.c - contact sheets
 *
 * Text is set by libvips (Pango); a machine without any font gives empty labels, not an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/sheet.h"

#include <string.h>

#include "base/size.h"
#include "image/vips.h"

typedef struct layout {
    int cell_width, cell_height;
    int left, top; /* room for labels */
    int margin;
} layout;

static int greater(int a, int b)
{
    return a > b ? a : b;
}

/* Height of a line of text: a twelfth of a picture, but readable. */
static int line_height(const layout *l)
{
    return greater(14, l->cell_height / 12);
}

static layout measure(const lyc_sheet *sheet)
{
    layout l = {.margin = sheet->margin};
    for (int i = 0; i < sheet->rows * sheet->columns; i++) {
        if (sheet->images[i] != NULL) {
            l.cell_width = greater(l.cell_width, sheet->images[i]->width);
            l.cell_height = greater(l.cell_height, sheet->images[i]->height);
        }
    }
    l.top = sheet->column_labels != NULL ? line_height(&l) + l.margin : 0;
    l.left = sheet->row_labels != NULL ? greater(l.cell_width / 3, 4 * line_height(&l)) + l.margin : 0;
    return l;
}

static void place(lyc_image *out, const lyc_image *in, int left, int top)
{
    for (int y = 0; y < in->height; y++) {
        memcpy(out->data + 3 * ((size_t)(top + y) * (size_t)out->width + (size_t)left),
               in->data + 3 * (size_t)y * (size_t)in->width, 3 * (size_t)in->width);
    }
}

/* The text as coverage, 0 to 255, within width x height; an empty image when no text can be set. */
static void render(lyc_image *out, const char *label, int width, int height)
{
    VipsImage *set = NULL;
    VipsImage *cut = NULL;
    char *escaped = g_markup_escape_text(label, -1);
    *out = (lyc_image){0};
    if (vips_text(&set, escaped, "dpi", greater(36, height * 4), "width", width, NULL) == 0 &&
        vips_crop(set, &cut, 0, 0, set->Xsize < width ? set->Xsize : width, set->Ysize < height ? set->Ysize : height,
                  NULL) == 0) {
        lyc_vips_collect(out, cut, "text", NULL);
    }
    vips_error_clear();
    g_clear_object(&cut);
    g_clear_object(&set);
    g_free(escaped);
}

/* Black where the text is. */
static void write_label(lyc_image *out, const char *label, int left, int top, int width, int height)
{
    lyc_image text;
    render(&text, label, width, height);
    for (int y = 0; y < text.height; y++) {
        for (int x = 0; x < text.width; x++) {
            const unsigned char ink = text.data[(size_t)y * (size_t)text.width + (size_t)x];
            unsigned char *pixel = out->data + 3 * ((size_t)(top + y) * (size_t)out->width + (size_t)(left + x));
            memset(pixel, 255 - ink, 3);
        }
    }
    lyc_image_clear(&text);
}

lyc_status lyc_sheet_draw(lyc_image *out, const lyc_sheet *sheet, lyc_error *err)
{
    *out = (lyc_image){0};
    LYC_TRY(lyc_vips_start(err));
    const layout l = measure(sheet);
    const int64_t width = l.left + (int64_t)sheet->columns * (l.cell_width + l.margin) + l.margin;
    const int64_t height = l.top + (int64_t)sheet->rows * (l.cell_height + l.margin) + l.margin;
    if (width > LYC_IMAGE_MAX_SIDE || height > LYC_IMAGE_MAX_SIDE) {
        return lyc_fail(err, LYC_E_SHAPE,
                        "a sheet of %d x %d pictures would have %lld x %lld pixels; at most %d a side", sheet->rows,
                        sheet->columns, (long long)width, (long long)height, LYC_IMAGE_MAX_SIDE);
    }
    LYC_TRY(lyc_image_init(out, (int)width, (int)height, 3, err));
    memset(out->data, 255, (size_t)width * (size_t)height * 3);
    for (int r = 0; r < sheet->rows; r++) {
        const int top = l.top + l.margin + r * (l.cell_height + l.margin);
        if (sheet->row_labels != NULL) {
            write_label(out, sheet->row_labels[r], l.margin, top, l.left - l.margin, l.cell_height);
        }
        for (int c = 0; c < sheet->columns; c++) {
            const int left = l.left + l.margin + c * (l.cell_width + l.margin);
            if (r == 0 && sheet->column_labels != NULL) {
                write_label(out, sheet->column_labels[c], left, l.margin, l.cell_width, l.top - l.margin);
            }
            if (sheet->images[r * sheet->columns + c] != NULL) {
                place(out, sheet->images[r * sheet->columns + c], left, top);
            }
        }
    }
    return LYC_OK;
}
