/* sample_sheet.c - the sample pictures of a run as one sheet
 *
 * A sheet stays below MAX_SIDE pixels a side: pictures are made smaller, and of more than MAX_PLACES columns as many
 * are shown, evenly chosen with the first and the last, so that a long run neither fails nor takes gigabytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/sample_sheet.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/resample.h"
#include "image/sheet.h"

enum { MAX_SIDE = 6144, MAX_PLACES = 80, MARGIN = 8, STAMP = 14, MAX_DIGITS = 18 };

/* "e000010" or "000100"; 0 is before the first step, whatever is counted. */
typedef struct moment {
    bool by_epoch;
    int64_t at;
} moment;

typedef struct sample {
    moment when;
    size_t prompt;
    const char *path;
} sample;

typedef struct gallery {
    const lyc_sample_sheet *sheet;
    moment now;
    lyc_arena texts;
    sample *samples;
    size_t count, capacity;
    moment *columns; /* [count] */
    size_t column_count;
    int rows, shown;   /* places of the sheet */
    lyc_image *images; /* [rows,shown] */
} gallery;

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for a sheet of sample pictures");
}

/* --- names of files ------------------------------------------------------------------------------------------------
 */

/* Digits, at least one; what is behind them, or NULL. */
static const char *take_number(int64_t *out, const char *text)
{
    size_t n = 0;
    *out = 0;
    while (isdigit((unsigned char)text[n]) && n < MAX_DIGITS) {
        *out = *out * 10 + (text[n++] - '0');
    }
    return n > 0 && !isdigit((unsigned char)text[n]) ? text + n : NULL;
}

static const char *take_moment(moment *out, const char *text)
{
    out->by_epoch = text[0] == 'e';
    return take_number(&out->at, text + out->by_epoch);
}

static const char *take_mark(const char *text)
{
    return text != NULL && text[0] == '_' ? text + 1 : NULL;
}

/* Behind the index: "_<seed>.png" or "_<stamp>_<seed>.png". */
static bool is_rest(const char *text)
{
    int64_t number;
    const char *first = take_mark(text);
    const char *after = first != NULL ? take_number(&number, first) : NULL;
    const char *second = take_mark(after);
    if (second != NULL && after - first == STAMP) {
        after = take_number(&number, second);
    }
    return after != NULL && strcmp(after, ".png") == 0;
}

/* Whether a file is a sample of the run, and which. */
static bool parse_name(sample *out, const char *file, const char *run)
{
    int64_t index = 0;
    const size_t length = strlen(run);
    const char *at = strncmp(file, run, length) == 0 ? take_mark(file + length) : NULL;
    at = at != NULL ? take_mark(take_moment(&out->when, at)) : NULL;
    at = at != NULL ? take_number(&index, at) : NULL;
    out->prompt = (size_t)index;
    return at != NULL && is_rest(at);
}

/* --- what there is -------------------------------------------------------------------------------------------------
 */

static bool belongs(const gallery *g, const sample *s)
{
    const bool same_count = s->when.at == 0 || s->when.by_epoch == g->now.by_epoch;
    return s->prompt < (size_t)g->rows && same_count && s->when.at <= g->now.at;
}

static lyc_status find(void *context, const char *name, bool is_folder, lyc_error *err)
{
    gallery *g = context;
    sample s = {0};
    if (is_folder || !parse_name(&s, name, g->sheet->name) || !belongs(g, &s)) {
        return LYC_OK;
    }
    if (g->count == g->capacity) {
        const size_t wanted = g->capacity * 2 + 64; /* fits: names of files lie in memory */
        sample *larger = lyc_realloc(g->samples, wanted * sizeof *larger);
        if (larger == NULL) {
            return no_memory(err);
        }
        g->samples = larger;
        g->capacity = wanted;
    }
    s.path = lyc_path_join(&g->texts, g->sheet->folder, lyc_span_of(name));
    g->samples[g->count++] = s;
    return s.path != NULL ? LYC_OK : no_memory(err);
}

static int compare(const void *a, const void *b)
{
    const moment *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static lyc_status find_columns(gallery *g, lyc_error *err)
{
    g->columns = lyc_alloc_zero(g->count, sizeof *g->columns);
    if (g->columns == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < g->count; i++) {
        g->columns[i] = g->samples[i].when;
    }
    qsort(g->columns, g->count, sizeof *g->columns, compare);
    for (size_t i = 0; i < g->count; i++) {
        if (i == 0 || g->columns[i].at != g->columns[g->column_count - 1].at) {
            g->columns[g->column_count++] = g->columns[i];
        }
    }
    g->shown = g->column_count < MAX_PLACES ? (int)g->column_count : MAX_PLACES;
    return LYC_OK;
}

static const moment *shown_column(const gallery *g, int place)
{
    return &g->columns[g->shown > 1 ? (size_t)place * (g->column_count - 1) / (size_t)(g->shown - 1) : 0];
}

/* The newest file for a place; NULL: there is none. */
static const char *file_for(const gallery *g, int row, int64_t at)
{
    const char *path = NULL;
    for (size_t i = 0; i < g->count; i++) {
        path = g->samples[i].prompt == (size_t)row && g->samples[i].when.at == at ? g->samples[i].path : path;
    }
    return path;
}

/* --- pictures ------------------------------------------------------------------------------------------------------
 */

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* As large as a place of the sheet can be; beside the places there is room for words, less than one more place. */
static lyc_status fit(lyc_image *image, const gallery *g, lyc_error *err)
{
    const int width = MAX_SIDE / (g->shown + 1) - MARGIN, height = MAX_SIDE / (g->rows + 1) - MARGIN;
    const double scale = least(1, least((double)width / image->width, (double)height / image->height));
    const int small_width = (int)(image->width * scale), small_height = (int)(image->height * scale);
    lyc_image smaller = {0};
    if (scale >= 1) {
        return LYC_OK;
    }
    LYC_TRY(lyc_image_resize(&smaller, image, small_width > 0 ? small_width : 1, small_height > 0 ? small_height : 1,
                             LYC_RESAMPLE_LANCZOS, err));
    lyc_image_clear(image);
    *image = smaller;
    return LYC_OK;
}

static lyc_status read_pictures(gallery *g, lyc_error *err)
{
    g->images = lyc_alloc_zero((size_t)g->rows * (size_t)g->shown, sizeof *g->images);
    if (g->images == NULL) {
        return no_memory(err);
    }
    for (int i = 0; i < g->rows * g->shown; i++) {
        const char *path = file_for(g, i / g->shown, shown_column(g, i % g->shown)->at);
        lyc_status status = path != NULL ? lyc_image_read(&g->images[i], path, NULL, err) : LYC_OK;
        if (status == LYC_E_MEMORY) {
            return status;
        }
        if (status == LYC_OK && path != NULL) {
            LYC_TRY(fit(&g->images[i], g, err));
        }
    }
    return LYC_OK;
}

static const char *column_label(gallery *g, const moment *when)
{
    return when->at == 0
               ? lyc_arena_text(&g->texts, "start")
               : lyc_arena_format(&g->texts, "%s %lld", when->by_epoch ? "epoch" : "step", (long long)when->at);
}

static lyc_status draw(lyc_image *out, gallery *g, lyc_error *err)
{
    const size_t places = (size_t)g->rows * (size_t)g->shown;
    const lyc_image **images = lyc_arena_alloc(&g->texts, places, sizeof *images);
    const char **labels = lyc_arena_alloc(&g->texts, (size_t)g->shown, sizeof *labels);
    if (images == NULL || labels == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < places; i++) {
        images[i] = g->images[i].data != NULL ? &g->images[i] : NULL;
    }
    for (int i = 0; i < g->shown; i++) {
        labels[i] = column_label(g, shown_column(g, i));
        if (labels[i] == NULL) {
            return no_memory(err);
        }
    }
    const lyc_sheet sheet = {.images = images,
                             .rows = g->rows,
                             .columns = g->shown,
                             .row_labels = g->sheet->prompts,
                             .column_labels = labels,
                             .margin = MARGIN};
    return lyc_sheet_draw(out, &sheet, err);
}

/* --- the sheet -----------------------------------------------------------------------------------------------------
 */

static lyc_status write(gallery *g, lyc_error *err)
{
    lyc_image image = {0};
    const lyc_image_write_options options = {.format = LYC_IMAGE_PNG, .force = true};
    LYC_TRY(find_columns(g, err));
    LYC_TRY(read_pictures(g, err));
    const char *path = lyc_arena_format(&g->texts, "%s/%s-over-time.png", g->sheet->folder, g->sheet->name);
    lyc_status status = path != NULL ? draw(&image, g, err) : no_memory(err);
    status = status == LYC_OK ? lyc_image_write(path, &image, &options, err) : status;
    lyc_image_clear(&image);
    return status;
}

static void clear(gallery *g)
{
    for (int i = 0; g->images != NULL && i < g->rows * g->shown; i++) {
        lyc_image_clear(&g->images[i]);
    }
    lyc_free(g->images);
    lyc_free(g->columns);
    lyc_free(g->samples);
    lyc_arena_clear(&g->texts);
}

lyc_status lyc_sample_sheet_write(const lyc_sample_sheet *sheet, lyc_error *err)
{
    gallery g = {.sheet = sheet, .rows = sheet->prompt_count < MAX_PLACES ? (int)sheet->prompt_count : MAX_PLACES};
    if (take_moment(&g.now, sheet->when) == NULL) {
        return lyc_fail(err, LYC_E_ARGUMENT, "sample pictures of '%s': expected e<epoch> or <step>", sheet->when);
    }
    lyc_status status = lyc_folder_list(sheet->folder, find, &g, err);
    status = status == LYC_OK && g.count > 0 ? write(&g, err) : status;
    clear(&g);
    return status;
}
