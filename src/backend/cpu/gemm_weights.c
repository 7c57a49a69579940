/* gemm_weights.c - packs weights of any stored type into panels, once
 *
 * One panel and a few channels at a time: what is contiguous in memory is converted to f32 into a small buffer, laid
 * out as lines of the panel (all columns of one k), and handed to the instruction set's panel_from_rows. Weights of one
 * tap whose channels are contiguous (linear layers) go the shorter way through panel_from_columns. Stretches are short
 * and far apart, so that no processor fetches them by itself: the next ones are asked for meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdatomic.h>

#include "backend/cpu/gemm.h"
#include "base/thread.h"
#include "tensor/convert/convert.h"
#include "tensor/dtype.h"

enum {
    BUFFER = 8192, /* floats of converted weights: 32 KB on the stack */
    CHANNELS = 64, /* most channels at a time; even, for pairs */
};

lyc_dtype lyc_gemm_weight_dtype(lyc_dtype wanted, lyc_dtype stored)
{
    switch (stored) { /* every value of these is a bf16 */
    case LYC_BF16:
    case LYC_F8_E4M3:
    case LYC_F8_E5M2:
    case LYC_F8_E4M3FNUZ:
    case LYC_F8_E5M2FNUZ:
    case LYC_F8_E8M0:
        return LYC_BF16;
    default:
        return wanted;
    }
}

lyc_gemm_form lyc_gemm_packed_form(const lyc_gemm_isa *isa, lyc_dtype a, lyc_dtype panel_dtype)
{
    if (panel_dtype == LYC_F32) {
        return LYC_GEMM_F32;
    }
    return a == LYC_BF16 && isa->has_dot ? LYC_GEMM_DOT : LYC_GEMM_WIDEN;
}

typedef struct packing {
    const lyc_gemm_isa *isa;
    const lyc_gemm_weights *w;
    lyc_convert_run widen; /* NULL: not by way of f32 */
    lyc_dtype panel_dtype;
    char *dst;
    atomic_int status; /* the first failure */
} packing;

/* One panel. */
typedef struct panel_place {
    char *dst;
    int vectors;
    int64_t column;
    int columns;
} panel_place;

static const char *place_of(const lyc_gemm_weights *w, int64_t at)
{
    return (const char *)w->base + (w->first + at) * lyc_dtype_bits(w->dtype) / 8;
}

static lyc_status convert(float *dst, const packing *p, int64_t at, int64_t n)
{
    if (p->widen != NULL) {
        p->widen(dst, place_of(p->w, at), (size_t)n);
        return LYC_OK;
    }
    return lyc_dtype_convert(dst, LYC_F32, place_of(p->w, at), p->w->dtype, (size_t)n, NULL);
}

/* Asks for n elements that are needed soon. */
static void fetch(const lyc_gemm_weights *w, int64_t at, int64_t n)
{
    const char *from = place_of(w, at);
    const char *end = place_of(w, at + n);
    for (; from < end; from += 64) {
        __builtin_prefetch(from);
    }
}

static int tap_at(const lyc_gemm_weights *w, int tap)
{
    return w->tap_at != NULL ? w->tap_at[tap] : 0;
}

/* Elements of the buffer between neighbouring channels or columns, whichever is contiguous: the taps, all of them. */
static int64_t inner_step(const lyc_gemm_weights *w)
{
    return w->column_step < w->channel_step ? w->column_step : w->channel_step;
}

/* Columns by one tap, channels contiguous: [n,k] as it is. */
static lyc_status pack_columns(const packing *p, const panel_place *place, int64_t channel, int count)
{
    float buffer[LYC_GEMM_COLUMNS_MAX * CHANNELS];
    const void *columns[LYC_GEMM_COLUMNS_MAX];
    for (int j = 0; j < place->columns; j++) {
        const int64_t at = (place->column + j) * p->w->column_step + channel;
        const int64_t left = p->w->channels - channel - count;
        columns[j] = buffer + j * CHANNELS;
        fetch(p->w, at + count, left < CHANNELS ? left : CHANNELS);
        LYC_TRY(convert(buffer + j * CHANNELS, p, at, count));
    }
    p->isa->panel_from_columns(place->dst + lyc_gemm_panel_bytes(p->isa, p->panel_dtype, place->vectors, channel),
                               p->panel_dtype, place->vectors, columns, LYC_F32, count, place->columns);
    return LYC_OK;
}

/* Whether the channels of one column follow each other, column after column; else the columns of one channel do. */
static bool channels_are_inner(const lyc_gemm_weights *w)
{
    return w->channel_step == inner_step(w) && w->column_step != inner_step(w);
}

/* Lines of all columns, taps innermost: of weights [column][channel][tap]. */
static lyc_status turn_columns(float *lines, float *buffer, const packing *p, const panel_place *place, int64_t channel,
                               int count)
{
    const lyc_gemm_weights *w = p->w;
    const void *columns[LYC_GEMM_COLUMNS_MAX];
    const int64_t length = count * w->channel_step;
    const int64_t left = (w->channels - channel - count) * w->channel_step;
    for (int j = 0; j < place->columns; j++) {
        const int64_t at = (place->column + j) * w->column_step + channel * w->channel_step;
        columns[j] = buffer + j * length;
        fetch(w, at + length, left < length ? left : length);
        LYC_TRY(convert(buffer + j * length, p, at, length));
    }
    p->isa->panel_from_columns(lines, LYC_F32, place->vectors, columns, LYC_F32, (int)length, place->columns);
    return LYC_OK;
}

/* The same of weights [channel][column][tap]. */
static lyc_status turn_channels(float *lines, float *buffer, const packing *p, const panel_place *place,
                                int64_t channel, int count)
{
    const lyc_gemm_weights *w = p->w;
    const int64_t step = w->column_step;
    const int width = place->vectors * p->isa->lanes;
    const int64_t length = place->columns * step;
    for (int c = 0; c < count; c++) {
        const int64_t at = (channel + c) * w->channel_step + place->column * step;
        if (channel + count + c < w->channels) {
            fetch(w, at + count * w->channel_step, length);
        }
        LYC_TRY(convert(buffer, p, at, length));
        for (int64_t tap = 0; tap < step; tap++) {
            float *line = lines + (c * step + tap) * width;
            for (int j = 0; j < place->columns; j++) {
                line[j] = buffer[j * step + tap];
            }
            for (int j = place->columns; j < width; j++) {
                line[j] = 0.0f;
            }
        }
    }
    return LYC_OK;
}

/* Channels [channel, channel + count) of every tap of one panel. */
static lyc_status pack_channels(const packing *p, const panel_place *place, int64_t channel, int count)
{
    const lyc_gemm_weights *w = p->w;
    const int width = place->vectors * p->isa->lanes;
    float buffer[BUFFER];
    float lines[BUFFER]; /* [count][inner_step][width] */
    const void *rows[CHANNELS];
    LYC_TRY(channels_are_inner(w) ? turn_columns(lines, buffer, p, place, channel, count)
                                  : turn_channels(lines, buffer, p, place, channel, count));
    for (int tap = 0; tap < w->taps; tap++) {
        for (int c = 0; c < count; c++) {
            rows[c] = lines + (c * inner_step(w) + tap_at(w, tap)) * width;
        }
        const int64_t k = tap * w->channels + channel;
        p->isa->panel_from_rows(place->dst + lyc_gemm_panel_bytes(p->isa, p->panel_dtype, place->vectors, k),
                                p->panel_dtype, place->vectors, rows, LYC_F32, count, width);
    }
    return LYC_OK;
}

/* Elements [k, k + count) of one panel, one by one: for odd numbers of channels, where pairs reach across taps, and for
 * very large kernels. */
static lyc_status pack_elements(const packing *p, const panel_place *place, int64_t k, int count)
{
    const lyc_gemm_weights *w = p->w;
    const int64_t element_bytes = lyc_dtype_bits(w->dtype) / 8;
    float lines[CHANNELS][LYC_GEMM_COLUMNS_MAX];
    const void *rows[CHANNELS];
    for (int q = 0; q < count; q++) {
        const int tap = (int)((k + q) / w->channels);
        const int64_t channel = (k + q) % w->channels;
        rows[q] = lines[q];
        for (int j = 0; j < place->columns; j++) {
            const int64_t at =
                w->first + (place->column + j) * w->column_step + channel * w->channel_step + tap_at(w, tap);
            lines[q][j] = (float)lyc_dtype_load(w->dtype, (const char *)w->base + at * element_bytes);
        }
    }
    p->isa->panel_from_rows(place->dst + lyc_gemm_panel_bytes(p->isa, p->panel_dtype, place->vectors, k),
                            p->panel_dtype, place->vectors, rows, LYC_F32, count, place->columns);
    return LYC_OK;
}

/* How a panel is packed, and how far one call goes along `extent` (channels, or all of k). */
typedef struct packing_way {
    lyc_status (*pack)(const packing *p, const panel_place *place, int64_t at, int count);
    int64_t extent;
    int64_t most;
} packing_way;

static packing_way choose_way(const packing *p)
{
    const lyc_gemm_weights *w = p->w;
    if (w->taps == 1 && tap_at(w, 0) == 0 && w->channel_step == 1) {
        return (packing_way){pack_columns, w->channels, CHANNELS};
    }
    const int64_t fit = BUFFER / (inner_step(w) * lyc_gemm_panel_columns(p->isa)) / 2 * 2;
    if (fit == 0 || (w->channels % 2 != 0 && p->panel_dtype != LYC_F32)) {
        return (packing_way){pack_elements, w->taps * w->channels, CHANNELS};
    }
    return (packing_way){pack_channels, w->channels, fit < CHANNELS ? fit : CHANNELS};
}

static lyc_status pack_panel(const packing *p, int64_t panel)
{
    const lyc_gemm_weights *w = p->w;
    const int width = lyc_gemm_panel_columns(p->isa);
    panel_place place = {.column = panel * width};
    place.vectors = lyc_gemm_panel_vectors(p->isa, w->columns, panel);
    place.columns = (int)(w->columns - place.column < width ? w->columns - place.column : width);
    place.dst = p->dst + (size_t)panel * lyc_gemm_panel_bytes(p->isa, p->panel_dtype, 2, w->taps * w->channels);
    const packing_way way = choose_way(p);
    for (int64_t at = 0; at < way.extent; at += way.most) {
        const int64_t left = way.extent - at;
        LYC_TRY(way.pack(p, &place, at, (int)(left < way.most ? left : way.most)));
    }
    return LYC_OK;
}

static void pack_panels(void *context, int64_t first, int64_t last, int thread)
{
    packing *p = context;
    (void)thread;
    for (int64_t panel = first; panel < last; panel++) {
        const lyc_status status = pack_panel(p, panel);
        if (status != LYC_OK) {
            atomic_store(&p->status, (int)status);
        }
    }
}

lyc_status lyc_gemm_pack_weights(void *dst, const lyc_gemm_isa *isa, lyc_dtype panel_dtype,
                                 const lyc_gemm_weights *weights, lyc_error *err)
{
    packing p = {.isa = isa,
                 .w = weights,
                 .widen = lyc_convert_table_get()->widen[weights->dtype],
                 .panel_dtype = panel_dtype,
                 .dst = dst};
    const double ns_an_element = 1.0;
    const double elements = (double)weights->columns * (double)weights->channels * weights->taps;
    lyc_parallel_chunks(lyc_gemm_panels(isa, weights->columns), ns_an_element * elements, pack_panels, &p);
    const lyc_status status = (lyc_status)atomic_load(&p.status);
    return status == LYC_OK
               ? LYC_OK
               : lyc_fail(err, status, "weights of type %s cannot be packed", lyc_dtype_name(weights->dtype));
}
