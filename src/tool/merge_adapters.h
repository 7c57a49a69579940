/* merge_adapters.h - shared by the files that make one adapter file of several
 *
 * Planning says for each layer which files it is of, its form and its tensors, from headers alone. Layers are made
 * while the file is written, several at a time, and forgotten when their last tensor is there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_MERGE_ADAPTERS_H
#define LYC_TOOL_MERGE_ADAPTERS_H

#include "adapter/block_weights.h"
#include "adapter/network_file.h"
#include "lycoris/merge_adapters.h"
#include "tool/tensor_set.h"

/* A layer of a file, with a strength that is not 0. */
typedef struct lyc_merge_part {
    size_t input, layer;
    double strength;
    int64_t rank; /* of the exact form as a product; 0: there is none */
} lyc_merge_part;

typedef enum lyc_merge_form {
    LYC_MERGE_FORM_FACTORS, /* LoRA: the factors of all parts side by side */
    LYC_MERGE_FORM_ADDED,   /* LoRA: the factors of all parts added */
    LYC_MERGE_FORM_SVD,     /* LoRA: singular values of the factors of all parts */
    LYC_MERGE_FORM_DENSE,   /* LoRA: singular values of the change */
    LYC_MERGE_FORM_FULL,    /* the change */
    LYC_MERGE_FORM_NORM
} lyc_merge_form;

typedef struct lyc_merge_layer {
    const lyc_file_layer *source; /* in the first file that has it */
    const char *written;
    lyc_merge_part *parts;
    size_t count;
    lyc_adapter_target target;
    int64_t out, in, kernel;
    lyc_merge_form form;
    int64_t rank; /* of the LoRA */
    double alpha;
    bool with_bias;
    bool all_loras;       /* all parts are */
    int64_t product_rank; /* of all parts together; 0: one has no such form */
    int64_t largest_rank;

    /* When it is made. */
    float *up, *down;
    float *weight, *bias;
    int left; /* tensors that are still to be written; 0: not made */
    double energy, error, departure;
    lyc_status status;
    lyc_error err;
} lyc_merge_layer;

typedef struct lyc_merge_file {
    lyc_network_file *network;
    const lyc_merge_input *given;
    double blocks[LYC_BLOCK_SLOTS];
    size_t shared;
} lyc_merge_file;

struct lyc_adapter_merge {
    const lyc_merge_adapters_options *options; /* during the call */
    lyc_merge_file *files;
    size_t file_count;
    lyc_merge_layer *layers; /* in the order of the output */
    size_t count;
    lyc_key_scheme scheme;
    lyc_dtype dtype;
    lyc_arena arena;
    lyc_tensor_set set;
};

/* merge_adapters_plan.c: opens the files and fills everything but the numbers. */
lyc_status lyc_adapter_merge_plan(lyc_adapter_merge *m, const lyc_merge_input *inputs, size_t count, lyc_error *err);

/* merge_adapters_layer.c: the numbers of a layer. */
lyc_status lyc_merge_layer_make(lyc_merge_layer *layer, const lyc_adapter_merge *m, lyc_error *err);
void lyc_merge_layer_drop(lyc_merge_layer *layer);

/* How many numbers are in memory while a layer is made. */
int64_t lyc_merge_layer_numbers(const lyc_merge_layer *layer, const lyc_adapter_merge *m);

/* merge_adapters_metadata.c */
lyc_status lyc_adapter_merge_metadata(lyc_adapter_merge *m, const char *path, lyc_error *err);

/* Methods that look at the change number by number. */
static inline bool lyc_merge_method_is_dense(lyc_merge_method method)
{
    return method == LYC_MERGE_TIES || method == LYC_MERGE_DARE || method == LYC_MERGE_DARE_TIES;
}

#endif
