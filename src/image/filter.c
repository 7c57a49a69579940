/* filter.c - other sizes of a picture by the rules of Pillow, OpenCV and torch
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "image/filter.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/size.h"
#include "base/thread.h"

static const double pi = 3.14159265358979323846;

/* --- kernels -------------------------------------------------------------------------------------------------------
 */

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x)
{
    return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
}

static double cubic(double x, double a)
{
    const double t = fabs(x);
    if (t < 1.0) {
        return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    }
    return t < 2.0 ? (((t - 5.0) * t + 8.0) * t - 4.0) * a : 0.0;
}

static double cubic_pillow(double x)
{
    return cubic(x, -0.5);
}

static double cubic_opencv(double x)
{
    return cubic(x, -0.75);
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(pi * x) / (pi * x);
}

static double lanczos3(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static double lanczos4(double x)
{
    return fabs(x) < 4.0 ? sinc(x) * sinc(x / 4.0) : 0.0;
}

typedef enum rule { WIDENED, FIXED, NEAREST_CENTRE, NEAREST_EDGE, AREA } rule;

static const struct {
    rule rule;
    double support;
    double (*kernel)(double x);
    bool rounds_between;
} filters[LYC_FILTER_COUNT] = {
    [LYC_FILTER_PILLOW_NEAREST] = {NEAREST_CENTRE, 0.0, NULL, true},
    [LYC_FILTER_PILLOW_BOX] = {WIDENED, 0.5, box, true},
    [LYC_FILTER_PILLOW_BILINEAR] = {WIDENED, 1.0, triangle, true},
    [LYC_FILTER_PILLOW_BICUBIC] = {WIDENED, 2.0, cubic_pillow, true},
    [LYC_FILTER_PILLOW_LANCZOS] = {WIDENED, 3.0, lanczos3, true},
    [LYC_FILTER_OPENCV_NEAREST] = {NEAREST_EDGE, 0.0, NULL, false},
    [LYC_FILTER_OPENCV_LINEAR] = {FIXED, 1.0, triangle, false},
    [LYC_FILTER_OPENCV_CUBIC] = {FIXED, 2.0, cubic_opencv, false},
    [LYC_FILTER_OPENCV_LANCZOS4] = {FIXED, 4.0, lanczos4, false},
    [LYC_FILTER_OPENCV_AREA] = {AREA, 0.0, NULL, false},
};

/* --- weights -------------------------------------------------------------------------------------------------------
 */

/* For each place of an axis, what it takes of which places: weights [out][taps], the place of tap k is at[out][k]. */
typedef struct axis {
    int out, taps;
    int *at;
    float *weights;
} axis;

static void axis_clear(axis *a)
{
    lyc_free(a->at);
    lyc_free(a->weights);
}

static lyc_status axis_init(axis *a, int out, int taps, lyc_error *err)
{
    size_t n;
    *a = (axis){.out = out, .taps = taps};
    if (lyc_size_mul(&n, (size_t)out, (size_t)taps)) {
        a->at = lyc_alloc_zero(n, sizeof *a->at);
        a->weights = lyc_alloc_zero(n, sizeof *a->weights);
    }
    if (a->at == NULL || a->weights == NULL) {
        axis_clear(a);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to resize a picture");
    }
    return LYC_OK;
}

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

static lyc_status widened(axis *a, int in, int out, double support, double (*kernel)(double), lyc_error *err)
{
    const double scale = (double)in / (double)out;
    const double wide = scale > 1.0 ? scale : 1.0;
    const double reach = support * wide;
    LYC_TRY(axis_init(a, out, (int)ceil(reach) * 2 + 1, err));
    for (int x = 0; x < out; x++) {
        const double centre = ((double)x + 0.5) * scale;
        const int first = clamp((int)(centre - reach + 0.5), 0, in);
        const int last = clamp((int)(centre + reach + 0.5), 0, in);
        double sum = 0.0;
        for (int k = 0; k < last - first && k < a->taps; k++) {
            sum += kernel(((double)(k + first) - centre + 0.5) / wide);
        }
        for (int k = 0; k < last - first && k < a->taps; k++) {
            const double w = kernel(((double)(k + first) - centre + 0.5) / wide);
            a->at[x * a->taps + k] = first + k;
            a->weights[x * a->taps + k] = (float)(sum != 0.0 ? w / sum : w);
        }
    }
    return LYC_OK;
}

static lyc_status fixed(axis *a, int in, int out, double support, double (*kernel)(double), lyc_error *err)
{
    const double scale = (double)in / (double)out;
    const int taps = 2 * (int)support;
    LYC_TRY(axis_init(a, out, taps, err));
    for (int x = 0; x < out; x++) {
        const double place = ((double)x + 0.5) * scale - 0.5;
        const double whole = floor(place);
        double sum = 0.0;
        for (int k = 0; k < taps; k++) {
            sum += kernel((double)(k + 1 - (int)support) - (place - whole));
        }
        for (int k = 0; k < taps; k++) {
            const int offset = k + 1 - (int)support;
            a->at[x * taps + k] = clamp((int)whole + offset, 0, in - 1);
            a->weights[x * taps + k] = (float)(kernel((double)offset - (place - whole)) / sum);
        }
    }
    return LYC_OK;
}

static lyc_status nearest(axis *a, int in, int out, double shift, lyc_error *err)
{
    const double scale = (double)in / (double)out;
    LYC_TRY(axis_init(a, out, 1, err));
    for (int x = 0; x < out; x++) {
        a->at[x] = clamp((int)floor(((double)x + shift) * scale), 0, in - 1);
        a->weights[x] = 1.0f;
    }
    return LYC_OK;
}

/* What each output covers of the inputs. */
static lyc_status covered(axis *a, int in, int out, lyc_error *err)
{
    const double scale = (double)in / (double)out;
    LYC_TRY(axis_init(a, out, (int)ceil(scale) + 2, err));
    for (int x = 0; x < out; x++) {
        const double begin = (double)x * scale, end = fmin(begin + scale, (double)in);
        int k = 0;
        for (int i = (int)floor(begin); i < in && (double)i < end && k < a->taps; i++) {
            const double part = fmin(end, (double)i + 1.0) - fmax(begin, (double)i);
            if (part > 1e-3) {
                a->at[x * a->taps + k] = i;
                a->weights[x * a->taps + k] = (float)(part / (end - begin));
                k++;
            }
        }
    }
    return LYC_OK;
}

/* OpenCV's area when enlarging: linear between the borders of pixels. */
static lyc_status between(axis *a, int in, int out, lyc_error *err)
{
    const double scale = (double)in / (double)out, inverse = (double)out / (double)in;
    LYC_TRY(axis_init(a, out, 2, err));
    for (int x = 0; x < out; x++) {
        const int first = (int)floor((double)x * scale);
        double part = (double)(x + 1) - (double)(first + 1) * inverse;
        part = part <= 0.0 ? 0.0 : part - floor(part);
        a->at[2 * x] = clamp(first, 0, in - 1);
        a->at[2 * x + 1] = clamp(first + 1, 0, in - 1);
        a->weights[2 * x] = (float)(1.0 - part);
        a->weights[2 * x + 1] = (float)part;
    }
    return LYC_OK;
}

static lyc_status make_axis(axis *a, int in, int out, lyc_filter filter, bool shrinks, lyc_error *err)
{
    switch (filters[filter].rule) {
    case WIDENED:
        return widened(a, in, out, filters[filter].support, filters[filter].kernel, err);
    case FIXED:
        return fixed(a, in, out, filters[filter].support, filters[filter].kernel, err);
    case NEAREST_CENTRE:
        return nearest(a, in, out, 0.5, err);
    case NEAREST_EDGE:
        return nearest(a, in, out, 0.0, err);
    case AREA:
        break;
    }
    return shrinks ? covered(a, in, out, err) : between(a, in, out, err);
}

/* --- passes --------------------------------------------------------------------------------------------------------
 */

typedef struct pass {
    const axis *axis;
    const float *in;
    float *out;
    int in_width, out_width, channels;
    bool rounds;
} pass;

static float rounded(const pass *p, float x)
{
    return p->rounds ? floorf(fminf(fmaxf(x, 0.0f), 255.0f) + 0.5f) : x;
}

static void across(void *context, int64_t first, int64_t last, int thread)
{
    const pass *p = context;
    (void)thread;
    for (int64_t y = first; y < last; y++) {
        const float *row = p->in + y * p->in_width * p->channels;
        float *out = p->out + y * p->out_width * p->channels;
        for (int x = 0; x < p->out_width; x++) {
            const int *at = p->axis->at + x * p->axis->taps;
            const float *weights = p->axis->weights + x * p->axis->taps;
            for (int c = 0; c < p->channels; c++) {
                float sum = 0.0f;
                for (int k = 0; k < p->axis->taps; k++) {
                    sum += weights[k] * row[at[k] * p->channels + c];
                }
                out[x * p->channels + c] = rounded(p, sum);
            }
        }
    }
}

static void down(void *context, int64_t first, int64_t last, int thread)
{
    const pass *p = context;
    const int64_t width = (int64_t)p->out_width * p->channels;
    (void)thread;
    for (int64_t y = first; y < last; y++) {
        const int *at = p->axis->at + y * p->axis->taps;
        const float *weights = p->axis->weights + y * p->axis->taps;
        for (int64_t i = 0; i < width; i++) {
            float sum = 0.0f;
            for (int k = 0; k < p->axis->taps; k++) {
                sum += weights[k] * p->in[at[k] * width + i];
            }
            p->out[y * width + i] = rounded(p, sum);
        }
    }
}

static lyc_status resize(float *out, int out_width, int out_height, const float *in, int width, int height,
                         int channels, lyc_filter filter, bool rounds, lyc_error *err)
{
    axis x = {0}, y = {0};
    size_t n;
    float *between_passes = NULL;
    const bool shrinks = out_width <= width && out_height <= height;
    lyc_status status = make_axis(&x, width, out_width, filter, shrinks, err);
    status = status != LYC_OK ? status : make_axis(&y, height, out_height, filter, shrinks, err);
    if (status == LYC_OK && lyc_size_mul(&n, (size_t)height, (size_t)out_width) &&
        lyc_size_mul(&n, n, (size_t)channels)) {
        between_passes = lyc_alloc_zero(n, sizeof *between_passes);
    }
    if (status == LYC_OK && between_passes == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory to resize a picture");
    }
    if (status == LYC_OK) {
        pass p = {.axis = &x,
                  .in = in,
                  .out = between_passes,
                  .in_width = width,
                  .out_width = out_width,
                  .channels = channels,
                  .rounds = rounds && filters[filter].rounds_between};
        lyc_parallel_for(height, across, &p);
        p.axis = &y;
        p.in = between_passes;
        p.out = out;
        p.rounds = rounds;
        lyc_parallel_for(out_height, down, &p);
    }
    lyc_free(between_passes);
    axis_clear(&x);
    axis_clear(&y);
    return status;
}

lyc_status lyc_filter_floats(float *out, int out_width, int out_height, const float *in, int width, int height,
                             int channels, lyc_filter filter, lyc_error *err)
{
    return resize(out, out_width, out_height, in, width, height, channels, filter, false, err);
}

lyc_status lyc_filter_image(lyc_image *out, int width, int height, const lyc_image *in, lyc_filter filter,
                            lyc_error *err)
{
    const size_t n_in = (size_t)in->width * (size_t)in->height * (size_t)in->channels; /* fits: an image in memory */
    LYC_TRY(lyc_image_init(out, width, height, in->channels, err));
    const size_t n_out = (size_t)width * (size_t)height * (size_t)in->channels; /* fits: made just now */
    float *numbers = lyc_alloc_zero(n_in + n_out, sizeof *numbers);
    if (numbers == NULL) {
        lyc_image_clear(out);
        return lyc_fail(err, LYC_E_MEMORY, "no memory to resize a picture");
    }
    for (size_t i = 0; i < n_in; i++) {
        numbers[i] = (float)in->data[i];
    }
    const lyc_status status =
        resize(numbers + n_in, width, height, numbers, in->width, in->height, in->channels, filter, true, err);
    for (size_t i = 0; status == LYC_OK && i < n_out; i++) {
        out->data[i] = (unsigned char)numbers[n_in + i];
    }
    lyc_free(numbers);
    if (status != LYC_OK) {
        lyc_image_clear(out);
    }
    return status;
}
