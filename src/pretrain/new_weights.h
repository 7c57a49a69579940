/* new_weights.h - the tensors of a network that is made from nothing: what its builder asks for, with start values
 *
 *     lyc_new_weights weights = {.set = &set, .component = "vae", .seed = seed};
 *     const lyc_weight_source source = lyc_new_weights_source(&weights);
 *     ... the builder, once, with a module of this source: each tensor that it asks for is made
 *
 * So no list of names and shapes is kept beside the builders.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_PRETRAIN_NEW_WEIGHTS_H
#define LYC_PRETRAIN_NEW_WEIGHTS_H

#include "model/module.h"
#include "train/trainable.h"

typedef struct lyc_new_weights {
    lyc_trainables *set; /* borrowed; gets a row for each tensor */
    const char *component;
    uint64_t seed;
    lyc_status status; /* LYC_E_MEMORY when a tensor could not be made */
    lyc_error error;
} lyc_new_weights;

/* Borrows weights. A tensor that is asked for twice is one tensor. */
lyc_weight_source lyc_new_weights_source(lyc_new_weights *weights);

/* What a builder left in the graph, or what went wrong while its tensors were made. */
lyc_status lyc_new_weights_status(const lyc_new_weights *weights, const lyc_graph *g, lyc_error *err);

#endif
