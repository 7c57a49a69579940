/* timestep_embedding.h - what a model's configuration says of its time embedding
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_TIMESTEP_EMBEDDING_H
#define LYC_GRAPH_OPS_TIMESTEP_EMBEDDING_H

#include <stdbool.h>

typedef struct lyc_timestep_embedding_attr {
    int dim;
    bool flip_sin_to_cos; /* cosines first: all Stable Diffusion models */
    float freq_shift;
} lyc_timestep_embedding_attr;

#endif
