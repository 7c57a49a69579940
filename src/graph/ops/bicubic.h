/* bicubic.h - how an image is resampled
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_BICUBIC_H
#define LYC_GRAPH_OPS_BICUBIC_H

#include <stdbool.h>

enum { LYC_BICUBIC_MAX_FACTOR = 64 }; /* between the extents, in both directions */

/* The position embeddings of DINOv2 (37 x 37) are resampled with coefficient -0.75 and offset 0.1 in the models without
 * registers, with coefficient -0.5 and antialias in those with registers, and with -0.75 alone in transformers. */
typedef struct lyc_bicubic_attr {
    int oh;
    int ow;
    float coefficient; /* of the cubic: -0.75 by default, -0.5 in Pillow and in antialiased resampling */
    bool antialias;    /* widen the cubic where the image gets smaller */
    float offset;      /* the scale is (oh + offset) / h; in [0, 1) */
} lyc_bicubic_attr;

/* Of the gradient: the size of x, and the rest as it was. */
typedef struct lyc_bicubic_backward_attr {
    int h;
    int w;
    float coefficient;
    bool antialias;
    float offset;
} lyc_bicubic_backward_attr;

#endif
