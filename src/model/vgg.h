/* vgg.h - the convolutions of VGG-16 and VGG-19 as a graph, and Gram matrices of their maps
 *
 * Simonyan and Zisserman (arXiv 1409.1556); Gatys et al. (1508.06576). Names as in torchvision: features.<k>, where k
 * counts convolutions, ReLUs and poolings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_MODEL_VGG_H
#define LYC_MODEL_VGG_H

#include "lycoris/safetensors.h"
#include "model/module.h"

enum { LYC_VGG_STAGES = 5, LYC_VGG_MAX_INDEX = 37, LYC_VGG_MAX_TAPS = 16 };

typedef struct lyc_vgg {
    const lyc_safetensors *file; /* borrowed */
    const char *path;
    char prefix[64];
    int convs[LYC_VGG_STAGES]; /* of each stage: 2 2 3 3 3 (VGG-16) or 2 2 4 4 4 (VGG-19); fewer where the file ends */
    int channels[LYC_VGG_MAX_INDEX]; /* of the convolution at an index; 0: none */
} lyc_vgg;

/* LYC_E_FORMAT: no VGG-16 or VGG-19; batch-norm variants are named. */
lyc_status lyc_vgg_init(lyc_vgg *vgg, const lyc_safetensors *file, const char *path, const char *prefix,
                        lyc_error *err);

lyc_weight_source lyc_vgg_source(const lyc_vgg *vgg);

/* The layers of the LyCORIS paper's style loss. */
extern const int lyc_vgg_style_taps[5];

/* Maps of the convolutions at ascending indices `taps`: behind the ReLU, the last one before it (the evaluation code of
 * the paper keeps references to maps that a ReLU in place changes, and its network ends with the last one).
 * pixels [n,h,w,3], normalised -> maps [n,h',w',c]. */
void lyc_vgg_forward(lyc_value **maps, lyc_module *m, const lyc_vgg *vgg, lyc_value *pixels, const int *taps,
                     int tap_count);

/* map [n,h,w,c] -> its Gram matrix / (c h w), of type LYC_FLOAT: [n,c c]. */
lyc_value *lyc_vgg_gram(lyc_graph *g, lyc_value *map);

#endif
