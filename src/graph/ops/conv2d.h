/* conv2d.h - attributes of the 2-D convolution and of its two gradients
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_CONV2D_H
#define LYC_GRAPH_OPS_CONV2D_H

#include "graph/ops/matmul.h"

/* 1 is the default of stride, dilation and groups: a struct of zeros is not valid. */
typedef struct lyc_conv2d_attr {
    int stride[2]; /* vertical, horizontal */
    int pad[4];    /* top, left, bottom, right */
    int dilation[2];
    int groups;
    int activation; /* lyc_activation */
} lyc_conv2d_attr;

typedef struct lyc_conv2d_backward_data_attr {
    lyc_conv2d_attr conv; /* of the forward pass, without activation */
    int size[2];          /* h, w of d_x: with strides, d_y does not tell */
} lyc_conv2d_backward_data_attr;

typedef struct lyc_conv2d_backward_weights_attr {
    lyc_conv2d_attr conv; /* of the forward pass, without activation */
    int kernel[2];        /* kh, kw of d_weight */
} lyc_conv2d_backward_weights_attr;

/* The usual convolution: one stride, the same padding on all sides, no dilation, one group. */
static inline lyc_conv2d_attr lyc_conv2d_plain(int stride, int pad)
{
    return (lyc_conv2d_attr){.stride = {stride, stride}, .pad = {pad, pad, pad, pad}, .dilation = {1, 1}, .groups = 1};
}

#endif
