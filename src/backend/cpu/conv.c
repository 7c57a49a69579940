/* conv.c - describes convolutions as passes, packs their weights, runs them on the product engine
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/conv.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"

enum { COPY_CHANNELS = 64 }; /* images of fewer channels are copied with a border */

/* ---- description ---- */

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Taps of one axis that meet pixels of remainder `phase`, in ascending order of what they read: at[i] and the kernel's
 * index. Returns how many; NULL pointers only count. */
static int phase_taps(int64_t *at, int *index, int axis, int64_t kernel, const lyc_conv2d_attr *attr, int64_t phase)
{
    int n = 0;
    for (int64_t u = kernel - 1; u >= 0; u--) {
        const int64_t distance = phase + attr->pad[axis] - u * attr->dilation[axis];
        if (distance % attr->stride[axis] != 0) {
            continue;
        }
        if (at != NULL) {
            at[n] = distance / attr->stride[axis];
            index[n] = (int)u;
        }
        n++;
    }
    return n;
}

/* The same of a forward convolution: all of them. */
static int forward_taps(int64_t *at, int *index, int axis, int64_t kernel, const lyc_conv2d_attr *attr)
{
    for (int64_t u = 0; u < kernel && at != NULL; u++) {
        at[u] = u * attr->dilation[axis] - attr->pad[axis];
        index[u] = (int)u;
    }
    return (int)kernel;
}

/* One axis of a pass. */
static void describe_axis(lyc_conv_pass *pass, int *index, int axis, const lyc_conv *conv, const lyc_conv2d_attr *attr,
                          int64_t phase)
{
    if (conv->backward) {
        pass->taps[axis] = phase_taps(pass->at[axis], index, axis, conv->kernel[axis], attr, phase);
        pass->step[axis] = 1;
        pass->target_step[axis] = attr->stride[axis];
        pass->target_first[axis] = phase;
        pass->grid[axis] = max_i64(0, (conv->target[axis] - phase + attr->stride[axis] - 1) / attr->stride[axis]);
    } else {
        pass->taps[axis] = forward_taps(pass->at[axis], index, axis, conv->kernel[axis], attr);
        pass->step[axis] = attr->stride[axis];
        pass->target_step[axis] = 1;
        pass->target_first[axis] = 0;
        pass->grid[axis] = conv->target[axis];
    }
}

/* How far the pass reads past the image on each side. */
static void widen_border(int64_t *border, const lyc_conv_pass *pass, const int64_t *source)
{
    for (int axis = 0; axis < 2; axis++) {
        for (int u = 0; u < pass->taps[axis] && pass->grid[axis] > 0; u++) {
            const int64_t first = pass->at[axis][u];
            const int64_t last = first + (pass->grid[axis] - 1) * pass->step[axis];
            border[axis] = max_i64(border[axis], -first);
            border[axis + 2] = max_i64(border[axis + 2], last - (source[axis] - 1));
        }
    }
}

static bool taps_are_neighbours(const lyc_conv_pass *pass)
{
    for (int v = 1; v < pass->taps[1]; v++) {
        if (pass->at[1][v] != pass->at[1][v - 1] + 1) {
            return false;
        }
    }
    return true;
}

/* Copies pay where they join several taps into one stretch. */
static bool wants_copy(const lyc_conv *conv)
{
    bool joins = false;
    for (int i = 0; i < conv->passes; i++) {
        joins = joins || conv->pass[i].taps[1] > 1;
        if (!taps_are_neighbours(&conv->pass[i])) {
            return false;
        }
    }
    return joins && conv->groups == 1 && conv->source_channels < COPY_CHANNELS;
}

static void describe(lyc_conv *conv, const lyc_conv2d_attr *attr, int64_t *places, int *indices)
{
    for (int i = 0; i < conv->passes; i++) {
        lyc_conv_pass *pass = &conv->pass[i];
        const int64_t phase[2] = {i / attr->stride[1], i % attr->stride[1]};
        int *index[2];
        for (int axis = 0; axis < 2; axis++) {
            pass->at[axis] = places;
            index[axis] = indices;
            describe_axis(pass, indices, axis, conv, attr, phase[axis]);
            places += pass->taps[axis];
            indices += pass->taps[axis];
        }
        pass->weight_at = indices;
        indices += pass->taps[0] * pass->taps[1];
        for (int u = 0; u < pass->taps[0]; u++) {
            for (int v = 0; v < pass->taps[1]; v++) {
                pass->weight_at[u * pass->taps[1] + v] = index[0][u] * (int)conv->kernel[1] + index[1][v];
            }
        }
        widen_border(conv->border, pass, conv->source);
    }
    conv->copy = wants_copy(conv);
}

/* Taps of all passes on each axis; their product over both is the number of kernel elements times one. */
static void count_taps(int64_t *along, int64_t *together, const lyc_conv *conv, const lyc_conv2d_attr *attr)
{
    *along = 0;
    *together = 0;
    for (int i = 0; i < conv->passes; i++) {
        int taps[2];
        for (int axis = 0; axis < 2; axis++) {
            const int64_t phase = axis == 0 ? i / attr->stride[1] : i % attr->stride[1];
            taps[axis] = conv->backward ? phase_taps(NULL, NULL, axis, conv->kernel[axis], attr, phase)
                                        : (int)conv->kernel[axis];
        }
        *along += taps[0] + taps[1];
        *together += (int64_t)taps[0] * taps[1];
    }
}

lyc_status lyc_conv_new(lyc_conv **out, const lyc_conv_shape *shape, const lyc_conv2d_attr *attr, bool backward,
                        lyc_error *err)
{
    lyc_conv conv = {
        .images = shape->images,
        .groups = attr->groups,
        .backward = backward,
        .passes = backward ? attr->stride[0] * attr->stride[1] : 1,
    };
    for (int axis = 0; axis < 2; axis++) {
        conv.source[axis] = backward ? shape->y[axis] : shape->x[axis];
        conv.target[axis] = backward ? shape->x[axis] : shape->y[axis];
        conv.kernel[axis] = shape->kernel[axis];
    }
    conv.source_channels = (backward ? shape->y_channels : shape->x_channels) / attr->groups;
    conv.target_channels = (backward ? shape->x_channels : shape->y_channels) / attr->groups;
    int64_t along;
    int64_t together;
    count_taps(&along, &together, &conv, attr);
    const size_t pass_bytes = (size_t)conv.passes * sizeof *conv.pass;
    const size_t place_bytes = (size_t)along * sizeof(int64_t);
    char *block = lyc_alloc_zero(1, sizeof conv + pass_bytes + place_bytes + (size_t)(along + together) * sizeof(int));
    if (block == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a convolution");
    }
    *out = (lyc_conv *)(void *)block;
    conv.pass = (lyc_conv_pass *)(void *)(block + sizeof conv);
    **out = conv;
    describe(*out, attr, (int64_t *)(void *)(block + sizeof conv + pass_bytes),
             (int *)(void *)(block + sizeof conv + pass_bytes + place_bytes));
    return LYC_OK;
}

static int64_t pass_k(const lyc_conv *conv, const lyc_conv_pass *pass)
{
    return (int64_t)pass->taps[0] * pass->taps[1] * conv->source_channels;
}

/* ---- weights ---- */

static size_t group_bytes(const lyc_conv *conv, const lyc_conv_pass *pass, const lyc_gemm_isa *isa, lyc_dtype dtype)
{
    return lyc_gemm_packed_bytes(isa, dtype, conv->target_channels, pass_k(conv, pass));
}

/* Where the packed weights of pass i begin; i = passes: where they all end. */
static size_t packed_at(const lyc_conv *conv, int i, const lyc_gemm_isa *isa, lyc_dtype dtype)
{
    size_t at = 0;
    for (int before = 0; before < i; before++) {
        at += (size_t)conv->groups * group_bytes(conv, &conv->pass[before], isa, dtype);
    }
    return at;
}

size_t lyc_conv_packed_bytes(const lyc_conv *conv, const lyc_gemm_isa *isa, lyc_dtype panel_dtype)
{
    return packed_at(conv, conv->passes, isa, panel_dtype);
}

lyc_status lyc_conv_pack(void *dst, const lyc_conv *conv, const lyc_gemm_isa *isa, lyc_dtype panel_dtype,
                         const void *weight, lyc_dtype stored, lyc_error *err)
{
    const int64_t kernel = conv->kernel[0] * conv->kernel[1];
    const int64_t inputs = conv->backward ? conv->target_channels : conv->source_channels;
    const int64_t outputs = conv->backward ? conv->source_channels : conv->target_channels;
    char *to = dst;
    for (int i = 0; i < conv->passes; i++) {
        const lyc_conv_pass *pass = &conv->pass[i];
        lyc_gemm_weights w = {
            .base = weight,
            .dtype = stored,
            .columns = conv->target_channels,
            .channels = conv->source_channels,
            .column_step = conv->backward ? kernel : inputs * kernel,
            .channel_step = conv->backward ? inputs * kernel : kernel,
            .taps = pass->taps[0] * pass->taps[1],
            .tap_at = pass->weight_at,
        };
        for (int group = 0; group < conv->groups; group++) {
            w.first = group * outputs * inputs * kernel;
            if (w.taps > 0) {
                LYC_TRY(lyc_gemm_pack_weights(to, isa, panel_dtype, &w, err));
            }
            to += group_bytes(conv, pass, isa, panel_dtype);
        }
    }
    return LYC_OK;
}

/* ---- where pixels are ---- */

/* The source image of a product: the original or the copy with a border. */
typedef struct conv_image {
    const char *base;
    int64_t h, w;
    int64_t pixel_bytes; /* of all groups */
    int64_t channel_bytes;
    int64_t border[2]; /* added to positions */
} conv_image;

/* Pixels that grid pixels [i, i + n) of a pass read by tap (u, v), plus an offset; NULL outside of the image. */
static void point_pixels(const void **to, const lyc_conv_pass *pass, const conv_image *image, int u, int v, int64_t i,
                         int64_t n, int64_t offset_bytes)
{
    int64_t x = i % pass->grid[1];
    int64_t y = i / pass->grid[1] % pass->grid[0];
    int64_t picture = i / pass->grid[1] / pass->grid[0];
    const int64_t dy = pass->at[0][u] + image->border[0];
    const int64_t dx = pass->at[1][v] + image->border[1];
    while (n > 0) {
        const int64_t count = min_i64(n, pass->grid[1] - x);
        const int64_t source_y = y * pass->step[0] + dy;
        const bool inside = source_y >= 0 && source_y < image->h;
        int64_t source_x = x * pass->step[1] + dx;
        int64_t at = ((picture * image->h + source_y) * image->w + source_x) * image->pixel_bytes + offset_bytes;
        for (int64_t q = 0; q < count; q++) {
            to[q] = inside && source_x >= 0 && source_x < image->w ? image->base + at : NULL;
            source_x += pass->step[1];
            at += pass->step[1] * image->pixel_bytes;
        }
        to += count;
        n -= count;
        x = 0;
        if (++y == pass->grid[0]) {
            y = 0;
            picture++;
        }
    }
}

/* ---- forward, and backward by data ---- */

typedef struct patch_source {
    lyc_gemm_source source;
    const lyc_conv *conv;
    const lyc_conv_pass *pass;
    conv_image image;
} patch_source;

static int point_patches(const lyc_gemm_source *source, const void **to, int64_t batch, int64_t i, int n, int64_t k,
                         int count)
{
    const patch_source *s = (const patch_source *)source;
    const int64_t channels = s->conv->source_channels;
    const int64_t tap = k / channels;
    const int u = (int)(tap / s->pass->taps[1]);
    const int v = (int)(tap % s->pass->taps[1]);
    const int64_t channel = k % channels;
    point_pixels(to, s->pass, &s->image, u, v, i, n, (batch * channels + channel) * s->image.channel_bytes);
    /* In the copy with a border the rest of the kernel's row follows. */
    const int64_t together = s->conv->copy ? s->pass->taps[1] - v : 1;
    return (int)min_i64(count, together * channels - channel);
}

typedef struct pixel_output {
    lyc_gemm_output output;
    const lyc_conv *conv;
    const lyc_conv_pass *pass;
} pixel_output;

static void place_pixels(const lyc_gemm_output *c, int64_t *row_at, int64_t batch, int64_t row, int rows)
{
    const pixel_output *o = (const pixel_output *)c;
    const lyc_conv_pass *pass = o->pass;
    const int64_t channels = o->conv->target_channels * o->conv->groups;
    (void)batch; /* groups differ in columns */
    for (int r = 0; r < rows; r++) {
        const int64_t x = (row + r) % pass->grid[1];
        const int64_t y = (row + r) / pass->grid[1] % pass->grid[0];
        const int64_t picture = (row + r) / pass->grid[1] / pass->grid[0];
        const int64_t target_y = y * pass->target_step[0] + pass->target_first[0];
        const int64_t target_x = x * pass->target_step[1] + pass->target_first[1];
        row_at[r] = ((picture * o->conv->target[0] + target_y) * o->conv->target[1] + target_x) * channels;
    }
}

static lyc_gemm pass_product(const lyc_conv *conv, const lyc_conv_pass *pass, const lyc_conv_call *call)
{
    return (lyc_gemm){
        .isa = call->isa,
        .form = call->form,
        .batch = conv->groups,
        .m = conv->images * pass->grid[0] * pass->grid[1],
        .n = conv->target_channels,
        .k = pass_k(conv, pass),
        .prepacked = true,
    };
}

/* The parts of the workspace: weights packed at run time, the copy with a border, the product's own. */
typedef struct conv_parts {
    size_t packed_bytes;
    size_t copy_bytes;
    size_t product_bytes;
} conv_parts;

static size_t round_up(size_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static size_t copy_bytes(const lyc_conv *conv, lyc_dtype dtype)
{
    const int64_t h = conv->source[0] + conv->border[0] + conv->border[2];
    const int64_t w = conv->source[1] + conv->border[1] + conv->border[3];
    return (size_t)(conv->images * h * w * conv->source_channels * (lyc_dtype_bits(dtype) / 8));
}

static conv_parts parts_of(const lyc_conv *conv, const lyc_conv_call *call, int threads)
{
    conv_parts parts = {0};
    if (!call->prepacked) {
        parts.packed_bytes = round_up(lyc_conv_packed_bytes(conv, call->isa, lyc_gemm_panel_dtype(call->form)));
    }
    if (conv->copy) {
        parts.copy_bytes = round_up(copy_bytes(conv, call->source_dtype));
    }
    for (int i = 0; i < conv->passes; i++) {
        const lyc_gemm g = pass_product(conv, &conv->pass[i], call);
        if (g.m > 0) {
            const size_t bytes = lyc_gemm_workspace(&g, threads);
            parts.product_bytes = bytes > parts.product_bytes ? bytes : parts.product_bytes;
        }
    }
    return parts;
}

size_t lyc_conv_workspace(const lyc_conv *conv, const lyc_conv_call *call, int threads)
{
    const conv_parts parts = parts_of(conv, call, threads);
    return parts.packed_bytes + parts.copy_bytes + parts.product_bytes;
}

/* Rows of the copy. */
typedef struct border_copy {
    const lyc_conv *conv;
    const char *src;
    char *dst;
    size_t pixel_bytes;
} border_copy;

static void copy_rows(void *context, int64_t first, int64_t last, int thread)
{
    const border_copy *c = context;
    const lyc_conv *conv = c->conv;
    (void)thread;
    const int64_t h = conv->source[0] + conv->border[0] + conv->border[2];
    const size_t left = (size_t)conv->border[1] * c->pixel_bytes;
    const size_t middle = (size_t)conv->source[1] * c->pixel_bytes;
    const size_t right = (size_t)conv->border[3] * c->pixel_bytes;
    for (int64_t row = first; row < last; row++) {
        const int64_t y = row % h - conv->border[0];
        char *to = c->dst + (size_t)row * (left + middle + right);
        if (y < 0 || y >= conv->source[0]) {
            memset(to, 0, left + middle + right);
            continue;
        }
        memset(to, 0, left);
        memcpy(to + left, c->src + (size_t)(row / h * conv->source[0] + y) * middle, middle);
        memset(to + left + middle, 0, right);
    }
}

/* The image that products read, copied first when the convolution wants that. */
static conv_image bring_image(const lyc_conv *conv, const lyc_conv_call *call, char *copy)
{
    const int64_t channel_bytes = lyc_dtype_bits(call->source_dtype) / 8;
    conv_image image = {
        .base = call->source,
        .h = conv->source[0],
        .w = conv->source[1],
        .pixel_bytes = conv->source_channels * conv->groups * channel_bytes,
        .channel_bytes = channel_bytes,
    };
    if (conv->copy) {
        border_copy c = {.conv = conv, .src = call->source, .dst = copy, .pixel_bytes = (size_t)image.pixel_bytes};
        image.base = copy;
        image.h += conv->border[0] + conv->border[2];
        image.w += conv->border[1] + conv->border[3];
        image.border[0] = conv->border[0];
        image.border[1] = conv->border[1];
        const double ns_a_byte = 0.1;
        const int64_t rows = conv->images * image.h;
        lyc_parallel_chunks(rows, ns_a_byte * (double)(rows * image.w * image.pixel_bytes), copy_rows, &c);
    }
    return image;
}

lyc_status lyc_conv_run(const lyc_conv *conv, const lyc_conv_call *call, void *workspace, lyc_error *err)
{
    const conv_parts parts = parts_of(conv, call, lyc_thread_count());
    const lyc_dtype panel_dtype = lyc_gemm_panel_dtype(call->form);
    char *packed = workspace;
    char *copy = packed + parts.packed_bytes;
    if (!call->prepacked) {
        LYC_TRY(lyc_conv_pack(packed, conv, call->isa, panel_dtype, call->weight, call->weight_dtype, err));
    }
    const char *weights = call->prepacked ? call->weight : packed;
    const conv_image image = bring_image(conv, call, copy);
    for (int i = 0; i < conv->passes; i++) {
        const lyc_conv_pass *pass = &conv->pass[i];
        const patch_source a = {.source = {.point = point_patches, .dtype = call->source_dtype}, conv, pass, image};
        const pixel_output c = {
            .output = {.place = place_pixels, .finish = call->finish, .batch_columns = conv->target_channels},
            conv,
            pass};
        lyc_gemm g = pass_product(conv, pass, call);
        g.a = &a.source;
        g.c = &c.output;
        g.packed = weights + packed_at(conv, i, call->isa, panel_dtype);
        if (g.m > 0) {
            lyc_gemm_run(&g, copy + parts.copy_bytes);
        }
    }
    return LYC_OK;
}

/* ---- backward by weights ---- */

/* Columns are ordered by blocks of input channels as wide as a panel, then taps: a panel holds one tap of a block,
 * whose channels lie side by side in every pixel. Elements of k are the pixels of d_y. */
typedef struct tap_source {
    lyc_gemm_source source;
    const lyc_conv *conv;
    const lyc_conv_pass *pass;
    conv_image image;
    int width; /* of a panel */
} tap_source;

static int64_t pass_taps(const lyc_conv_pass *pass)
{
    return (int64_t)pass->taps[0] * pass->taps[1];
}

static int point_taps(const lyc_gemm_source *source, const void **to, int64_t batch, int64_t i, int n, int64_t k,
                      int count)
{
    const tap_source *s = (const tap_source *)source;
    const int64_t panel = i / s->width;
    const int64_t tap = panel % pass_taps(s->pass);
    const int64_t channel = panel / pass_taps(s->pass) * s->width;
    (void)n;
    point_pixels(to, s->pass, &s->image, (int)(tap / s->pass->taps[1]), (int)(tap % s->pass->taps[1]), k, count,
                 (batch * s->conv->source_channels + channel) * s->image.channel_bytes);
    return count;
}

static int tap_width(const lyc_gemm_source *source, int64_t i)
{
    const tap_source *s = (const tap_source *)source;
    const int64_t channel = i / s->width / pass_taps(s->pass) * s->width;
    return (int)min_i64(s->width, s->conv->source_channels - channel);
}

typedef struct weight_output {
    lyc_gemm_output output;
    const tap_source *b;
    float *d_weight;
} weight_output;

static void place_weights(const lyc_gemm_output *c, int64_t *row_at, int64_t batch, int64_t row, int rows)
{
    const weight_output *o = (const weight_output *)c;
    const lyc_conv *conv = o->b->conv;
    const int64_t row_elements = conv->source_channels * pass_taps(o->b->pass);
    for (int r = 0; r < rows; r++) {
        row_at[r] = (batch * conv->target_channels + row + r) * row_elements;
    }
}

/* Element j of a panel is channel j of its block at the panel's tap: taps are neighbours in the result. */
static void store_weights(const lyc_gemm_output *c, const float *sums, int panel_columns, int rows,
                          const int64_t *row_at, int64_t column, int columns)
{
    const weight_output *o = (const weight_output *)c;
    const int64_t taps = pass_taps(o->b->pass);
    const int64_t panel = column / o->b->width;
    const int64_t first = panel / taps * o->b->width * taps + panel % taps;
    const int valid = tap_width(&o->b->source, column);
    (void)columns;
    for (int r = 0; r < rows; r++) {
        float *to = o->d_weight + row_at[r] + first;
        const float *from = sums + r * panel_columns;
        for (int j = 0; j < valid; j++) {
            to[j * taps] = from[j];
        }
    }
}

static lyc_gemm weights_product(const lyc_conv *conv, const lyc_conv_weights_call *call)
{
    const lyc_conv_pass *pass = &conv->pass[0];
    const int width = lyc_gemm_panel_columns(call->isa);
    assert(!conv->backward);
    return (lyc_gemm){
        .isa = call->isa,
        .form = call->form,
        .batch = conv->groups,
        .m = conv->target_channels,
        .n = (conv->source_channels + width - 1) / width * width * pass_taps(pass),
        .k = conv->images * pass->grid[0] * pass->grid[1],
    };
}

size_t lyc_conv_weights_workspace(const lyc_conv *conv, const lyc_conv_weights_call *call, int threads)
{
    const lyc_gemm_output c = {.panel_group = (int)pass_taps(&conv->pass[0])};
    lyc_gemm g = weights_product(conv, call);
    g.c = &c;
    return lyc_gemm_workspace(&g, threads);
}

void lyc_conv_weights_run(const lyc_conv *conv, const lyc_conv_weights_call *call, void *workspace)
{
    const int64_t channel_bytes = lyc_dtype_bits(call->x_dtype) / 8;
    const tap_source b = {
        .source = {.point = point_taps, .width = tap_width, .dtype = call->x_dtype, .by_k = true},
        .conv = conv,
        .pass = &conv->pass[0],
        .image = {.base = call->x,
                  .h = conv->source[0],
                  .w = conv->source[1],
                  .pixel_bytes = conv->source_channels * conv->groups * channel_bytes,
                  .channel_bytes = channel_bytes},
        .width = lyc_gemm_panel_columns(call->isa),
    };
    const lyc_gemm_matrix a = lyc_gemm_matrix_source(call->d_y, call->d_y_dtype, true,
                                                     conv->target_channels * conv->groups, conv->target_channels);
    const weight_output c = {
        .output = {.place = place_weights, .store = store_weights, .panel_group = (int)pass_taps(&conv->pass[0])},
        .b = &b,
        .d_weight = call->d_weight};
    lyc_gemm g = weights_product(conv, call);
    g.a = &a.source;
    g.b = &b.source;
    g.c = &c.output;
    lyc_gemm_run(&g, workspace);
}
