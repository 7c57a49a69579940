/* bucket.c - sizes at which pictures are trained
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/bucket.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const lyc_bucket_size *x = a, *y = b;
    return x->width != y->width ? (x->width < y->width ? -1 : 1) : (x->height > y->height) - (x->height < y->height);
}

static void add(lyc_bucket_list *list, int width, int height)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->sizes[i].width == width && list->sizes[i].height == height) {
            return;
        }
    }
    if (list->count < LYC_BUCKET_MAX) {
        list->sizes[list->count++] = (lyc_bucket_size){width, height};
    }
}

static lyc_status check(const lyc_bucket_options *o, lyc_error *err)
{
    const int small = o->resolution.width < o->resolution.height ? o->resolution.width : o->resolution.height;
    const int large = o->resolution.width > o->resolution.height ? o->resolution.width : o->resolution.height;
    if (o->step < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "bucket_reso_steps is %d, expected at least 1", o->step);
    }
    const int min = o->min / o->step * o->step, max = (o->max + o->step - 1) / o->step * o->step;
    if (min > small || min < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "min_bucket_reso is %d, expected at most the resolution, %d, and at least %d", o->min, small,
                        o->step);
    }
    if (max < large) {
        return lyc_fail(err, LYC_E_ARGUMENT, "max_bucket_reso is %d, expected at least the resolution, %d", o->max,
                        large);
    }
    return LYC_OK;
}

/* All sizes of multiples of the step whose area is at most the resolution's, as high as they can be. */
static void make_sizes(lyc_bucket_list *list)
{
    const lyc_bucket_options *o = &list->options;
    const int64_t area = (int64_t)o->resolution.width * o->resolution.height; /* fits: checked sizes of pictures */
    const int step = o->step, min = o->min / step * step, max = (o->max + step - 1) / step * step;
    const int square = (int)(floor(floor(sqrt((double)area)) / (double)step)) * step;
    add(list, square, square);
    for (int width = min; width <= max; width += step) {
        const int64_t high = area / width / step * step;
        const int height = high < max ? (int)high : max;
        if (height >= min) {
            add(list, width, height);
            add(list, height, width);
        }
    }
    qsort(list->sizes, list->count, sizeof list->sizes[0], compare);
}

lyc_status lyc_bucket_list_init(lyc_bucket_list *out, const lyc_bucket_options *options, lyc_error *err)
{
    *out = (lyc_bucket_list){.options = *options};
    if (options->resolution.width < 8 || options->resolution.height < 8) {
        return lyc_fail(err, LYC_E_ARGUMENT, "a resolution of %dx%d, expected at least 8x8", options->resolution.width,
                        options->resolution.height);
    }
    if (!options->enabled) {
        add(out, options->resolution.width, options->resolution.height);
        return LYC_OK;
    }
    LYC_TRY(check(options, err));
    if (!options->no_upscale) {
        make_sizes(out);
    }
    return LYC_OK;
}

static int rounded(double x)
{
    return (int)floor(x + 0.5);
}

static int stepped(double x, int step)
{
    return rounded(x) / step * step;
}

/* The nearest proportions by difference of ratios; the first of several. */
static void choose_made(lyc_bucket_choice *out, const lyc_bucket_list *list, int width, int height)
{
    const double ratio = (double)width / (double)height;
    size_t best = 0;
    double least = (double)INFINITY;
    for (size_t i = 0; i < list->count; i++) {
        const lyc_bucket_size *size = &list->sizes[i];
        if (size->width == width && size->height == height) {
            best = i;
            break;
        }
        const double off = fabs((double)size->width / (double)size->height - ratio);
        if (off < least) {
            least = off;
            best = i;
        }
    }
    out->bucket = list->sizes[best];
    const double own = (double)out->bucket.width / (double)out->bucket.height;
    const double scale =
        ratio > own ? (double)out->bucket.height / (double)height : (double)out->bucket.width / (double)width;
    out->resized = (lyc_bucket_size){rounded((double)width * scale), rounded((double)height * scale)};
}

static void choose_own(lyc_bucket_choice *out, const lyc_bucket_list *list, int width, int height)
{
    const int step = list->options.step;
    const double ratio = (double)width / (double)height;
    const double area = (double)list->options.resolution.width * (double)list->options.resolution.height;
    out->resized = (lyc_bucket_size){width, height};
    if ((double)width * (double)height > area) {
        const double wide = sqrt(area * ratio), high = area / wide;
        const int a = stepped(wide, step), b = stepped((double)a / ratio, step);
        const int c = stepped(high, step), e = stepped((double)c * ratio, step);
        const double first = b > 0 ? fabs((double)a / (double)b - ratio) : (double)INFINITY;
        const double second = c > 0 ? fabs((double)e / (double)c - ratio) : (double)INFINITY;
        out->resized = first < second ? (lyc_bucket_size){a, rounded((double)a / ratio)}
                                      : (lyc_bucket_size){rounded((double)c * ratio), c};
    }
    out->bucket = (lyc_bucket_size){out->resized.width / step * step, out->resized.height / step * step};
}

lyc_status lyc_bucket_choose(lyc_bucket_choice *out, const lyc_bucket_list *list, int width, int height, lyc_error *err)
{
    if (list->options.enabled && list->options.no_upscale) {
        choose_own(out, list, width, height);
    } else {
        choose_made(out, list, width, height);
    }
    if (out->bucket.width < 1 || out->bucket.height < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%dx%d pixels are fewer than bucket_reso_steps, %d, on one side", width,
                        height, list->options.step);
    }
    out->ratio_error = (double)out->bucket.width / (double)out->bucket.height - (double)width / (double)height;
    return LYC_OK;
}

void lyc_bucket_crop(double out[4], const lyc_bucket_choice *choice, int width, int height)
{
    const double w = choice->bucket.width, h = choice->bucket.height;
    const double ratio = (double)width / (double)height;
    const double wide = w / h > ratio ? h * ratio : w;
    const double high = w / h > ratio ? h : w / ratio;
    out[0] = floor((w - wide) / 2.0);
    out[1] = floor((h - high) / 2.0);
    out[2] = out[0] + wide;
    out[3] = out[1] + high;
}
