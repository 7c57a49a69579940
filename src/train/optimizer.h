/* optimizer.h - the update of trainable numbers from their gradients
 *
 *     lyc_optimizer_new(&optimizer, "AdamW8bit", args, arg_count, params, count, err);
 *     ... for each step, when the gradients of all parameters are there:
 *     lyc_optimizer_set_scale(optimizer, coefficient);              clipping and averaging: no pass of its own
 *     lyc_optimizer_step(optimizer, rates, err);                    rates: one for each group
 *
 * An optimiser is one file that ends in its entry (optimizer_entry.h), and one line in optimizers.def. Work is divided
 * into pieces of the same size whatever the number of threads, and sums over pieces are added in order, so the bits of
 * a step do not depend on how many threads there are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TRAIN_OPTIMIZER_H
#define LYC_TRAIN_OPTIMIZER_H

#include "lycoris/option.h"
#include "lycoris/safetensors.h"
#include "lycoris/tensor.h"

/* A tensor that is trained. All of it is the caller's; name is that in files. */
typedef struct lyc_trainable {
    const char *name;
    float *value;
    const float *gradient; /* NULL: not in this step, and then left as it is */
    int64_t count;
    lyc_shape shape;
    int group; /* of rates */
} lyc_trainable;

typedef struct lyc_optimizer lyc_optimizer;
typedef struct lyc_optimizer_entry lyc_optimizer_entry;

/* By the name of sd-scripts, without regard to case and to the module before it ("bitsandbytes.optim.AdamW8bit"). NULL:
 * there is none. */
const lyc_optimizer_entry *lyc_optimizer_find(const char *name);

/* Names, NULL past the last; what it is; its options. */
const char *lyc_optimizer_name_at(size_t index);
const char *lyc_optimizer_summary(const lyc_optimizer_entry *entry);
const lyc_option *lyc_optimizer_options(const lyc_optimizer_entry *entry);

/* Bytes of state for each trained number, about: 8 bits and factors count as what they take. */
double lyc_optimizer_bytes_per_number(const lyc_optimizer_entry *entry);

/* A rate that is far from what the optimiser is used with, in words; NULL: it is not. */
const char *lyc_optimizer_doubt(const lyc_optimizer_entry *entry, double rate);

/* args: "weight_decay=0.1", "betas=0.9,0.99", as sd-scripts has them. params are borrowed and must stay.
 * LYC_E_ARGUMENT: an optimiser or argument that does not exist (the nearest one is named), a value that it cannot be;
 * LYC_E_UNSUPPORTED: one that exists elsewhere and is not here. */
lyc_status lyc_optimizer_new(lyc_optimizer **out, const char *name, const char *const *args, size_t arg_count,
                             lyc_trainable *params, size_t count, lyc_error *err);
void lyc_optimizer_free(lyc_optimizer *optimizer);

const lyc_optimizer_entry *lyc_optimizer_entry_of(const lyc_optimizer *optimizer);

/* Gradients count times this in the next steps; 1 at the start. */
void lyc_optimizer_set_scale(lyc_optimizer *optimizer, double scale);

/* One step. rates: of each group. */
lyc_status lyc_optimizer_step(lyc_optimizer *optimizer, const double *rates, lyc_error *err);

/* Steps that were made. */
int64_t lyc_optimizer_steps(const lyc_optimizer *optimizer);

/* What a rate amounts to: d times it for optimisers that find their own. */
double lyc_optimizer_effective_rate(const lyc_optimizer *optimizer, double rate);

/* Optimisers whose weights while training are not those to use (schedule-free): the values become those for saving and
 * sampling, and again those for training. Nothing for the others. A step in between is an error. */
void lyc_optimizer_evaluate(lyc_optimizer *optimizer);
void lyc_optimizer_train(lyc_optimizer *optimizer);

/* --- state ---------------------------------------------------------------------------------------------------------
 */

/* Everything that the next steps depend on, as tensors "<parameter>.<state>" and "optimizer.<number>". */
size_t lyc_optimizer_state_count(const lyc_optimizer *optimizer);

/* Type, shape and data of one; its name is the other function's. */
lyc_tensor_view lyc_optimizer_state_at(const lyc_optimizer *optimizer, size_t index);
void lyc_optimizer_state_name(char *out, size_t size, const lyc_optimizer *optimizer, size_t index);

/* Takes it from a file; LYC_E_FORMAT: a tensor is missing or is another one. */
lyc_status lyc_optimizer_load(lyc_optimizer *optimizer, const lyc_safetensors *file, lyc_error *err);

#endif
