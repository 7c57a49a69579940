/* vgg.c - the convolutions of VGG-16 and VGG-19
 *
 * A convolution at index k has its ReLU at k + 1; behind a stage comes a pooling. So stage 0 has indices 0 and 2, its
 * pooling is 4, stage 1 begins at 5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vgg.h"

#include <stdio.h>

#include "graph/ops/matmul.h"
#include "tensor/shape.h"

const int lyc_vgg_style_taps[5] = {0, 5, 10, 19, 28};

static bool find(lyc_weight_view *out, const void *context, const char *name, const lyc_shape *shape)
{
    (void)shape;
    const lyc_vgg *vgg = context;
    char key[128];
    lyc_tensor_view t;
    if (snprintf(key, sizeof key, "%s%s", vgg->prefix, name) >= (int)sizeof key ||
        !lyc_safetensors_find(&t, vgg->file, key)) {
        return false;
    }
    *out = (lyc_weight_view){.name = t.name,
                             .key = t.name,
                             .file = vgg->path,
                             .dtype = t.dtype,
                             .shape = t.shape,
                             .data = t.data,
                             .size_bytes = t.size_bytes,
                             .file_offset = t.file_offset};
    return true;
}

lyc_weight_source lyc_vgg_source(const lyc_vgg *vgg)
{
    return (lyc_weight_source){.find = find, .context = vgg, .file = vgg->path};
}

/* Output channels of the convolution at an index; 0 when there is none. */
static int channels_at(const lyc_vgg *vgg, int index)
{
    char name[32];
    lyc_weight_view v;
    snprintf(name, sizeof name, "%d.weight", index);
    return find(&v, vgg, name, NULL) && v.shape.rank == 4 && v.shape.dims[0] < INT32_MAX ? (int)v.shape.dims[0] : 0;
}

static void read_channels(lyc_vgg *vgg, int deep)
{
    int index = 0;
    for (int stage = 0; stage < LYC_VGG_STAGES; stage++) {
        const int convs = stage < 2 ? 2 : deep;
        for (int i = 0; i < convs; i++, index += 2) {
            vgg->channels[index] = channels_at(vgg, index);
            vgg->convs[stage] += vgg->channels[index] > 0;
        }
        index++; /* the pooling */
    }
}

lyc_status lyc_vgg_init(lyc_vgg *vgg, const lyc_safetensors *file, const char *path, const char *prefix, lyc_error *err)
{
    lyc_weight_view v;
    *vgg = (lyc_vgg){.file = file, .path = path};
    snprintf(vgg->prefix, sizeof vgg->prefix, "%sfeatures.", prefix);
    if (channels_at(vgg, 0) == 0) {
        snprintf(vgg->prefix, sizeof vgg->prefix, "%s", prefix);
    }
    if (find(&v, vgg, "1.weight", NULL)) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: a VGG with batch norm (%s), expected one without", path, v.key);
    }
    const bool deep = channels_at(vgg, 16) > 0;
    if (channels_at(vgg, 0) == 0 || (!deep && channels_at(vgg, 17) == 0)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: no VGG-16 or VGG-19: it has no features.0.weight, or neither 16 nor 17",
                        path);
    }
    read_channels(vgg, deep ? 4 : 3);
    return LYC_OK;
}

static lyc_value *conv(lyc_module *m, const lyc_vgg *vgg, int index, lyc_value *x)
{
    char name[16];
    snprintf(name, sizeof name, "%d", index);
    return lyc_module_conv2d(m, name, x, vgg->channels[index], 3, 1, 1, NULL);
}

void lyc_vgg_forward(lyc_value **maps, lyc_module *m, const lyc_vgg *vgg, lyc_value *pixels, const int *taps,
                     int tap_count)
{
    lyc_value *x = pixels;
    int index = 0;
    int found = 0;
    for (int stage = 0; stage < LYC_VGG_STAGES && found < tap_count && !lyc_value_failed(x); stage++) {
        for (int i = 0; i < vgg->convs[stage] && found < tap_count; i++, index += 2) {
            const bool tap = index == taps[found];
            x = conv(m, vgg, index, x);
            lyc_value *rectified = lyc_relu(m->graph, x);
            if (tap) {
                maps[found] = found + 1 == tap_count ? x : rectified;
                found++;
            }
            x = rectified;
        }
        index++;
        x = found < tap_count ? lyc_max_pool2d(m->graph, x, 2, 2) : x;
    }
    for (; found < tap_count; found++) {
        maps[found] = lyc_graph_fail(m->graph, LYC_E_ARGUMENT, "%s has no convolution %d", vgg->path, taps[found]);
    }
}

lyc_value *lyc_vgg_gram(lyc_graph *g, lyc_value *map)
{
    if (lyc_value_failed(map)) {
        return map;
    }
    const int64_t n = map->shape.dims[0];
    const int64_t c = map->shape.dims[3];
    const int64_t pixels = map->shape.dims[1] * map->shape.dims[2];
    const lyc_matmul_attr attr = {.alpha = 1.0f / (float)(c * pixels), .trans_a = true, .wide = true};
    lyc_value *rows = lyc_reshape(g, map, LYC_SHAPE(n, pixels, c));
    return lyc_reshape(g, lyc_matmul(g, rows, rows, NULL, NULL, &attr), LYC_SHAPE(n, c * c));
}
