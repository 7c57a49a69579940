/* models.h - the configurations of published models, and of small ones of the same form, as diffusers writes them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_MODELS_H
#define BENCH_MODELS_H

#include <stdbool.h>

#include "checkpoint/component.h"

typedef struct bench_model {
    const char *name;
    const char *help;
    const char *pipeline;                      /* class in model_index.json */
    const char *configs[LYC_COMPONENT_COUNT];  /* config.json; NULL: the model has none */
    const char *prefixes[LYC_COMPONENT_COUNT]; /* of the keys in a single file */
    int dropped_layers;                        /* of the text encoder, which only the single file has */
    const char *scheduler;                     /* scheduler_config.json */
} bench_model;

extern const bench_model bench_models[]; /* the last has no name */

/* NULL when there is none. */
const bench_model *bench_model_find(const char *name);

#endif
