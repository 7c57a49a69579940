/* convert.h - shared by the files that convert adapters
 *
 * Planning says for each layer what becomes of it and which tensors that gives; writing asks for these tensors in the
 * order of the file, and makes a layer when its first tensor is asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_CONVERT_H
#define LYC_TOOL_CONVERT_H

#include "adapter/compute.h"
#include "adapter/fused.h"
#include "adapter/network_file.h"
#include "base/arena.h"
#include "lycoris/convert.h"
#include "tool/base_model.h"
#include "tool/consumer/consumer.h"
#include "tool/layer_naming.h"

typedef enum lyc_convert_form {
    LYC_CONVERT_COPY,       /* the tensors as they are, under other names */
    LYC_CONVERT_SAME,       /* the same algorithm in the form that the naming scheme has: scales multiplied in */
    LYC_CONVERT_PRODUCT,    /* a LoRA of the exact product */
    LYC_CONVERT_SVD,        /* a LoRA that comes nearest */
    LYC_CONVERT_DIFFERENCE, /* the change itself */
    LYC_CONVERT_ROWS,       /* some rows of the layer: one of the parts that diffusers has of it */
    LYC_CONVERT_FUSED       /* the parts in one */
} lyc_convert_form;

typedef struct lyc_convert_layer {
    size_t index; /* in the file */
    lyc_convert_form form;
    const char *written;
    lyc_adapter_target target; /* not of LYC_CONVERT_COPY */
    lyc_dtype dtype;           /* of what is computed */
    int64_t rank;
    double error;
    lyc_adapter *kept; /* an approximation, made while planning */

    /* Of parts and of what is made of them: as differences instead of LoRAs; shares of the rows and which of them. */
    bool dense;
    lyc_fused fused;
    int part;
    size_t sources[LYC_FUSED_PARTS]; /* index in the file + 1; 0: the file has no such part */
    int64_t unit;                    /* rows of a share */

    bool swap; /* the halves of the rows are exchanged */

    bool based; /* the change depends on the weight of this module of the base model */
    lyc_base_module base;
} lyc_convert_layer;

/* A tensor of the output: of the layer's file where it is copied, else that of this name of what is made. */
typedef struct lyc_convert_tensor {
    size_t layer;
    const char *suffix; /* as the algorithm calls it */
    const lyc_tensor_view *copied;
} lyc_convert_tensor;

struct lyc_conversion {
    const lyc_network_file *file;
    lyc_base_model *base; /* NULL: none was given */
    const lyc_convert_options *options;
    const lyc_consumer *consumer; /* NULL: none */
    lyc_key_scheme scheme;
    bool keep_scheme, keep_dtype;
    lyc_layer_naming naming;
    lyc_convert_layer *layers;
    size_t count;
    lyc_hashmap tensors; /* by name in the output: lyc_convert_tensor */
    lyc_arena arena;

    const lyc_safetensors **inputs; /* that are looked at again before the output appears */
    size_t input_count, left;       /* tensors that are not written yet */

    /* The layer whose tensors were made last. */
    size_t made; /* index + 1; 0: none */
    lyc_adapter *adapter;
    lyc_adapter_file written;
    void *narrow; /* a tensor in the output's type */
    size_t narrow_size;
};

/* Says what becomes of a layer; fills all of it but its names. */
lyc_status lyc_convert_choose(lyc_convert_layer *layer, lyc_conversion *c, size_t index, lyc_error *err);

/* Name of a layer in the output, without suffix. */
const char *lyc_convert_name(lyc_conversion *c, const lyc_file_layer *layer);

/* The type of what is computed for a layer: that of its first tensor that is a matrix, when types are kept. */
lyc_dtype lyc_convert_dtype(const lyc_conversion *c, const lyc_file_layer *layer);

/* The scheme in which a layer is written. */
lyc_key_scheme lyc_convert_scheme(const lyc_conversion *c, const lyc_file_layer *layer);

/* Whether a layer of a transformer has to be divided, or put together with others, for the names that are wanted: then
 * *count of layers says into how many, 0 for a part whose matrix is made already. */
bool lyc_convert_is_fused(const lyc_conversion *c, const lyc_file_layer *source);
lyc_status lyc_convert_choose_fused(lyc_convert_layer layers[LYC_FUSED_PARTS], int *count, lyc_conversion *c,
                                    size_t index, lyc_error *err);

/* The halves of the rows have to be exchanged. */
bool lyc_convert_swaps(const lyc_conversion *c, const lyc_file_layer *source, const lyc_adapter_target *target);
void lyc_convert_swap(lyc_adapter *a);

/* The adapter of a layer of form ROWS or FUSED. */
lyc_status lyc_convert_make_fused(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer,
                                  lyc_error *err);

/* A LoRA without numbers, its alpha as large as its rank. */
lyc_status lyc_convert_new_lora(lyc_adapter **out, const char *name, const lyc_adapter_target *target, int64_t rank,
                                lyc_error *err);

/* Whether the change of a layer depends on the weight that it is for. Then what the layer is comes from the base model,
 * which it is an error not to have. */
bool lyc_convert_needs_base(const lyc_file_layer *source);
lyc_status lyc_convert_find_base(lyc_convert_layer *layer, const lyc_conversion *c, lyc_error *err);

/* The adapter of a layer of the file, with the weight that its change depends on. */
typedef struct lyc_convert_source {
    lyc_adapter *adapter;
    float *numbers; /* of the weight; NULL: it is not needed */
    lyc_tensor_view weight;
} lyc_convert_source;
lyc_status lyc_convert_open(lyc_convert_source *out, const lyc_conversion *c, const lyc_convert_layer *layer,
                            bool with_weight, lyc_error *err);
void lyc_convert_close(lyc_convert_source *source);
lyc_status lyc_convert_change(lyc_adapter_change *out, const lyc_convert_source *source, lyc_error *err);

/* Makes the layer's approximation, which stays in it. */
lyc_status lyc_convert_approximate(lyc_convert_layer *layer, const lyc_conversion *c, lyc_error *err);

/* The adapter that a layer of another form but LYC_CONVERT_COPY and _SVD becomes; with `empty` its numbers are not
 * made. The caller frees it. */
lyc_status lyc_convert_make(lyc_adapter **out, const lyc_conversion *c, const lyc_convert_layer *layer, bool empty,
                            lyc_error *err);

#endif
