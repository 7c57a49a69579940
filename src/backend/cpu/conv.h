/* conv.h - convolutions as matrix products whose rows are patches of an image
 *
 * A pass is one product. Its rows are the pixels of a grid on n images; its k runs over taps, and for each tap over the
 * channels of a source pixel; its columns are channels of the target. For grid pixel (y, x), tap (u, v) reads source
 * pixel
 *
 *     (y * step[0] + at[0][u], x * step[1] + at[1][v])          zero outside of the image
 *
 * and the result goes to target pixel (y * target_step[0] + target_first[0], ...). With these numbers
 *
 * - the forward convolution is one pass: grid and target are y, step is the stride, at = u * dilation - pad;
 * - the gradient by data has one pass for each phase of the stride: the pixels of d_x with the same remainder see the
 * same taps, and d_y at distances of one. With stride 1 that is a forward convolution with the weight turned round.
 *
 * Groups are batches of the product. Weights are packed pass by pass, group by group; how, depends on neither the batch
 * nor the size of the image.
 *
 * Images of few channels are first copied with a border of zeros, so that the taps of one row of a kernel are one
 * stretch of memory for every grid pixel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_CONV_H
#define LYC_BACKEND_CPU_CONV_H

#include "backend/cpu/gemm.h"
#include "graph/ops/conv2d.h"

typedef struct lyc_conv_pass {
    int64_t grid[2]; /* rows and columns of pixels; either may be 0 */
    int64_t step[2];
    int taps[2];
    int64_t *at[2]; /* [taps] */
    int *weight_at; /* [taps[0] * taps[1]]: the tap's place in a kernel of the file */
    int64_t target_step[2];
    int64_t target_first[2];
} lyc_conv_pass;

/* A convolution or gradient by data with its sizes. Everything is in units of pixels and channels. */
typedef struct lyc_conv {
    int64_t images;
    int64_t source[2], target[2];             /* h, w */
    int64_t source_channels, target_channels; /* of one group */
    int groups;
    bool backward;
    int64_t kernel[2]; /* of the weight [oc,c/groups,kh,kw] */
    int64_t border[4]; /* top, left, bottom, right of the copy with zeros */
    bool copy;         /* whether there is one */
    int passes;
    lyc_conv_pass *pass;
} lyc_conv;

/* Sizes of the forward convolution. */
typedef struct lyc_conv_shape {
    int64_t images;
    int64_t x[2], y[2], kernel[2];
    int64_t x_channels, y_channels; /* of all groups */
} lyc_conv_shape;

/* Describes the forward convolution, or with `backward` its gradient by data. Free with lyc_free. */
lyc_status lyc_conv_new(lyc_conv **out, const lyc_conv_shape *shape, const lyc_conv2d_attr *attr, bool backward,
                        lyc_error *err);

/* Bytes of the packed weights, and packing from file order. */
size_t lyc_conv_packed_bytes(const lyc_conv *conv, const lyc_gemm_isa *isa, lyc_dtype panel_dtype);
lyc_status lyc_conv_pack(void *dst, const lyc_conv *conv, const lyc_gemm_isa *isa, lyc_dtype panel_dtype,
                         const void *weight, lyc_dtype stored, lyc_error *err);

/* One execution. The weight is packed beforehand, or as it lies in memory and packed into the workspace. */
typedef struct lyc_conv_call {
    const lyc_gemm_isa *isa;
    lyc_gemm_form form;
    const void *source;
    lyc_dtype source_dtype;
    bool prepacked;
    const void *weight;
    lyc_dtype weight_dtype; /* when not packed */
    lyc_gemm_finish finish;
} lyc_conv_call;

size_t lyc_conv_workspace(const lyc_conv *conv, const lyc_conv_call *call, int threads);
lyc_status lyc_conv_run(const lyc_conv *conv, const lyc_conv_call *call, void *workspace, lyc_error *err);

/* The gradient by weights: d_weight [oc,c/groups,kh,kw] in f32 from x and d_y, by the forward description. */
typedef struct lyc_conv_weights_call {
    const lyc_gemm_isa *isa;
    lyc_gemm_form form;
    const void *x, *d_y;
    lyc_dtype x_dtype, d_y_dtype;
    float *d_weight;
} lyc_conv_weights_call;

size_t lyc_conv_weights_workspace(const lyc_conv *conv, const lyc_conv_weights_call *call, int threads);
void lyc_conv_weights_run(const lyc_conv *conv, const lyc_conv_weights_call *call, void *workspace);

#endif
