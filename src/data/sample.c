/* sample.c - one picture at the size of its bucket
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "data/sample.h"

#include <math.h>
#include <string.h>

#include "image/decode.h"
#include "image/filter.h"
#include "image/resample.h"
#include "tensor/random.h"

/* --- what is drawn -------------------------------------------------------------------------------------------------
 */

enum { DRAW_FLIP, DRAW_LEFT, DRAW_TOP, DRAW_COLOUR, DRAW_KIND, DRAW_AMOUNT, DRAWS = 8 };

static double draw(const lyc_native_random *r, size_t place, int which)
{
    return (double)lyc_native_random_uniform(r, (uint64_t)place * DRAWS + (uint64_t)which);
}

/* From 0 to most, both included. */
static int draw_offset(const lyc_native_random *r, size_t place, int which, int most)
{
    const int offset = (int)(draw(r, place, which) * (double)(most + 1));
    return offset < most ? offset : most;
}

/* Hue by up to 16 degrees or gamma by up to 5 %, each in a sixth of the uses (sd-scripts' ColorAug). */
static void draw_colour(lyc_sample_form *form, const lyc_native_random *r, size_t place)
{
    if (draw(r, place, DRAW_COLOUR) > 0.33) {
        return;
    }
    const double amount = 2.0 * draw(r, place, DRAW_AMOUNT) - 1.0;
    if (draw(r, place, DRAW_KIND) < 0.5) {
        form->hue = 16.0 * amount;
    } else {
        form->gamma = 1.0 + 0.05 * amount;
    }
}

lyc_sample_form lyc_sample_draw(const lyc_data *data, const lyc_data_image *image, int64_t epoch, size_t place)
{
    const lyc_subset_options *o = &data->subsets[image->subset].options;
    const lyc_native_random r = {.seed = data->options.seed, .purpose = LYC_RANDOM_AUGMENT, .step = (uint32_t)epoch};
    lyc_sample_form form = {0};
    if (image->validation) {
        return form;
    }
    form.flipped = o->flip_aug && draw(&r, place, DRAW_FLIP) < 0.5;
    if (o->random_crop) {
        form.placed = true;
        form.left = draw_offset(&r, place, DRAW_LEFT, image->choice.resized.width - image->choice.bucket.width);
        form.top = draw_offset(&r, place, DRAW_TOP, image->choice.resized.height - image->choice.bucket.height);
    }
    if (o->color_aug) {
        draw_colour(&form, &r, place);
    }
    return form;
}

/* --- pixels --------------------------------------------------------------------------------------------------------
 */

static lyc_filter filter_of(const lyc_image *in, lyc_bucket_size size, int interpolation)
{
    static const lyc_filter filters[] = {
        [LYC_INTERPOLATION_LANCZOS] = LYC_FILTER_PILLOW_LANCZOS,
        [LYC_INTERPOLATION_NEAREST] = LYC_FILTER_OPENCV_NEAREST,
        [LYC_INTERPOLATION_BILINEAR] = LYC_FILTER_OPENCV_LINEAR,
        [LYC_INTERPOLATION_LINEAR] = LYC_FILTER_OPENCV_LINEAR,
        [LYC_INTERPOLATION_BICUBIC] = LYC_FILTER_OPENCV_CUBIC,
        [LYC_INTERPOLATION_CUBIC] = LYC_FILTER_OPENCV_CUBIC,
        [LYC_INTERPOLATION_AREA] = LYC_FILTER_OPENCV_AREA,
        [LYC_INTERPOLATION_BOX] = LYC_FILTER_PILLOW_BOX,
    };
    if (interpolation != LYC_INTERPOLATION_NONE) {
        return filters[interpolation];
    }
    return in->width >= size.width && in->height >= size.height ? LYC_FILTER_OPENCV_AREA : LYC_FILTER_PILLOW_LANCZOS;
}

/* Cut to the bucket, and mirrored. */
static lyc_status cut(lyc_image *out, const lyc_image *in, lyc_bucket_size size, const lyc_sample_form *form,
                      lyc_error *err)
{
    const int left = form->placed ? form->left : (in->width - size.width) / 2;
    const int top = form->placed ? form->top : (in->height - size.height) / 2;
    const size_t pixel = (size_t)in->channels;
    LYC_TRY(lyc_image_init(out, size.width, size.height, in->channels, err));
    for (int y = 0; y < size.height; y++) {
        const unsigned char *from = in->data + ((size_t)(y + top) * (size_t)in->width + (size_t)left) * pixel;
        unsigned char *to = out->data + (size_t)y * (size_t)size.width * pixel;
        for (int x = 0; x < size.width; x++) {
            const int source = form->flipped ? size.width - 1 - x : x;
            memcpy(to + (size_t)x * pixel, from + (size_t)source * pixel, pixel);
        }
    }
    return LYC_OK;
}

static lyc_status fit(lyc_image *image, const lyc_data *data, const lyc_data_image *of, const lyc_sample_form *form,
                      lyc_error *err)
{
    const lyc_bucket_size size = of->choice.resized;
    lyc_image resized = {0}, made = {0};
    const int interpolation = data->subsets[of->subset].options.resize_interpolation;
    lyc_status status =
        lyc_filter_image(&resized, size.width, size.height, image, filter_of(image, size, interpolation), err);
    status = status != LYC_OK ? status : cut(&made, &resized, of->choice.bucket, form, err);
    lyc_image_clear(&resized);
    lyc_image_clear(image);
    *image = made;
    return status;
}

static unsigned char level(double x)
{
    return (unsigned char)(fmin(fmax(x, 0.0), 255.0) + 0.5);
}

static void change_gamma(lyc_image *image, double gamma)
{
    unsigned char table[256];
    for (int v = 0; v < 256; v++) {
        table[v] = level(pow((double)v, gamma));
    }
    const size_t count = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    for (size_t i = 0; i < count; i++) {
        image->data[i] = table[image->data[i]];
    }
}

/* Turns the hue of a pixel and leaves saturation and value (HSV) as they are. */
static void turn_hue(unsigned char rgb[3], double degrees)
{
    const double r = rgb[0], g = rgb[1], b = rgb[2];
    const double high = fmax(r, fmax(g, b)), low = fmin(r, fmin(g, b)), range = high - low;
    if (!(range > 0.0)) {
        return;
    }
    double hue = high <= r ? (g - b) / range : high <= g ? 2.0 + (b - r) / range : 4.0 + (r - g) / range;
    hue = fmod(hue + degrees / 60.0 + 12.0, 6.0);
    static const double places[3] = {5.0, 3.0, 1.0};
    for (int c = 0; c < 3; c++) {
        const double k = fmod(places[c] + hue, 6.0);
        rgb[c] = level(high - range * fmax(0.0, fmin(fmin(k, 4.0 - k), 1.0)));
    }
}

static void change_colours(lyc_image *image, const lyc_sample_form *form)
{
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    if (form->gamma > 0.0) {
        change_gamma(image, form->gamma);
    }
    for (size_t i = 0; i < pixels && (form->hue < 0.0 || form->hue > 0.0); i++) {
        turn_hue(image->data + 3 * i, form->hue);
    }
}

static lyc_image_read_options how(const lyc_data *data)
{
    lyc_image_read_options options = LYC_IMAGE_READ_DEFAULT;
    options.hidden_colours = !data->options.composite_alpha;
    options.as_stored = data->options.ignore_orientation;
    return options;
}

lyc_status lyc_sample_read(float *out, const lyc_data *data, const lyc_data_image *image, const lyc_sample_form *form,
                           lyc_error *err)
{
    const lyc_image_read_options options = how(data);
    lyc_image pixels = {0};
    lyc_status status = lyc_image_read(&pixels, image->path, &options, err);
    if (status == LYC_OK && (pixels.width != image->width || pixels.height != image->height)) {
        status = lyc_fail(err, LYC_E_IO, "%s has changed: %dx%d pixels, and %dx%d at the start of the run", image->path,
                          pixels.width, pixels.height, image->width, image->height);
    }
    status = status != LYC_OK ? status : fit(&pixels, data, image, form, err);
    if (status == LYC_OK) {
        change_colours(&pixels, form);
        lyc_image_to_signed(out, &pixels);
    }
    lyc_image_clear(&pixels);
    return status;
}

/* --- masks ---------------------------------------------------------------------------------------------------------
 */

bool lyc_subset_has_masks(const lyc_subset_options *options)
{
    return options->alpha_mask || options->conditioning_data_dir != NULL;
}

/* The red channel. */
static lyc_status read_red(lyc_image *out, const char *path, const lyc_image_read_options *options, lyc_error *err)
{
    lyc_image colours = {0};
    LYC_TRY(lyc_image_read(&colours, path, options, err));
    const lyc_status status = lyc_image_init(out, colours.width, colours.height, 1, err);
    const size_t pixels = (size_t)colours.width * (size_t)colours.height;
    for (size_t i = 0; status == LYC_OK && i < pixels; i++) {
        out->data[i] = colours.data[3 * i];
    }
    lyc_image_clear(&colours);
    return status;
}

static lyc_status read_mask(lyc_image *out, const lyc_data *data, const lyc_data_image *image, lyc_error *err)
{
    const lyc_image_read_options options = how(data);
    if (image->mask_path != NULL) {
        return read_red(out, image->mask_path, &options, err);
    }
    return lyc_image_read_alpha(out, image->path, &options, err);
}

lyc_status lyc_sample_read_mask(float *out, const lyc_data *data, const lyc_data_image *image,
                                const lyc_sample_form *form, lyc_error *err)
{
    const int width = image->choice.bucket.width / data->model.factor;
    const int height = image->choice.bucket.height / data->model.factor;
    if (image->mask_path == NULL && !(data->subsets[image->subset].options.alpha_mask && image->has_alpha)) {
        for (int i = 0; i < width * height; i++) {
            out[i] = 1.0f;
        }
        return LYC_OK;
    }
    lyc_image mask = {0};
    lyc_status status = read_mask(&mask, data, image, err);
    status = status != LYC_OK ? status : fit(&mask, data, image, form, err);
    status = status != LYC_OK ? status : lyc_mask_average(out, width, height, &mask, err);
    lyc_image_clear(&mask);
    return status;
}

void lyc_sample_sizes(float out[6], const lyc_data_image *image, const lyc_sample_form *form)
{
    double crop[4];
    lyc_bucket_crop(crop, &image->choice, image->width, image->height);
    const double width = image->choice.bucket.width;
    out[0] = (float)image->height;
    out[1] = (float)image->width;
    out[2] = (float)trunc(crop[1]);
    out[3] = (float)trunc(form->flipped ? width - crop[2] : crop[0]);
    out[4] = (float)image->choice.bucket.height;
    out[5] = (float)width;
}
