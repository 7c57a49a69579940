/* trainable.h - the numbers that a run trains, under their names in files and in graphs
 *
 * Of adapters: the parameters of one member of a network, in the network's memory. Of whole components (native
 * fine-tuning): every tensor, as f32 in memory of the set, named "unet.<name in diffusers>". Of networks that are no
 * part of a model: what was added one by one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_TRAINABLE_H
#define LYC_TRAIN_TRAINABLE_H

#include "adapter/network.h"
#include "train/optimizer.h"

enum { LYC_TRAIN_GROUPS = 6 };

/* Numbers with a rate of their own; rows of optimisers name it by index. */
typedef struct lyc_trainable_group {
    const char *component; /* "unet", "text_encoder", "text_encoder_2" */
    bool plus;             /* LoRA+: the rows lora_up of that component */
    double rate;
    int64_t count; /* of numbers */
} lyc_trainable_group;

/* Rates, before schedules. ratios: 0 or 1 for no groups of LoRA+. */
typedef struct lyc_trainable_rates {
    double unet;
    double text[2];
    double unet_plus_ratio;
    double text_plus_ratio;
} lyc_trainable_rates;

/* {0} is empty. Rows do not move once all are added. */
typedef struct lyc_trainables {
    lyc_trainable *rows;
    size_t count, capacity;
    int64_t numbers; /* of all rows */
    lyc_trainable_group groups[LYC_TRAIN_GROUPS];
    int group_count;
    lyc_hashmap by_graph_name; /* "<component>/<name in graphs>": index + 1 */
    lyc_arena arena;           /* names */
    float **values;            /* of native rows; NULL for the others */
} lyc_trainables;

/* Adds the trained parameters of a member, named "<layer>.<parameter>" as its file has them, text encoders first. */
lyc_status lyc_trainables_add_network(lyc_trainables *set, const lyc_network *network, size_t member,
                                      const lyc_trainable_rates *rates, lyc_error *err);

/* Adds all tensors of a component that its graph uses, with the values that it has. */
lyc_status lyc_trainables_add_component(lyc_trainables *set, const lyc_component *component, double rate,
                                        lyc_error *err);

/* Adds one tensor of a network with numbers of the set's own, zero at first: *values. */
lyc_status lyc_trainables_add_tensor(float **values, lyc_trainables *set, const char *component, const char *name,
                                     const lyc_shape *shape, double rate, lyc_error *err);

void lyc_trainables_clear(lyc_trainables *set);

/* The row of a parameter of a graph; NULL: it is not trained here. */
lyc_trainable *lyc_trainables_find(const lyc_trainables *set, const char *component, const char *graph_name);

/* The norm of each group's numbers, in f64. */
void lyc_trainables_norms(double norms[LYC_TRAIN_GROUPS], const lyc_trainables *set);

#endif
