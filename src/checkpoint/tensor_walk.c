/* tensor_walk.c - saying layer by layer which tensors there are
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "checkpoint/tensor_walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "tensor/shape.h"

size_t lyc_walk_enter(lyc_tensor_walk *walk, const char *format, ...)
{
    const size_t outer = walk->length;
    size_t at = outer;
    if (walk->status != LYC_OK) {
        return outer;
    }
    if (outer > 0) {
        walk->name[at++] = '.';
    }
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(walk->name + at, sizeof walk->name - at, format, arguments);
    va_end(arguments);
    assert(length >= 0 && at + (size_t)length < sizeof walk->name - 32);
    walk->length = at + (size_t)length;
    return outer;
}

void lyc_walk_leave(lyc_tensor_walk *walk, size_t outer)
{
    walk->length = outer;
    walk->name[outer] = '\0'; /* also where entering did nothing */
}

void lyc_walk_tensor(lyc_tensor_walk *walk, const char *name, const lyc_shape *shape)
{
    if (walk->status != LYC_OK) {
        return;
    }
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    walk->status = walk->visit(walk->context, walk->name, shape, walk->err);
    lyc_walk_leave(walk, outer);
}

void lyc_walk_linear(lyc_tensor_walk *walk, const char *name, int64_t in, int64_t out, bool bias)
{
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    lyc_walk_tensor(walk, "weight", &LYC_SHAPE(out, in));
    if (bias) {
        lyc_walk_tensor(walk, "bias", &LYC_SHAPE(out));
    }
    lyc_walk_leave(walk, outer);
}

void lyc_walk_conv(lyc_tensor_walk *walk, const char *name, int64_t in, int64_t out, int64_t kernel)
{
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    lyc_walk_tensor(walk, "weight", &LYC_SHAPE(out, in, kernel, kernel));
    lyc_walk_tensor(walk, "bias", &LYC_SHAPE(out));
    lyc_walk_leave(walk, outer);
}

void lyc_walk_norm(lyc_tensor_walk *walk, const char *name, int64_t channels)
{
    const size_t outer = lyc_walk_enter(walk, "%s", name);
    lyc_walk_tensor(walk, "weight", &LYC_SHAPE(channels));
    lyc_walk_tensor(walk, "bias", &LYC_SHAPE(channels));
    lyc_walk_leave(walk, outer);
}

void lyc_walk_group_norm(lyc_tensor_walk *walk, const char *name, int64_t channels, int groups)
{
    if (walk->status == LYC_OK && channels % groups != 0) {
        const size_t outer = lyc_walk_enter(walk, "%s", name);
        walk->status =
            lyc_fail(walk->err, LYC_E_FORMAT, "%s has %" PRId64 " channels, which 'norm_num_groups' %d does not divide",
                     walk->name, channels, groups);
        lyc_walk_leave(walk, outer);
    }
    lyc_walk_norm(walk, name, channels);
}

void lyc_walk_resnet(lyc_tensor_walk *walk, int64_t in, int64_t out, int64_t time_channels, int groups)
{
    lyc_walk_group_norm(walk, "norm1", in, groups);
    lyc_walk_conv(walk, "conv1", in, out, 3);
    if (time_channels > 0) {
        lyc_walk_linear(walk, "time_emb_proj", time_channels, out, true);
    }
    lyc_walk_group_norm(walk, "norm2", out, groups);
    lyc_walk_conv(walk, "conv2", out, out, 3);
    if (in != out) {
        lyc_walk_conv(walk, "conv_shortcut", in, out, 1);
    }
}

const char *lyc_walk_number(char name[32], int number)
{
    snprintf(name, 32, "%d", number);
    return name;
}
