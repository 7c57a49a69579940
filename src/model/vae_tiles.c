/* vae_tiles.c - a picture by tiles that overlap, blended linearly
 *
 * Weights are products of one for the row and one for the column, and so are their sums over all tiles: each axis is
 * normalised on its own, and the output is a plain sum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vae_tiles.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

/* The tiles of one axis, and their weights by output pixel, normalised: weights[index * length + pixel]. */
typedef struct axis {
    int64_t size;
    int64_t tile;
    int64_t overlap;
    int64_t count;
    int64_t length; /* of a tile, in output pixels */
    float *weights;
} axis;

int64_t lyc_tiles_count(int64_t size, int64_t tile, int64_t overlap)
{
    return size <= tile ? 1 : (size - overlap + (tile - overlap) - 1) / (tile - overlap);
}

int64_t lyc_tiles_start(int64_t size, int64_t tile, int64_t overlap, int64_t index)
{
    const int64_t last = lyc_tiles_count(size, tile, overlap) - 1;
    return last == 0 ? 0 : (index * (size - tile) + last / 2) / last;
}

static int64_t start_of(const axis *a, int64_t index)
{
    return lyc_tiles_start(a->size, a->tile, a->overlap, index);
}

/* Rises from the inner edges of a tile over the overlap; 1 at the borders of the picture. */
static float ramp(const axis *a, int64_t index, int64_t pixel, int64_t overlap)
{
    const float step = 1.0f / (float)(overlap + 1);
    const float left = index > 0 ? (float)(pixel + 1) * step : 1.0f;
    const float right = index + 1 < a->count ? (float)(a->length - pixel) * step : 1.0f;
    const float smaller = left < right ? left : right;
    return smaller < 1.0f ? smaller : 1.0f;
}

static lyc_status plan_axis(axis *a, int64_t size, const lyc_tiling *t, lyc_error *err)
{
    *a = (axis){.size = size, .tile = size < t->tile ? size : t->tile, .overlap = t->overlap};
    a->count = lyc_tiles_count(size, t->tile, t->overlap);
    a->length = a->tile * t->out_scale;
    a->weights = lyc_alloc((size_t)(a->count * a->length) * sizeof(float));
    float *sum = lyc_alloc_zero((size_t)(size * t->out_scale), sizeof *sum);
    if (a->weights == NULL || sum == NULL) {
        lyc_free(sum);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the tiles of a picture");
    }
    for (int64_t i = 0; i < a->count; i++) {
        for (int64_t p = 0; p < a->length; p++) {
            a->weights[i * a->length + p] = ramp(a, i, p, t->overlap * t->out_scale);
            sum[start_of(a, i) * t->out_scale + p] += a->weights[i * a->length + p];
        }
    }
    for (int64_t i = 0; i < a->count; i++) {
        for (int64_t p = 0; p < a->length; p++) {
            a->weights[i * a->length + p] /= sum[start_of(a, i) * t->out_scale + p];
        }
    }
    lyc_free(sum);
    return LYC_OK;
}

static void cut(float *tile, const float *in, const lyc_tiling *t, const axis *y, const axis *x, int64_t top,
                int64_t left)
{
    const int64_t rows = y->tile * t->in_scale;
    const int64_t row = x->tile * t->in_scale * t->in_channels;
    const int64_t in_row = t->w * t->in_scale * t->in_channels;
    const float *from = in + top * t->in_scale * in_row + left * t->in_scale * t->in_channels;
    for (int64_t r = 0; r < rows; r++) {
        memcpy(tile + r * row, from + r * in_row, (size_t)row * sizeof *tile);
    }
}

/* out += weights * tile. wy, wx: the weights of this tile. */
static void blend(float *out, const float *tile, const lyc_tiling *t, const axis *y, const axis *x, const float *wy,
                  const float *wx)
{
    const int64_t c = t->out_channels;
    for (int64_t r = 0; r < y->length; r++) {
        float *to = out + r * t->w * t->out_scale * c;
        const float *from = tile + r * x->length * c;
        for (int64_t p = 0; p < x->length; p++) {
            const float weight = wy[r] * wx[p];
            for (int64_t k = 0; k < c; k++) {
                to[p * c + k] += weight * from[p * c + k];
            }
        }
    }
}

lyc_status lyc_tiles_run(float *out, const float *in, const lyc_tiling *t, lyc_tile_function function, void *context,
                         lyc_error *err)
{
    assert(t->overlap >= 0 && t->overlap < t->tile);
    axis y = {0};
    axis x = {0};
    float *tile_in = NULL;
    float *tile_out = NULL;
    lyc_status status = plan_axis(&y, t->h, t, err);
    if (status != LYC_OK || (status = plan_axis(&x, t->w, t, err)) != LYC_OK) {
        goto done;
    }
    tile_in = lyc_alloc((size_t)(y.tile * x.tile * t->in_scale * t->in_scale * t->in_channels) * sizeof *tile_in);
    tile_out = lyc_alloc((size_t)(y.length * x.length * t->out_channels) * sizeof *tile_out);
    if (tile_in == NULL || tile_out == NULL) {
        status = lyc_fail(err, LYC_E_MEMORY, "no memory for the tiles of a picture");
        goto done;
    }
    memset(out, 0, (size_t)(t->h * t->w * t->out_scale * t->out_scale * t->out_channels) * sizeof *out);
    for (int64_t i = 0; i < y.count && status == LYC_OK; i++) {
        for (int64_t j = 0; j < x.count && status == LYC_OK; j++) {
            const int64_t top = start_of(&y, i);
            const int64_t left = start_of(&x, j);
            cut(tile_in, in, t, &y, &x, top, left);
            status = function(tile_out, tile_in, y.tile, x.tile, context, err);
            float *corner = out + (top * t->out_scale * t->w + left) * t->out_scale * t->out_channels;
            if (status == LYC_OK) {
                blend(corner, tile_out, t, &y, &x, y.weights + i * y.length, x.weights + j * x.length);
            }
        }
    }
done:
    lyc_free(tile_in);
    lyc_free(tile_out);
    lyc_free(y.weights);
    lyc_free(x.weights);
    return status;
}
